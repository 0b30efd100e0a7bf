// One sound at a time, and a line that shows where it is.
const sounds = [...document.querySelectorAll("audio")];
for (const sound of sounds) {
  const line = sound.closest("figure").querySelector(".plane i");
  const show = () => {
    if (!line) return;
    const share = sound.duration ? sound.currentTime / sound.duration : 0;
    line.style.left = `${100 * share}%`;
    line.style.opacity = share > 0 ? 1 : 0;
    if (!sound.paused) requestAnimationFrame(show);
  };
  sound.addEventListener("play", () => {
    sounds.filter((other) => other !== sound).forEach((other) => other.pause());
    requestAnimationFrame(show);
  });
  sound.addEventListener("seeked", show);
  sound.addEventListener("ended", show);
}
for (const plane of document.querySelectorAll(".plane")) {
  const sound = plane.closest("figure").querySelector("audio");
  if (!sound) continue;
  plane.style.cursor = "pointer";
  plane.addEventListener("click", (event) => {
    if (!sound.duration) return;
    sound.currentTime = (event.offsetX / plane.clientWidth) * sound.duration;
    sound.play();
  });
}
