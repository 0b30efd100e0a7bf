// Keeps the ratings of a blind page in the browser, and saves them as a CSV file.
const form = document.getElementById("ratings");
const store = `speechbrain-lmac ratings ${form.dataset.store}`;
const quote = (text) => `"${String(text).replaceAll('"', '""')}"`;
const radios = [...form.querySelectorAll("input[type=radio]")];
let anonymous = `anonymous ${crypto.getRandomValues(new Uint32Array(1))[0]}`;
const letters = [...new Map(radios.map((radio) => [radio.name, radio])).values()];
try { // a browser may have no storage for local files
  anonymous = localStorage.getItem(`${store} rater`) ?? anonymous;
  localStorage.setItem(`${store} rater`, anonymous);
  for (const [name, value] of Object.entries(JSON.parse(localStorage.getItem(store) ?? "{}"))) {
    if (form.elements[name]) form.elements[name].value = value;
  }
} catch {}
form.addEventListener("input", () => {
  try { localStorage.setItem(store, JSON.stringify(Object.fromEntries(new FormData(form)))); } catch {}
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const data = new FormData(form);
  const missing = letters.filter((radio) => !data.get(radio.name)).map((radio) => radio.name);
  const status = document.getElementById("status");
  if (missing.length) { status.textContent = `Not rated yet: ${missing.join(", ")}`; return; }
  const rater = data.get("rater") || anonymous; // a second file replaces the ratings of the first
  const saved = new Date().toISOString();
  const rows = letters.map((radio) => {
    const { page } = radio.closest("section").dataset;
    return [rater, page, radio.dataset.letter, data.get(radio.name), saved].map(quote).join(",");
  });
  const text = ["rater,page,letter,rating,saved", ...rows].join("\r\n") + "\r\n";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "ratings.csv";
  link.click();
  status.textContent = "Saved as ratings.csv. Thank you.";
});
