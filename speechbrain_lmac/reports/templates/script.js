// Plays one sound at a time. The sounds of a group are versions of one sound and share their position.
const sounds = [...document.querySelectorAll("audio")];
const groups = [...document.querySelectorAll("[data-group]")].map((element) => makeGroup(element));
let current = null; // group that was used last

function makeGroup(element) {
  const original = element.closest("section, main").querySelector(".original audio");
  const own = [...element.querySelectorAll("audio")];
  const first = element.dataset.group === "takes" ? 0 : element.querySelectorAll(".step").length || 1;
  if (original) own.splice(first, 0, original);
  const bar = document.createElement("div");
  bar.className = "switch";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Versions of the sound");
  const group = { element, own, bar, active: own[0] };
  group.play = addButton(group, "play", () => toggle(group));
  if (element.matches(".areas")) element.querySelector(".sounds").before(bar);
  else element.before(bar);
  showVersions(group);
  return group;
}
function addButton(group, name, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = name;
  button.addEventListener("click", act);
  group.bar.append(button);
  return button;
}
function start(sound) { sound.play().catch(() => {}); } // a pause may come before the start
function versions(group) { return group.own.filter((sound) => !sound.closest("[hidden]")); }
function labelOf(sound) { return sound.closest("figure").querySelector("strong").textContent; }
function showVersions(group) {
  const shown = versions(group);
  if (!shown.includes(group.active)) group.active = shown[0];
  [...group.bar.querySelectorAll(".version")].slice(shown.length).forEach((button) => button.remove());
  shown.forEach((sound, index) => {
    const button = group.bar.querySelectorAll(".version")[index]
      ?? addButton(group, "version", () => choose(group, versions(group)[index]));
    button.textContent = labelOf(sound);
    button.setAttribute("aria-pressed", sound === group.active);
  });
  group.play.textContent = group.active.paused ? "▶ Play" : "❚❚ Pause";
}
function groupOf(element) {
  if (element === document.body) return current;
  const own = groups.find((group) => group.bar.contains(element) || group.element.contains(element));
  if (own || !element.closest(".original")) return own;
  const section = element.closest("section, main");
  const inside = groups.filter((group) => section.contains(group.element));
  return inside.includes(current) ? current : inside[0];
}
function switchTo(group, sound) {
  const before = group.active;
  current = group;
  group.active = sound;
  if (sound !== before) {
    sound.currentTime = before.currentTime;
    if (!before.paused) { before.pause(); start(sound); }
  }
  showVersions(group);
  movePlayheads(sound);
}
function choose(group, sound) {
  if (sound === group.active) toggle(group);
  else { switchTo(group, sound); if (sound.paused) start(sound); }
}
function toggle(group) {
  current = group;
  if (group.active.paused) start(group.active); else group.active.pause();
}
function movePlayheads(sound) {
  const group = groupOf(sound);
  for (const other of new Set([sound, ...(group?.own ?? [])])) {
    const playhead = other.closest("figure").querySelector(".spectrogram i");
    if (!playhead) continue;
    const position = sound.duration ? sound.currentTime / sound.duration : 0;
    playhead.style.left = `${100 * position}%`;
    playhead.style.opacity = position === 0 ? 0 : other === sound ? 1 : .45;
  }
}
for (const sound of sounds) {
  const move = () => {
    movePlayheads(sound);
    if (!sound.paused) requestAnimationFrame(move);
  };
  sound.addEventListener("play", () => {
    if (sound.paused) return; // another sound was chosen before this event
    const group = groupOf(sound);
    for (const other of sounds.filter((each) => each !== sound && !each.paused)) {
      other.pause();
      const follows = group?.own.includes(other) && other.currentTime < sound.duration;
      if (follows && Math.abs(sound.currentTime - other.currentTime) > .1) sound.currentTime = other.currentTime;
    }
    if (group?.own.includes(sound)) { group.active = sound; current = group; showVersions(group); }
    requestAnimationFrame(move);
  });
  for (const name of ["seeked", "ended"]) sound.addEventListener(name, move);
  for (const name of ["pause", "ended"]) {
    sound.addEventListener(name, () => groups.filter((group) => group.own.includes(sound)).forEach(showVersions));
  }
}
for (const spectrogram of document.querySelectorAll(".spectrogram")) {
  const sound = spectrogram.closest("figure").querySelector("audio");
  if (!sound) continue;
  spectrogram.style.cursor = "pointer";
  spectrogram.addEventListener("click", (event) => {
    if (!sound.duration) return;
    sounds.forEach((other) => other.pause());
    sound.currentTime = (event.offsetX / spectrogram.clientWidth) * sound.duration;
    start(sound);
  });
}
// Space plays or pauses. The arrow keys switch between versions, or with Shift move by a second.
document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input, a, summary")) return;
  const group = groupOf(target);
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!group || (event.key === " " ? target.matches("button") : !step)) return;
  event.preventDefault();
  event.stopPropagation();
  if (target.matches("audio")) { current = group; if (group.active !== target) switchTo(group, target); }
  if (event.key === " ") toggle(group);
  else if (event.shiftKey) group.active.currentTime = Math.max(0, group.active.currentTime + step);
  else {
    const shown = versions(group);
    const next = (shown.indexOf(group.active) + step + shown.length) % shown.length;
    switchTo(group, shown[next]);
    group.bar.querySelectorAll(".version")[next].focus({ preventScroll: true });
  }
}, true);
// Shows the sound of the chosen area, and goes on playing from the same position.
for (const slider of document.querySelectorAll(".slider input")) {
  const labels = [...slider.parentElement.querySelectorAll(".ticks b")];
  const steps = [...slider.closest(".areas").querySelectorAll(".step")];
  const group = groups.find((each) => each.element.contains(slider));
  let shown = steps.findIndex((step) => !step.hidden);
  slider.value = shown;
  slider.addEventListener("input", () => {
    const before = steps[shown].querySelector("audio");
    shown = Number(slider.value);
    steps.forEach((step, index) => { step.hidden = index !== shown; });
    slider.setAttribute("aria-valuetext", labels[shown].textContent);
    const after = steps[shown].querySelector("audio");
    if (group.active === before) switchTo(group, after);
    else showVersions(group);
  });
}
// Opens the card of an absent prompt that a link leads to.
for (const link of document.querySelectorAll('a[href^="#"]')) {
  link.addEventListener("click", () => {
    const card = document.getElementById(link.hash.slice(1));
    if (card?.matches("details")) card.open = true;
  });
}
// Tells the page around an embedded report how high the report is, also when it is out of sight.
if (document.body.matches(".embedded") && parent !== window) {
  const tell = () => parent.postMessage({ reportHeight: document.body.offsetHeight }, "*");
  new ResizeObserver(tell).observe(document.body);
  addEventListener("load", tell);
  tell();
}
