// Sounds several excerpts of one song at once: all run from the same sample on, one is heard.
"use strict";
const FADE_S = 0.01; // of a switch, linear: the same music at the same place adds up to itself
const LEAD_S = 0.03; // between asking for a start and the start, so that all begin at one sample

class Deck {
  static context = null; // one for the page; made late, since browsers allow sound after a click or key only

  constructor(uris) {
    this.uris = uris;
    this.running = null; // what plays: sources, gains, when and where it began, the loop
  }

  // Decode everything; the seconds that all excerpts have.
  async load() {
    const context = (Deck.context ??= new AudioContext());
    const decode = (uri) => context.decodeAudioData(Deck.bytes(uri));
    this.buffers = await Promise.all(this.uris.map(decode));
    return Math.min(...this.buffers.map((buffer) => buffer.duration));
  }

  static bytes(uri) {
    const text = atob(uri.slice(uri.indexOf(",") + 1));
    return Uint8Array.from(text, (character) => character.charCodeAt(0)).buffer;
  }

  get playing() {
    return this.running !== null;
  }

  // Start all excerpts at a place (s), going round in a region ([from, to] in s), with one of them heard.
  async begin(place, [from, to], heard) {
    const { context } = Deck;
    if (place < from || place >= to - FADE_S) place = from;
    const master = new GainNode(context, { gain: 0 });
    master.connect(context.destination);
    const gains = this.buffers.map((_, index) => new GainNode(context, { gain: index === heard ? 1 : 0 }));
    const loop = { loop: true, loopStart: from, loopEnd: to };
    const sources = this.buffers.map((buffer) => new AudioBufferSourceNode(context, { buffer, ...loop }));
    const running = { sources, gains, master, place, from, to, when: Infinity };
    this.running = running;
    await context.resume();
    if (this.running !== running) return; // stopped or moved again meanwhile
    running.when = context.currentTime + LEAD_S;
    master.gain.setValueAtTime(0, running.when);
    master.gain.linearRampToValueAtTime(1, running.when + FADE_S);
    sources.forEach((source, index) => {
      source.connect(gains[index]).connect(master);
      source.start(running.when, place);
    });
  }

  silence() {
    const { sources, master, when } = this.running;
    this.running = null;
    if (when === Infinity) return;
    Deck.glide(master.gain, 0);
    for (const source of sources) source.stop(Deck.context.currentTime + 2 * FADE_S);
  }

  // Crossfade to another excerpt.
  hear(heard) {
    this.running.gains.forEach(({ gain }, index) => Deck.glide(gain, index === heard ? 1 : 0));
  }

  static glide(gain, value) {
    const now = Deck.context.currentTime;
    gain.cancelScheduledValues(now);
    gain.setValueAtTime(gain.value, now);
    gain.linearRampToValueAtTime(value, now + FADE_S);
  }

  // Where the sound is, in seconds of the excerpts.
  position() {
    const { when, place, from, to } = this.running;
    const at = place + Math.max(Deck.context.currentTime - when, 0);
    return at < to ? at : from + ((at - from) % (to - from));
  }
}
