// Saves the ratings of a blind page as a CSV file.
const form = document.getElementById("ratings");
const quote = (text) => `"${String(text).replaceAll('"', '""')}"`;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const data = new FormData(form);
  const letters = [...new Set([...form.querySelectorAll("input[type=radio]")].map((input) => input.name))];
  const missing = letters.filter((letter) => !data.get(letter));
  const status = document.getElementById("status");
  if (missing.length) { status.textContent = `Not rated yet: ${missing.join(", ")}`; return; }
  const rater = data.get("rater") || `anonymous ${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const saved = new Date().toISOString();
  const rows = letters.map((letter) => [rater, form.dataset.page, letter, data.get(letter), saved].map(quote).join(","));
  const text = ["rater,page,letter,rating,saved", ...rows].join("\r\n") + "\r\n";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "ratings.csv";
  link.click();
  status.textContent = "Saved as ratings.csv. Thank you.";
});
