// Fills in what changes, and adds copying. Everything else is in the page already.
"use strict";

const KEPT = 50;
const POINTS = 120;
const SPEAK_EVERY_MS = 15000; // a screen reader is told the rate now and then, not every second
const live = document.getElementById("live");
const log = document.getElementById("log");
const pause = document.getElementById("pause");
const rates = [];
let spoken = 0;

function amount(count) {
  let unit = "B";
  for (unit of ["B", "KB", "MB", "GB", "TB"]) {
    if (count < 1000 || unit === "TB") break;
    count /= 1000;
  }
  return count.toFixed(unit === "B" || unit === "KB" ? 0 : 1) + " " + unit;
}

function span(seconds) {
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min";
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? hours + " h " + Math.floor((seconds % 3600) / 60) + " min" : Math.floor(hours / 24) + " days";
}

function put(selector, text) {
  const place = document.querySelector(selector);
  if (place && place.textContent !== String(text)) place.textContent = text;
}

function cell(text, kind) {
  const made = document.createElement("td");
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function row(seen) {
  const made = document.createElement("tr");
  made.className = "new";
  made.append(cell(seen.at), cell(seen.method), cell(seen.target, "target"),
    cell(seen.status, seen.status >= 500 ? "number bad" : "number"), cell(seen.ms, "number"), cell(seen.size, "number"));
  return made;
}

function letter(mail) {
  const made = document.createElement("tr");
  made.append(cell(mail.at), cell(mail.to), cell(mail.subject), cell(mail.state));
  return made;
}

function draw(rate) {
  rates.push(rate);
  if (rates.length > POINTS) rates.shift();
  const top = Math.max(1, ...rates);
  const points = rates.map((value, at) => `${POINTS - rates.length + at},${(23 - 22 * value / top).toFixed(2)}`);
  document.querySelector("#rate polyline").setAttribute("points", points.join(" "));
}

function systems(counts) {
  for (const [name, count] of Object.entries(counts)) {
    const place = document.querySelector(`tr[data-system="${CSS.escape(name)}"]`);
    if (!place) continue;
    place.querySelector("[data-requests]").textContent = count.requests;
    if (!count.requests) continue;
    const word = document.createElement("span");
    word.className = count.failed ? "bad" : "good";
    word.textContent = count.failed ? `${count.failed} errors` : "answers";
    place.querySelector("[data-status]").replaceChildren(word);
  }
}

function tick(state) {
  for (const name of ["rate", "total", "failed", "inFlight", "streams", "sockets"]) put(`[data-figure="${name}"]`, state[name]);
  put('[data-figure="memory"]', amount(state.memory));
  put('[data-figure="uptime"]', span(state.uptime));
  if (state.storeBytes !== undefined) put('[data-figure="storeBytes"]', amount(state.storeBytes));
  for (const place of document.querySelectorAll("[data-jobs]")) {
    const found = (state.jobs || []).filter((depth) => depth.state === place.dataset.jobs);
    place.textContent = found.reduce((sum, depth) => sum + depth.jobs, 0);
  }
  const letters = document.getElementById("letters");
  if (letters && state.mail) letters.replaceChildren(...state.mail.map(letter));
  systems(state.systems);
  draw(state.rate);
  if (pause.getAttribute("aria-pressed") === "false") {
    log.prepend(...state.requests.reverse().map(row));
    while (log.children.length > KEPT) log.lastElementChild.remove();
    document.getElementById("none").hidden = log.children.length > 0;
  }
  if (Date.now() - spoken > SPEAK_EVERY_MS) {
    spoken = Date.now();
    live.textContent = `Live: ${state.rate} requests a second, ${state.failed} server errors.`;
  }
}

function copyable(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const said = button.firstChild;
      try {
        await navigator.clipboard.writeText(button.previousElementSibling.textContent);
        said.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(button.previousElementSibling);
        said.textContent = "Selected";
      }
      setTimeout(() => { said.textContent = "Copy"; }, 1500);
    });
  }
}

for (const details of document.querySelectorAll("details[data-part]")) {
  details.addEventListener("toggle", async () => {
    if (!details.open || details.dataset.filled) return;
    const answer = await fetch(details.dataset.part + "?part=true");
    if (!answer.ok) return;
    details.dataset.filled = "yes";
    const place = details.querySelector(".calls");
    place.innerHTML = await answer.text(); // made by our own server, which escapes what it puts in
    copyable(place);
  });
}
copyable(document);

if (log) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    const paused = pause.getAttribute("aria-pressed") === "true";
    pause.setAttribute("aria-pressed", String(!paused));
  });
  const source = new EventSource("/_hub/events");
  source.addEventListener("tick", (event) => tick(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    spoken = 0;
    live.textContent = "The connection is lost; trying again.";
  });
}
