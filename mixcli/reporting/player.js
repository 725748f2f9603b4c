// The player of one song: play, seek, loop, switch between excerpts; a blind mode (names hidden, order
// shuffled) and ABX tests. Its markup comes from player.py, its sound from sound.js.
// What a player does can be read from its element: data-state, data-playing, data-position, data-mode and,
// after a test, data-score, data-trials and data-p.
"use strict";
(() => {
  const SHORTEST_LOOP_S = 0.2;
  const players = [];
  let current = null; // the player that keys speak to

  class Player {
    constructor(root) {
      this.root = root;
      this.deck = new Deck([...root.querySelectorAll("audio")].map((audio) => audio.src));
      this.buttons = [...root.querySelectorAll("[data-voice]")];
      this.names = this.buttons.map((button) => button.querySelector("span").textContent);
      this.keys = this.buttons.map((button) => button.dataset.key); // its number in the pictures, not its place
      this.order = this.names.map((_, index) => index); // which voice each button gives
      this.active = 0; // the button pressed: of the voices, or in a test A, B, X
      this.test = null;
      this.place = 0; // seconds, while nothing plays
      this.loop = null; // [from, to] in seconds
      this.seek = this.is("seek");
      this.listen();
      root.querySelector(".controls").hidden = false;
    }

    is(name) {
      return this.root.querySelector(`[data-do="${name}"], [data-is="${name}"]`);
    }

    listen() {
      const actions = {
        play: () => this.toggle(), from: () => this.setLoop(0), to: () => this.setLoop(1), whole: () => this.clearLoop(),
        blind: () => this.setBlind(this.root.dataset.mode !== "blind"), reveal: () => this.reveal(),
        abx: () => this.startTest(), leave: () => this.endTest("The test was left; nothing was counted."),
      };
      this.root.addEventListener("click", (event) => {
        current = this;
        const button = event.target.closest("button");
        if (!button || button.disabled) return;
        const { do: action, voice, abx, answer } = button.dataset;
        if (action) actions[action]();
        else if (voice ?? abx) this.switchTo(Number(voice ?? abx));
        else if (answer) this.answer(Number(answer));
        // After a mouse click space belongs to play and pause; someone who came by keyboard stays on the button.
        if (event.detail > 0) this.root.focus({ preventScroll: true });
      });
      this.seek.addEventListener("input", () => this.moveTo(Number(this.seek.value)));
    }

    // --- sound ---

    async load() {
      if (this.duration) return;
      this.root.dataset.state = "loading";
      this.tell("Decoding …");
      this.duration = await this.deck.load();
      this.seek.max = this.duration;
      this.tell("");
    }

    async toggle() {
      if (this.busy) return; // decoding takes a moment, and impatient clicks come
      this.busy = true;
      try {
        if (this.deck.playing) this.stop();
        else await this.play();
      } catch (error) {
        this.root.dataset.state = "error";
        this.tell(`This browser cannot play these excerpts (${error.message}).`);
      }
      this.busy = false;
    }

    async play() {
      await this.load();
      for (const other of players) if (other !== this && other.deck.playing) other.stop();
      await this.deck.begin(this.place, this.region(), this.heard());
      this.root.dataset.state = "playing";
      this.root.dataset.playing = "true";
      this.is("play").textContent = "Pause";
      requestAnimationFrame(() => this.show());
    }

    stop() {
      this.place = this.position();
      this.deck.silence();
      this.root.dataset.state = "paused";
      this.root.dataset.playing = "false";
      this.is("play").textContent = "Play";
      this.show();
    }

    moveTo(place) {
      this.place = Math.min(Math.max(place, 0), this.duration ?? Infinity);
      if (this.deck.playing) {
        this.deck.silence();
        this.deck.begin(this.place, this.region(), this.heard());
      }
      this.show();
    }

    position() {
      return this.deck.playing ? this.deck.position() : this.place;
    }

    region() {
      return this.loop ?? [0, this.duration];
    }

    // Which voice sounds: by the button pressed, the order of the blind mode, the draw of a test.
    heard() {
      if (!this.test) return this.order[this.active];
      return this.test.pair[this.active === 2 ? this.test.x : this.active];
    }

    switchTo(index) {
      if (index < 0 || index >= (this.test ? 3 : this.buttons.length)) return;
      this.active = index;
      this.press();
      if (this.deck.playing) this.deck.hear(this.heard());
    }

    setLoop(end) {
      if (!this.duration) return;
      const region = [...this.region()];
      region[end] = this.position();
      // The other end gives way, so that there is always a loop to hear.
      if (region[1] - region[0] < SHORTEST_LOOP_S) region[1 - end] = end ? 0 : this.duration;
      if (region[1] - region[0] < SHORTEST_LOOP_S) return;
      this.loop = region;
      this.moveTo(end ? region[0] : this.position());
    }

    clearLoop() {
      const place = this.position();
      this.loop = null;
      this.moveTo(place);
    }

    // --- what is shown ---

    show() {
      const place = this.position();
      this.root.dataset.position = place.toFixed(3);
      if (this.duration) {
        this.seek.value = place;
        this.seek.setAttribute("aria-valuetext", `${clock(place)} of ${clock(this.duration)}`);
        this.is("time").textContent = `${clock(place)} / ${clock(this.duration)}`;
      }
      const mark = this.root.querySelector(".region");
      mark.hidden = this.is("whole").disabled = !this.loop;
      if (this.loop) {
        mark.style.left = `${(100 * this.loop[0]) / this.duration}%`;
        mark.style.right = `${100 - (100 * this.loop[1]) / this.duration}%`;
      }
      if (this.deck.playing) requestAnimationFrame(() => this.deck.playing && this.show());
    }

    press() {
      const buttons = this.test ? this.root.querySelectorAll("[data-abx]") : this.buttons;
      buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === this.active)));
    }

    tell(text) {
      this.is("told").textContent = text;
    }

    // --- blind ---

    setBlind(on) {
      this.root.dataset.mode = on ? "blind" : "open";
      this.order = this.names.map((_, index) => index);
      if (on) shuffle(this.order);
      this.buttons.forEach((button, index) => {
        button.querySelector("span").textContent = on ? `Hidden ${this.keys[index]}` : this.names[index];
      });
      this.is("blind").textContent = on ? "Show the names" : "Blind: hide the names";
      this.is("reveal").disabled = !on;
      this.switchTo(0);
      this.tell(on ? "The names are hidden and the order is drawn by lot. Reveal shows what was what." : "");
    }

    reveal() {
      this.buttons.forEach((button, index) => {
        button.querySelector("span").textContent = `Hidden ${this.keys[index]} was ${this.names[this.order[index]]}`;
      });
      this.is("reveal").disabled = true;
      this.tell("");
    }

    // --- ABX ---

    startTest() {
      const pair = [Number(this.is("a").value), Number(this.is("b").value)];
      const trials = Math.round(Number(this.is("trials").value));
      if (pair[0] === pair[1]) return this.tell("A and B are the same excerpt; choose two.");
      if (!(trials >= 1 && trials <= 100)) return this.tell("Between 1 and 100 trials, please.");
      if (this.root.dataset.mode === "blind") this.setBlind(false);
      for (const name of ["score", "trials", "p"]) delete this.root.dataset[name];
      this.test = { pair, trials, done: 0, right: 0, x: coin() };
      this.showTest(true);
      this.nextTrial();
      if (!this.deck.playing) this.toggle();
    }

    nextTrial() {
      this.switchTo(0);
      const { done, trials, pair } = this.test;
      this.tell(`Trial ${done + 1} of ${trials}: A is ${this.names[pair[0]]}, B is ${this.names[pair[1]]}. What is X?`);
    }

    answer(guess) {
      const test = this.test;
      if (!test) return;
      test.right += Number(guess === test.x);
      test.done += 1;
      if (test.done < test.trials) {
        test.x = coin();
        return this.nextTrial();
      }
      const p = tail(test.right, test.trials);
      Object.assign(this.root.dataset, { score: test.right, trials: test.trials, p: String(p) });
      const verdict = p < 0.05 ? "that is evidence of an audible difference" : "that is no evidence of an audible difference";
      const chance = p < 0.001 ? p.toExponential(1) : p.toFixed(3);
      this.endTest(`${test.right} of ${test.trials} right. Guessing does as well or better with p = ${chance}: ${verdict}.`);
    }

    endTest(text) {
      this.test = null;
      this.showTest(false);
      this.switchTo(0);
      this.tell(text);
    }

    showTest(on) {
      this.root.dataset.mode = on ? "abx" : "open";
      this.root.querySelector(".voices").hidden = on;
      this.root.querySelector(".abx").hidden = !on;
      for (const name of ["blind", "setup"]) this.is(name).hidden = on;
      this.is("reveal").hidden = on;
    }

    // --- keys; true if the key was for this player ---

    key(event) {
      const key = event.key.toLowerCase();
      const onRange = event.target === this.seek;
      if (event.key === " ") this.toggle();
      else if (/^[0-9]$/.test(key)) this.switchTo(this.test ? Number(key) - 1 : this.keys.indexOf(key === "0" ? "10" : key));
      else if (key === "arrowleft" && !onRange) this.moveTo(this.position() - 1);
      else if (key === "arrowright" && !onRange) this.moveTo(this.position() + 1);
      else if (key === "i") this.setLoop(0);
      else if (key === "o") this.setLoop(1);
      else if (key === "l") this.clearLoop();
      else if (this.test && event.shiftKey && (key === "a" || key === "b")) this.answer(Number(key === "b"));
      else if (this.test && "abx".includes(key)) this.switchTo("abx".indexOf(key));
      else return false;
      return true;
    }
  }

  const clock = (s) => `${Math.floor(s / 60)}:${(Math.floor((s % 60) * 10) / 10).toFixed(1).padStart(4, "0")}`;
  const coin = () => crypto.getRandomValues(new Uint8Array(1))[0] & 1;

  function shuffle(list) {
    for (let last = list.length - 1; last > 0; last--) {
      const other = crypto.getRandomValues(new Uint32Array(1))[0] % (last + 1);
      [list[last], list[other]] = [list[other], list[last]];
    }
  }

  // Chance to have so many right or more by guessing: the upper tail of the binomial distribution at 1/2.
  function tail(right, trials) {
    let term = 0.5 ** trials, sum = 0;
    for (let k = 0; k <= trials; k++) {
      if (k >= right) sum += term;
      term *= (trials - k) / (k + 1);
    }
    return Math.min(sum, 1);
  }

  const inView = ({ root }) => {
    const box = root.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  };

  for (const root of document.querySelectorAll(".player")) players.push(new Player(root));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("select, textarea, audio, input:not([type=range])")) return;
    if (event.key === " " && event.target.closest("button, summary, a")) return;
    const player = players.find(({ root }) => root.contains(event.target)) ?? [current, ...players].find((p) => p && inView(p));
    if (!player?.key(event)) return;
    current = player;
    event.preventDefault();
  });
})();
