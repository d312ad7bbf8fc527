// What the page does by itself: adds up, moves between seats with the arrow keys, and shows what others take meanwhile.
"use strict";
const form = document.querySelector("form[data-seats]");
if (form) {
  const sum = form.querySelector("output");
  const news = document.querySelector("#news");
  const boxes = () => [...form.querySelectorAll("input[name=seats]")];
  // The server's digits: browsers have other ideas of some currencies, and would be wrong by a factor.
  const digits = Number(form.dataset.digits);
  const options = { style: "currency", currency: form.dataset.currency };
  const money = new Intl.NumberFormat(undefined, { ...options, minimumFractionDigits: digits, maximumFractionDigits: digits });
  const scale = 10 ** digits;

  function add() {
    const chosen = boxes().filter((box) => box.checked);
    const amount = chosen.reduce((total, box) => total + Number(box.dataset.price), 0);
    sum.textContent = chosen.length
      ? `${chosen.length} ${chosen.length === 1 ? "seat" : "seats"}: ${chosen.map((box) => box.value).join(", ")} · ${money.format(amount / scale)}`
      : "No seat chosen yet";
  }

  function move(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || event.target.name !== "seats") return;
    event.preventDefault();
    const rows = [...form.querySelectorAll(".row")].map((row) => [...row.querySelectorAll("input")]);
    let y = rows.findIndex((row) => row.includes(event.target));
    let x = rows[y].indexOf(event.target);
    const middle = (row, n) => n - (row.length - 1) / 2;
    if (step[0]) {
      const from = middle(rows[y], x);
      y += step[0];
      if (!rows[y]) return;
      x = Math.round(Math.min(rows[y].length - 1, Math.max(0, from + (rows[y].length - 1) / 2)));
    } else x += step[1];
    const next = rows[y][x];
    if (next) next.focus();
  }

  function name(box, status) {
    box.setAttribute("aria-label", box.dataset.name + (status === "free" ? "" : ", taken"));
  }

  async function look() {
    if (document.hidden) return;
    let answer;
    try {
      answer = await fetch(form.dataset.seats, { headers: { accept: "application/json" } });
    } catch {
      return;
    }
    if (!answer.ok) return;
    const now = new Map((await answer.json()).seats.map((seat) => [seat.label, seat.status]));
    const lost = [];
    for (const box of boxes()) {
      const status = now.get(box.value) ?? "free";
      const mine = box.dataset.mine === "true";
      if (status !== "free" && !mine && box.checked) lost.push(box.value);
      if (status !== "free" && !mine) box.checked = false;
      // What has the focus keeps it: a seat that was lost under somebody's finger is named below.
      box.disabled = status !== "free" && !mine;
      name(box, mine ? "free" : status);
    }
    if (lost.length) news.textContent = `Somebody else has taken ${lost.join(", ")}.`;
    add();
  }

  form.addEventListener("change", add);
  form.addEventListener("keydown", move);
  add();
  setInterval(look, 4000);
}
const left = document.querySelector("[data-until]");
if (left) {
  const until = Date.parse(left.dataset.until);
  const tick = () => {
    const seconds = Math.max(0, Math.round((until - Date.now()) / 1000));
    left.textContent = seconds ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} left` : "The time is over.";
  };
  tick();
  setInterval(tick, 1000);
}
