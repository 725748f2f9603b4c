// Playback of a listening test: all mixes of a song run in step and loop, one of them is let through.
// Excerpts come with faded ends, so the seam of the loop does not click.
"use strict";

const FADE_S = 0.02; // crossfade when switching; the mixes are alike, so a linear one keeps the level

/** A player; `read(id)` gives the data URI of a stimulus. `onHeard(id, newly chosen, seconds)` may be set. */
function makePlayer(read) {
  let context = null; // made at the first click: browsers allow no sound before
  let wanted = null; // the ids whose audio is decoded; one trial at a time, to spare memory
  let buffers = new Map();
  let voices = new Map();
  let offset_s = 0; // where a stopped player goes on
  let started_s = null; // context time of the loop's beginning; null when stopped
  let heard_s = 0; // context time up to which listening is booked

  const player = {
    onHeard: () => {},
    current: null, // id that is let through, or was before the stop
    loop_s: 1,
    get running() {
      return started_s !== null;
    },
    playing: (id) => player.running && player.current === id,
    position: () => (player.running ? Math.max(0, context.currentTime - started_s) % player.loop_s : offset_s),

    /** Call from a click. */
    wake() {
      context ??= new AudioContext();
      context.resume();
    },

    /** Decode these stimuli, together; false if others were asked for meanwhile. Rejects what is no audio. */
    async load(ids) {
      const key = ids.join();
      if (wanted === key && buffers.size) return true;
      player.stop();
      [wanted, buffers, player.current, offset_s] = [key, new Map(), null, 0];
      const decoded = await Promise.all(ids.map(async (id) => [id, await decode(context, read(id))]));
      if (wanted !== key) return false;
      player.loop_s = Math.min(...decoded.map(([, buffer]) => buffer.duration));
      buffers = new Map(decoded);
      return true;
    },

    /** Let one mix through at the place where the others are; starts the loop if it stands. */
    play(id) {
      if (!buffers.has(id) || player.playing(id)) return;
      player.book();
      if (!player.running) start();
      change(id);
      player.onHeard(id, true, 0);
    },

    stop() {
      if (!player.running) return;
      player.book();
      offset_s = player.position();
      started_s = null;
      for (const { source, gain } of voices.values()) {
        fade(gain, 0);
        source.stop(context.currentTime + 2 * FADE_S);
      }
      voices = new Map();
    },

    /** Go to another place of the loop; what was heard goes on there. */
    seek(seconds) {
      const { running } = player;
      player.stop();
      offset_s = seconds % player.loop_s;
      if (!running) return;
      start();
      change(player.current);
    },

    /** Book the time since the last call to the mix that is heard. */
    book() {
      if (!player.running) return;
      const since_s = context.currentTime - heard_s;
      heard_s = context.currentTime;
      player.onHeard(player.current, false, since_s);
    },
  };

  function start() {
    started_s = context.currentTime - offset_s;
    for (const [id, buffer] of buffers) {
      const source = new AudioBufferSourceNode(context, { buffer, loop: true, loopEnd: player.loop_s });
      const gain = new GainNode(context, { gain: 0 });
      source.connect(gain).connect(context.destination);
      source.start(0, offset_s);
      voices.set(id, { source, gain: gain.gain });
    }
  }

  function change(id) {
    player.current = id;
    heard_s = context.currentTime;
    for (const [other, { gain }] of voices) fade(gain, other === id ? 1 : 0);
  }

  function fade(gain, target) {
    const now_s = context.currentTime;
    gain.cancelScheduledValues(now_s);
    gain.setValueAtTime(gain.value, now_s);
    gain.linearRampToValueAtTime(target, now_s + FADE_S);
  }

  return player;
}

function decode(context, uri) {
  const bytes = Uint8Array.from(atob(uri.slice(uri.indexOf(",") + 1).trim()), (character) => character.charCodeAt(0));
  return context.decodeAudioData(bytes.buffer);
}
