// The scale of a listening test: lettered markers, on one line (APE) or on a slider each (MUSHRA).
"use strict";

const LABELS = ["Excellent", "Good", "Fair", "Poor", "Bad"]; // ITU-R BS.1534-3, from 100 down
const LANE_PX = 46; // height of a row of markers, and the width a marker keeps free
const STEPS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -100, End: 100 };

const limit = (value) => Math.min(100, Math.max(0, Math.round(value * 10) / 10));

/** A new element: properties are set, names with a dash and `role` are attributes, null children left out. */
function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/**
 * The scale for `stimuli`, a list of {id, letter, mark: {value, plays, moved}}; `changed` follows every move.
 *
 * Gives its element, and `draw` to call whenever marks or the player have changed. `ends` are the words at both
 * ends of the line; none for sliders, which bear the words of MUSHRA.
 */
function makeScale({ stimuli, ends, player, changed }) {
  const upright = ends === null;
  const area = el("div", { className: upright ? "columns" : "line" });
  let touches = 0;
  const markers = stimuli.map(({ id, letter, mark }) => {
    const node = el("div", {
      className: "marker", role: "slider", tabIndex: 0, "aria-label": `Mix ${letter}`,
      "aria-valuemin": 0, "aria-valuemax": 100, "aria-orientation": upright ? "vertical" : "horizontal",
    }, el("span", { textContent: letter }));
    node.dataset.stimulus = id;
    const marker = { id, node, mark, touched: ++touches };
    const column = upright ? el("div", { className: "column" }, node) : null;
    area.append(column ?? node);
    const set = (value) => {
      Object.assign(mark, { value, moved: true });
      marker.touched = ++touches;
      changed();
    };
    const toggle = () => {
      if (player.playing(id)) player.stop();
      else player.play(id);
      changed();
    };
    moveByHand(node, column ?? area, upright, mark, set, () => player.play(id));
    moveByKey(node, mark, set, toggle);
    return marker;
  });

  function draw() {
    for (const { id, node, mark } of markers) {
      const playing = player.playing(id);
      node.style.setProperty("--value", mark.value);
      node.setAttribute("aria-valuenow", mark.value);
      node.setAttribute("aria-valuetext", `${mark.value} of 100${playing ? ", playing" : mark.plays ? "" : ", not heard yet"}`);
      node.classList.toggle("playing", playing);
      node.classList.toggle("heard", mark.plays > 0);
      node.classList.toggle("moved", mark.moved);
    }
    if (!upright && area.clientWidth) area.style.setProperty("--lanes", stack(markers, area.clientWidth));
  }

  const words = (name, list) => el("div", { className: name }, ...list.map((word) => el("span", { textContent: word })));
  const frame = upright
    ? el("div", { className: "scale mushra" }, words("words", LABELS), area)
    : el("div", { className: "scale ape" }, area, words("ends", [`← ${ends[0]}`, `${ends[1]} →`]));
  return { frame, draw };
}

/** Drag with mouse or finger. Taking a marker plays it too: what is moved is what is heard. */
function moveByHand(node, area, upright, mark, set, play) {
  const along = (event) => {
    const box = area.getBoundingClientRect();
    return upright ? (100 * (box.bottom - event.clientY)) / box.height : (100 * (event.clientX - box.left)) / box.width;
  };
  let grip = null; // where it was taken: distance to its value, the spot, and whether it has left that
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    node.setPointerCapture(event.pointerId);
    grip = { by: mark.value - along(event), x: event.clientX, y: event.clientY, dragged: false };
    node.focus({ preventScroll: true });
    play();
    event.preventDefault();
  });
  node.addEventListener("pointermove", (event) => {
    if (!grip) return;
    // A hand that only clicks trembles a little.
    grip.dragged ||= Math.hypot(event.clientX - grip.x, event.clientY - grip.y) > 3;
    if (grip.dragged) set(limit(along(event) + grip.by));
  });
  for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => (grip = null));
  if (!upright) return; // a click on the line could mean any marker, one on a slider only its own
  area.addEventListener("click", (event) => {
    if (node.contains(event.target)) return;
    play();
    set(limit(along(event)));
  });
}

/** Arrow keys move by 1, with shift by 5, page keys by 10; Enter and space play and stop. */
function moveByKey(node, mark, set, toggle) {
  node.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in STEPS) set(limit(Math.round(mark.value) + STEPS[event.key] * (event.shiftKey ? 5 : 1)));
    else if (event.key === "Enter" || event.key === " ") toggle();
    else return;
    event.preventDefault();
  });
}

/** Rows for markers on one line: the one moved last gives way, so that no other jumps under the hand. */
function stack(markers, width_px) {
  const placed = [];
  for (const { node, mark } of [...markers].sort((a, b) => a.touched - b.touched)) {
    const x = (mark.value / 100) * width_px;
    let lane = 0;
    while (placed.some((other) => other.lane === lane && Math.abs(other.x - x) < LANE_PX)) lane++;
    placed.push({ x, lane });
    node.style.setProperty("--lane", lane);
  }
  return 1 + Math.max(...placed.map(({ lane }) => lane));
}
