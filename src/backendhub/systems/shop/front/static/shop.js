// Conveniences only: every page works without this file.
"use strict";
document.querySelectorAll("[data-submits]").forEach((field) => {
  field.addEventListener("change", () => field.form.requestSubmit());
});
document.querySelectorAll("form[data-once]").forEach((form) => {
  form.addEventListener("submit", () => {
    // Not at once: the button that was pressed must be sent along.
    setTimeout(() => form.querySelectorAll("button").forEach((b) => { b.disabled = true; }), 0);
  });
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-once] button").forEach((b) => { b.disabled = false; });
});
const choice = document.querySelector("[data-variants]");
if (choice) {
  const price = document.querySelector("[data-cost]");
  const left = document.querySelector("[data-stock]");
  const button = choice.form.querySelector("button");
  const show = () => {
    const option = choice.selectedOptions[0];
    price.innerHTML = "";
    const now = document.createElement("span");
    now.textContent = option.dataset.now;
    price.append(now);
    if (option.dataset.before) {
      const before = document.createElement("s");
      before.textContent = option.dataset.before;
      price.append(before);
    }
    left.textContent = option.dataset.left;
    button.disabled = option.dataset.out === "1";
  };
  choice.addEventListener("change", show);
  show();
}
