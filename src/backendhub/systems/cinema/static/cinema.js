// What the page does by itself: adds up, moves between seats with the arrow keys, shows what others take meanwhile.
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

  // One seat is a stop of the Tab key, so that the button is two steps away and not a hundred; arrows go from seat to seat.
  function stop(box) {
    for (const other of boxes()) other.tabIndex = other === box ? 0 : -1;
  }

  function keepStop() {
    const open = boxes().filter((box) => !box.disabled);
    if (!open.some((box) => box.tabIndex === 0) && open.length) stop(open[0]);
  }

  function nearest(row, place) {
    const free = row.filter((box) => !box.disabled);
    const far = (box) => Math.abs(row.indexOf(box) - (row.length - 1) / 2 - place);
    return free.reduce((best, box) => (!best || far(box) < far(best) ? box : best), null);
  }

  function move(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || event.target.name !== "seats") return;
    event.preventDefault();
    const rows = [...form.querySelectorAll(".row")].map((row) => [...row.querySelectorAll("input")]);
    let y = rows.findIndex((row) => row.includes(event.target));
    let x = rows[y].indexOf(event.target);
    const place = x - (rows[y].length - 1) / 2;
    let next = null;
    // Over what is taken: it cannot have the focus.
    if (step[0]) while (!next && rows[(y += step[0])]) next = nearest(rows[y], place);
    else while (rows[y][(x += step[1])] && !next) next = rows[y][x].disabled ? null : rows[y][x];
    if (next) next.focus();
  }

  function choose(event) {
    if (event.target.dataset.taken) {
      event.target.checked = false;
      news.textContent = `Somebody else has taken ${event.target.value}.`;
    }
    add();
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
      const taken = status !== "free";
      if (taken && box.checked) lost.push(box.value);
      if (taken) box.checked = false;
      // What has the focus keeps it, or who goes by keyboard would have to begin again; `choose` says that it is gone.
      box.dataset.taken = taken ? "true" : "";
      box.disabled = taken && box !== document.activeElement;
      name(box, status);
    }
    keepStop();
    if (lost.length) news.textContent = `Somebody else has taken ${lost.join(", ")}.`;
    add();
  }

  form.addEventListener("change", choose);
  form.addEventListener("keydown", move);
  form.addEventListener("focusin", (event) => event.target.name === "seats" && stop(event.target));
  for (const box of boxes()) box.tabIndex = -1;
  keepStop();
  const hall = form.querySelector(".hall");
  hall.scrollLeft = (hall.scrollWidth - hall.clientWidth) / 2;
  add();
  setInterval(look, 4000);
  document.addEventListener("visibilitychange", look);
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
