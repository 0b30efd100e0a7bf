// Plays one sound at a time and moves a playhead over its spectrogram.
const sounds = [...document.querySelectorAll("audio")];
for (const sound of sounds) {
  const playhead = sound.closest("figure").querySelector(".spectrogram i");
  const move = () => {
    if (!playhead) return;
    const position = sound.duration ? sound.currentTime / sound.duration : 0;
    playhead.style.left = `${100 * position}%`;
    playhead.style.opacity = position > 0 ? 1 : 0;
    if (!sound.paused) requestAnimationFrame(move);
  };
  sound.addEventListener("play", () => {
    sounds.filter((other) => other !== sound).forEach((other) => other.pause());
    requestAnimationFrame(move);
  });
  sound.addEventListener("seeked", move);
  sound.addEventListener("ended", move);
}
for (const spectrogram of document.querySelectorAll(".spectrogram")) {
  const sound = spectrogram.closest("figure").querySelector("audio");
  if (!sound) continue;
  spectrogram.style.cursor = "pointer";
  spectrogram.addEventListener("click", (event) => {
    if (!sound.duration) return;
    sound.currentTime = (event.offsetX / spectrogram.clientWidth) * sound.duration;
    sound.play();
  });
}
// Shows the sound of the chosen area, and goes on playing from the same position.
for (const slider of document.querySelectorAll(".slider input")) {
  const labels = [...slider.parentElement.querySelectorAll(".ticks b")];
  const steps = [...slider.closest(".areas").querySelectorAll(".step")];
  let shown = steps.findIndex((step) => !step.hidden);
  slider.value = shown;
  slider.addEventListener("input", () => {
    const before = steps[shown].querySelector("audio");
    const playing = !before.paused;
    shown = Number(slider.value);
    steps.forEach((step, index) => { step.hidden = index !== shown; });
    slider.setAttribute("aria-valuetext", labels[shown].textContent);
    const after = steps[shown].querySelector("audio");
    after.currentTime = before.currentTime;
    if (playing) after.play();
  });
}
