// The listening test in the listener's browser: its pages, their order, and the answers.
//
// Knows ids of stimuli, never systems. What is shown comes from data and is set as text, not as markup.
// Words: a trial is the mixes of one song, a sheet one trial under one criterion, a mark what the listener
// has done to one stimulus on one sheet: {value 0..100, plays, seconds, moved}.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("page").textContent);
  const app = document.getElementById("app");
  const player = makePlayer((id) => document.getElementById(`audio-${id}`).textContent);
  const mushra = page.style === "mushra";
  const STORE = `mixcli-listening:${page.id}`;
  const LETTERS = "ABCDEFGHIJK";

  // ---- what the listener has done, kept over a reload --------------------------------------------------

  let storage = true; // false where the browser refuses to keep anything
  let state = restored() ?? fresh();
  let sheets = planned(); // the first is for practice
  let resumed = state.step > 0; // kept answers were found: ask before going on with them

  function fresh() {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0];
    return { step: 0, listener: "", device: "", seed, started: null, finished: null, marks: {}, notes: {}, comment: "" };
  }

  function restored() {
    try {
      const kept = JSON.parse(localStorage.getItem(STORE));
      return typeof kept?.seed === "number" && kept.marks ? kept : null;
    } catch {
      storage = false;
      return null;
    }
  }

  function save() {
    try {
      localStorage.setItem(STORE, JSON.stringify(state));
    } catch {
      storage = false;
    }
  }

  /** Numbers in [0, 1) that depend on the seed alone (mulberry32), so that a reload gives the same order. */
  function generator(seed) {
    let a = seed >>> 0;
    return () => {
      a = (a + 0x6d2b79f5) | 0;
      let t = Math.imul(a ^ (a >>> 15), 1 | a);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  /** A copy in random order (Fisher and Yates). */
  function shuffled(list, random) {
    const copy = [...list];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [copy[i], copy[j]] = [copy[j], copy[i]];
    }
    return copy;
  }

  /** All sheets in this listener's order: songs shuffled, criteria within a song, letters within a sheet. */
  function planned() {
    const random = generator(state.seed);
    const sheet = (trial, criterion) => ({
      key: `${trial.id}/${criterion.name}`,
      trial,
      criterion,
      stimuli: shuffled(trial.stimuli, random).map((id, i) => ({
        id,
        letter: LETTERS[i],
        start: mushra ? 50 : limit(8 + 84 * random()), // says nothing: anywhere on the line, or amid the slider
      })),
    });
    const rated = shuffled(page.trials, random).flatMap((trial) =>
      shuffled(page.criteria, random).map((criterion) => sheet(trial, criterion)));
    return [{ ...sheet(rated[0].trial, rated[0].criterion), key: "practice" }, ...rated];
  }

  function markOf(sheet, { id, start }) {
    const marks = (state.marks[sheet.key] ??= {});
    return (marks[id] ??= { value: start, plays: 0, seconds: 0, moved: false });
  }

  /** The file that the listener sends back. */
  function answers() {
    const rated = sheets.slice(1);
    const ratings = rated.flatMap((sheet) => sheet.stimuli.map((stimulus) => {
      const { value, plays, seconds } = markOf(sheet, stimulus);
      const at = { trial: sheet.trial.id, criterion: sheet.criterion.name, stimulus: stimulus.id };
      return { ...at, value, plays, seconds: Math.round(seconds * 10) / 10 };
    }));
    // Letters mean something on one sheet only, so a note carries what they stood for.
    const notes = rated.filter((sheet) => state.notes[sheet.key]?.trim()).map((sheet) => {
      const letters = sheet.stimuli.map(({ id, letter }) => `${letter}=${id}`).join(" ");
      return `[${sheet.trial.song}, ${sheet.criterion.name}; ${letters}] ${state.notes[sheet.key].trim()}`;
    });
    const { listener, device, seed, started, finished } = state;
    const head = { schema: "mixcli.listening-answers/1", page: page.id, listener, style: page.style, device, seed };
    const comment = [state.comment.trim(), ...notes].filter(Boolean).join("\n");
    return JSON.stringify({ ...head, started, finished, ratings, comment }, null, 1);
  }

  // ---- pages -------------------------------------------------------------------------------------------

  let timer = 0;
  const text = (words, className = "") => el("p", { textContent: words, className });
  const heading = (words) => el("h2", { textContent: words, tabIndex: -1 });
  const live = () => el("p", { className: "hint", "aria-live": "polite" });
  const nav = (...buttons) => el("nav", {}, ...buttons);
  const button = (words, onclick, extra = {}) => el("button", { type: "button", textContent: words, onclick, ...extra });
  const more = (words, ...parts) => el("details", {}, el("summary", { textContent: words }), ...parts);
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const where = () => `page ${Math.min(Math.max(state.step - 2, 1), sheets.length - 1)} of ${sheets.length - 1}`;
  const amount = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;

  function go(step) {
    player.wake();
    [state.step, resumed] = [step, false];
    show();
  }

  /** Show the page of this step: welcome, volume, practice, the rated sheets, the end. */
  function show() {
    player.stop();
    clearInterval(timer);
    [player.onHeard, window.onresize] = [() => {}, null];
    const view = resumed ? welcomeBack : ([welcome, volume][state.step] ?? (state.step < 2 + sheets.length ? rate : finish));
    const { parts, shown } = view();
    save();
    const notice = "This browser keeps nothing: leave this page open until your answers are saved as a file.";
    app.replaceChildren(...parts.filter(Boolean), ...(storage ? [] : [text(notice, "notice")]));
    app.querySelector("h2").focus();
    scrollTo(0, 0);
    shown?.();
  }

  function startAgain(words) {
    return button(words, () => {
      if (!confirm("Start again? The answers kept in this browser will be forgotten.")) return;
      state = fresh();
      [sheets, resumed] = [planned(), false];
      show();
    });
  }

  function welcomeBack() {
    const on = button("Go on", () => go(state.step), { className: "main" });
    const words = text(`Your answers up to ${where()} were kept.`);
    return { parts: [heading(`Welcome back, ${state.listener}`), words, nav(on, startAgain("Start again"))] };
  }

  function welcome() {
    const code = el("input", { id: "code", required: true, maxLength: 60, autocomplete: "off", value: state.listener });
    const choice = (value) => el("label", {},
      el("input", { type: "radio", name: "device", value, required: true, checked: state.device === value }), value);
    const form = el("form", {},
      el("label", { htmlFor: "code", textContent: "Your listener code or name" }), code,
      el("fieldset", {}, el("legend", { textContent: "You listen on" }), choice("headphones"), choice("speakers")),
      nav(el("button", { className: "main", textContent: "Begin" })));
    form.onsubmit = (event) => {
      event.preventDefault();
      state.listener = code.value.trim();
      state.device = new FormData(form).get("device");
      state.started ??= new Date().toISOString();
      go(1);
    };
    const much = `${amount(page.trials.length, "song")}, ${amount(sheets.length - 1, "page")}.`;
    return { parts: [heading("Welcome"), ...page.instructions.map((words) => text(words)), text(much, "quiet"), form] };
  }

  /** Decode a trial's audio, then call `ready`; says so while it lasts and where it fails. */
  function whenLoaded(trial, status, ready) {
    status.textContent = "Getting the music ready …";
    const failed = () => (status.textContent = "This browser cannot play the audio of this page. Another one may.");
    player.load([...trial.stimuli, trial.offered].filter(Boolean)).then((all) => all && ready(), failed);
  }

  function volume() {
    const [{ trial, stimuli }, status] = [sheets[0], live()];
    const next = button("Next", () => go(2), { className: "main", disabled: true });
    const sound = button("Play", () => {
      if (player.running) player.stop();
      else player.play(stimuli[0].id);
      sound.textContent = player.running ? "Stop" : "Play";
      next.disabled = false;
    }, { disabled: true });
    const words = "Play this excerpt and set the volume of your device so that you hear it well without strain. "
      + "All excerpts of a song are equally loud: leave the volume as it is from here on.";
    const ready = () => {
      [sound.disabled, status.textContent] = [false, ""];
    };
    return {
      parts: [heading("Set your volume"), text(words), el("div", { className: "transport" }, sound), status,
        nav(button("Back", () => go(0)), next)],
      shown: () => whenLoaded(trial, status, ready),
    };
  }

  function rate() {
    const sheet = sheets[state.step - 2];
    const { trial, criterion } = sheet;
    const [practice, hint] = [state.step === 2, live()];
    const stimuli = sheet.stimuli.map((stimulus) => ({ ...stimulus, mark: markOf(sheet, stimulus) }));
    const ends = mushra ? null : [criterion.low, criterion.high];
    const { frame, draw } = makeScale({ stimuli, ends, player, changed: () => ((state.finished = null), changed()) });

    const place = el("input", { type: "range", min: 0, step: "any", value: 0, "aria-label": "Place in the excerpt" });
    place.onchange = () => player.seek(Number(place.value));
    const time = el("span", { className: "time" });
    const run = button("Play", () => {
      if (player.running) player.stop();
      else player.play(player.current ?? stimuli[0].id);
      changed();
    });
    const open = trial.offered ? button(trial.offered_as, () => player.play(trial.offered)) : null;
    const next = button("Next", () => go(state.step + 1), { className: "main" });
    const note = el("textarea", { rows: 2, value: state.notes[sheet.key] ?? "" });
    note.oninput = () => ((state.notes[sheet.key] = note.value), save());

    function changed() {
      draw();
      const missing = (words, test) => {
        const letters = stimuli.filter(({ mark }) => test(mark)).map(({ letter }) => letter);
        return letters.length ? `${words}: ${letters.join(", ")}. ` : "";
      };
      const open_points = missing("Not heard yet", (mark) => !mark.plays) + missing("Not moved yet", (mark) => !mark.moved);
      hint.textContent = open_points || "All heard and placed.";
      next.disabled = !practice && open_points !== "";
      run.textContent = player.running ? "Pause" : "Play";
      open?.setAttribute("aria-pressed", player.playing(trial.offered));
      save();
    }

    function ready() {
      [panel.inert, place.max, window.onresize] = [false, player.loop_s, draw];
      player.onHeard = (id, chosen, seconds) => {
        const mark = stimuli.find((stimulus) => stimulus.id === id)?.mark;
        if (mark) Object.assign(mark, { plays: mark.plays + chosen, seconds: mark.seconds + seconds });
        changed();
      };
      timer = setInterval(() => {
        if (!place.matches(":active")) place.value = player.position();
        time.textContent = `${clock(player.position())} / ${clock(player.loop_s)}`;
      }, 100);
      changed();
    }

    const panel = el("div", { className: "panel", inert: true }, el("div", { className: "transport" }, run, open, place, time), frame);
    const how = "Click a letter to hear that mix, drag it to rate it; or choose it with Tab, play it with Enter and "
      + "move it with the arrow keys.";
    const top = practice ? "Practice: nothing on this page counts" : `${trial.song} · ${criterion.name} · ${where()}`;
    const bar = el("progress", { max: sheets.length - 1, value: state.step - 3, "aria-label": "Progress" });
    return {
      parts: [text(top, "quiet"), practice ? null : bar, heading(criterion.question), text(how, "quiet"), panel, hint,
        practice ? null : more("Comment", el("label", {}, "A word on these mixes, if you like", note)),
        nav(button("Back", () => go(state.step - 1)), next)],
      shown: () => {
        draw();
        next.disabled = true;
        whenLoaded(trial, hint, ready);
      },
    };
  }

  function finish() {
    state.finished ??= new Date().toISOString();
    const [raw, status] = [el("textarea", { readOnly: true, rows: 8, "aria-label": "Your answers", value: answers() }), live()];
    const details = more("What is in them", raw);
    const comment = el("textarea", { id: "comment", rows: 3, value: state.comment });
    comment.oninput = () => ((state.comment = comment.value), (raw.value = answers()), save());
    const keep = () => {
      const href = URL.createObjectURL(new Blob([answers()], { type: "application/json" }));
      el("a", { href, download: `answers_${state.listener.replace(/[^\w-]+/g, "-")}_${page.id}.json` }).click();
      setTimeout(() => URL.revokeObjectURL(href), 10000);
      status.textContent = "Saved among your downloads.";
    };
    const byHand = () => {
      details.open = true;
      raw.select();
      return document.execCommand("copy");
    };
    const copy = async () => {
      const done = await (navigator.clipboard?.writeText(answers()) ?? Promise.reject()).then(() => true, byHand);
      status.textContent = done ? "Copied." : "Copy the marked text by hand.";
    };
    const words = "That was all. Save your answers as a file and send it to whoever asked you to listen.";
    return { parts: [heading("Thank you"), text(words), el("label", { htmlFor: "comment", textContent: "Anything to add?" }), comment,
      nav(button("Save answers", keep, { className: "main" }), button("Copy answers", copy)), status, details,
      nav(button("Back", () => go(state.step - 1)), startAgain("For another listener"))] };
  }

  window.addEventListener("pagehide", () => (player.book(), save()));
  show();
})();
