// A field with data-filter hides what does not hold every word typed into it.
for (const field of document.querySelectorAll("input[data-filter]")) {
  const entries = [...document.querySelectorAll(field.dataset.filter)].map((entry) => [entry, entry.textContent.toLowerCase()]);
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const [entry, text] of entries) entry.hidden = !words.every((word) => text.includes(word));
  });
}
