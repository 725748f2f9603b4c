// The legend of a song shows and hides the lines of one system in the pictures below it, or of all baselines.
"use strict";
for (const legend of document.querySelectorAll(".legend")) {
  const buttons = [...legend.querySelectorAll("[data-number]")], all = legend.querySelector("[data-all]");
  const background = buttons.filter((button) => button.classList.contains("quiet"));
  const isShown = (button) => button.getAttribute("aria-pressed") === "true";
  const show = (button, shown) => {
    button.setAttribute("aria-pressed", String(shown));
    const lines = legend.closest("section").querySelectorAll(`.lines .n${button.dataset.number}`);
    for (const part of lines) part.classList.toggle("away", !shown);
    all?.setAttribute("aria-pressed", String(background.every(isShown)));
  };
  for (const button of buttons) {
    button.addEventListener("click", () => show(button, !isShown(button)));
    show(button, isShown(button));
  }
  all?.addEventListener("click", (_, shown = !isShown(all)) => background.forEach((button) => show(button, shown)));
}
