"use strict";
// A small client of the chat. It speaks Socket.IO over a WebSocket by hand, comes back by itself and goes on where it was.
const $ = (id) => document.getElementById(id);
const base = location.pathname.replace(/\/$/, "");
const state = { token: "", me: null, rooms: new Map(), current: null, places: {}, link: null, acks: new Map(), next: 1, pause: 300 };
const device = sessionStorage.device || (sessionStorage.device = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()));

async function ask(method, path, body) {
  const reply = await fetch(base + path, {
    method, body: body instanceof Blob ? body : body && JSON.stringify(body),
    headers: { ...(state.token && { Authorization: "Bearer " + state.token }), ...(body && { "Content-Type": body instanceof Blob ? "application/octet-stream" : "application/json" }) },
  });
  const told = reply.status === 204 ? null : await reply.json();
  if (!reply.ok) throw new Error(told.detail || reply.statusText);
  return told;
}

// -- the wire ---------------------------------------------------------------------------------------------

function connect() {
  const link = state.link = new WebSocket(location.origin.replace("http", "ws") + base + "/socket.io/?EIO=4&transport=websocket");
  link.onmessage = ({ data }) => {
    if (data[0] === "0") link.send("40" + JSON.stringify({ token: state.token, device, since: state.places }));
    else if (data === "2") link.send("3");
    else if (data.startsWith("44")) { say("signed out"); leave(JSON.parse(data.slice(2)).message); }
    else if (data === "41") { say("signed out"); leave("You were signed out."); }
    else if (data.startsWith("42")) heard(...JSON.parse(data.slice(2)));
    else if (data.startsWith("43")) {
      const at = data.indexOf("["), number = Number(data.slice(2, at));
      state.acks.get(number)?.(JSON.parse(data.slice(at))[0]);
      state.acks.delete(number);
    }
  };
  link.onclose = () => {
    if (state.link !== link) return;
    say("reconnecting");
    for (const done of state.acks.values()) done(null);
    state.acks.clear();
    setTimeout(connect, state.pause);
    state.pause = Math.min(state.pause * 2, 5000);
  };
}

function emit(event, data) {
  return new Promise((done) => {
    if (!state.link || state.link.readyState !== 1) return done(null);
    const number = state.next++;
    state.acks.set(number, done);
    state.link.send("42" + number + JSON.stringify([event, data]));
  });
}

// What was not confirmed is sent again under the same id: the server has it once.
async function sure(event, data) {
  for (;;) {
    const told = await emit(event, data);
    if (told) {
      if (told.error) note(told.error.message);
      return told;
    }
    await new Promise((r) => setTimeout(r, 400));
  }
}

function heard(event, data) {
  if (event === "ready") {
    state.pause = 300;
    for (const room of data.rooms) known(room);
    say("online");
    drawRooms();
    if (!state.current && data.rooms.length) enter(data.rooms[0].id);
    return;
  }
  if (!data || !data.room) return;
  if (data.id) state.places[data.room] = data.id;
  const room = state.rooms.get(data.room);
  if (event === "joined" && !room) return refresh();
  if (!room) return;
  if (["left", "kicked", "banned"].includes(event) && data.user === state.me.id) {
    state.rooms.delete(room.id);
    delete state.places[room.id];
    if (state.current === room.id) { state.current = null; $("title").textContent = "No room"; $("messages").replaceChildren(); }
    return drawRooms();
  }
  apply(room, event, data);
  if (data.room === state.current) draw(event, data); else drawRooms();
}

function known(told) {
  const before = state.rooms.get(told.id);
  const room = before || { messages: new Map(), typing: new Map(), loaded: false, seen: told.seen, top: told.top };
  Object.assign(room, { id: told.id, name: told.name, kind: told.kind });
  if (!before) state.places[told.id] = told.place;
  state.rooms.set(told.id, room);
  return room;
}

function apply(room, event, data) {
  const old = data.message && room.messages.get(data.message);
  if (data.number) room.top = Math.max(room.top, data.number);
  if (event === "message") { room.messages.set(data.number, { reactions: [], ...data }); room.typing.delete(data.user); }
  else if (event === "edited") { room.typing.delete(data.user); if (old) { old.text = data.text; old.editedAt = data.at; } }
  else if (event === "deleted" && old) { old.text = ""; old.deletedAt = true; old.reactions = []; old.attachment = null; }
  else if (event === "reacted" && old) {
    let one = old.reactions.find((r) => r.emoji === data.emoji);
    if (!one) old.reactions.push(one = { emoji: data.emoji, users: [] });
    if (!one.users.includes(data.user)) one.users.push(data.user);
  } else if (event === "unreacted" && old) {
    for (const one of old.reactions) one.users = one.users.filter((u) => u !== data.user);
    old.reactions = old.reactions.filter((r) => r.users.length);
  } else if (event === "typing" && data.user !== state.me.id) {
    if (data.on) { room.typing.set(data.user, data.name); setTimeout(() => { room.typing.delete(data.user); drawTyping(); }, 5000); }
    else room.typing.delete(data.user);
  }
}

// -- what is seen -----------------------------------------------------------------------------------------

const say = (text) => { $("state").textContent = text; };
const element = (name, more, ...inside) => { const made = Object.assign(document.createElement(name), more); made.append(...inside); return made; };
const time = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function drawRooms() {
  $("rooms").replaceChildren(...[...state.rooms.values()].map((room) => {
    const count = room.id === state.current ? 0 : Math.max(0, room.top - room.seen);
    const button = element("button", { type: "button", onclick: () => enter(room.id) }, (room.kind === "direct" ? "@" : "# ") + room.name);
    button.setAttribute("aria-current", room.id === state.current);
    if (count) button.append(element("span", { className: "new", title: count + " new" }, String(count)));
    return element("li", {}, button);
  }));
}

function drawMessage(m) {
  const own = m.user === state.me.id;
  const item = element("li", { className: "message" + (own ? " own" : ""), id: "m" + m.number });
  item.append(element("span", { className: "who" }, m.name || "somebody"), element("span", { className: "when" }, time(m.at) + (m.editedAt ? " · edited" : "")));
  item.append(element("p", {}, m.deletedAt ? "(deleted)" : m.text));
  if (m.attachment) item.append(element("button", { type: "button", onclick: () => download(m) }, m.attachment.name + ", " + Math.ceil(m.attachment.size / 1024) + " KB"));
  const tools = element("div", { className: "tools" });
  for (const r of m.reactions) tools.append(element("button", { type: "button", title: "React", onclick: () => react(m, r.emoji, !r.users.includes(state.me.id)) }, r.emoji + " " + r.users.length));
  if (!m.deletedAt) {
    tools.append(element("button", { type: "button", className: "more react", title: "React with 👍", onclick: () => react(m, "👍", true) }, "Like"));
    if (own) tools.append(
      element("button", { type: "button", className: "more", title: "Edit", onclick: () => edit(m) }, "Edit"),
      element("button", { type: "button", className: "more", title: "Delete", onclick: () => sure("delete", { room: m.room, message: m.number }) }, "Delete"));
  }
  item.append(tools);
  return item;
}

function drawAll() {
  const room = state.rooms.get(state.current);
  const list = [...room.messages.values()].sort((a, b) => a.number - b.number);
  $("messages").replaceChildren(...list.map(drawMessage));
  $("messages").scrollTop = $("messages").scrollHeight;
}

function draw(event, data) {
  const room = state.rooms.get(data.room);
  if (["typing", "message", "edited"].includes(event)) drawTyping();
  if (event === "message") {
    if (!document.getElementById("m" + data.number)) $("messages").append(drawMessage(room.messages.get(data.number)));
    $("messages").scrollTop = $("messages").scrollHeight;
    seen(room);
  } else if (data.message && room.messages.has(data.message)) {
    document.getElementById("m" + data.message)?.replaceWith(drawMessage(room.messages.get(data.message)));
  } else if (["joined", "left", "kicked", "banned"].includes(event)) {
    note(data.name + { joined: " has come", left: " has left", kicked: " was put out", banned: " was banned" }[event]);
    people();
  } else if (event === "presence" || event === "receipt") people();
}

function drawTyping() {
  const room = state.rooms.get(state.current);
  const names = room ? [...room.typing.values()] : [];
  $("typing").textContent = names.length ? names.join(", ") + (names.length > 1 ? " are typing …" : " is typing …") : "";
}

function note(text) {
  $("messages").append(element("li", { className: "note" }, text));
  $("messages").scrollTop = $("messages").scrollHeight;
}

function seen(room) {
  if (document.hidden || room.seen >= room.top) return;
  room.seen = room.top;
  emit("read", { room: room.id, to: room.top });
}

async function people() {
  const id = state.current;
  const members = [], most = 500;
  let page;
  do {
    page = await ask("GET", `/rooms/${id}/members?limit=${most}&after=${members.at(-1)?.userId ?? ""}`);
    members.push(...page);
  } while (page.length === most);
  if (id !== state.current) return;
  const room = state.rooms.get(id), last = Math.max(0, ...[...room.messages.keys()]);
  const read = members.filter((m) => m.userId !== state.me.id && m.seen >= last).map((m) => m.name);
  $("people").textContent = members.map((m) => (m.online ? "● " : "○ ") + m.name).join("  ") + (last && read.length ? "   ✓ read by " + read.join(", ") : "");
}

// -- what people do ---------------------------------------------------------------------------------------

async function enter(id) {
  const room = state.rooms.get(id);
  state.current = id;
  $("title").textContent = (room.kind === "direct" ? "@" : "# ") + room.name;
  if (!room.loaded) {
    for (const m of await ask("GET", `/rooms/${id}/messages?limit=100`)) if (!room.messages.has(m.number)) room.messages.set(m.number, m);
    room.loaded = true;
  }
  drawAll();
  drawRooms();
  drawTyping();
  seen(room);
  people();
  $("text").focus();
}

async function refresh() {
  for (const room of await ask("GET", "/rooms")) known(room);
  drawRooms();
}

const react = (m, emoji, on) => sure("react", { room: m.room, message: m.number, emoji, on });
function edit(m) { $("text").value = m.text; $("text").dataset.editing = m.number; $("text").focus(); }

async function download(m) {
  const reply = await fetch(`${base}/rooms/${m.room}/messages/${m.number}/file`, { headers: { Authorization: "Bearer " + state.token } });
  const url = URL.createObjectURL(await reply.blob());
  element("a", { href: url, download: m.attachment.name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

$("say").onsubmit = (event) => {
  event.preventDefault();
  const input = $("text"), text = input.value.trim(), editing = Number(input.dataset.editing || 0);
  if (!text || !state.current) return;
  input.value = "";
  delete input.dataset.editing;
  if (editing) sure("edit", { room: state.current, message: editing, text });
  else sure("send", { room: state.current, text, txn: String(Date.now()) + Math.random() });
  lastTyping = 0;
};
let lastTyping = 0;
$("text").oninput = () => {
  if (!state.current || Date.now() - lastTyping < 2000) return;
  lastTyping = Date.now();
  emit("typing", { room: state.current, on: true });
};
$("file").onchange = async () => {
  const file = $("file").files[0];
  $("file").value = "";
  if (file && state.current) await ask("POST", `/rooms/${state.current}/files?name=${encodeURIComponent(file.name)}`, file).catch((e) => note(e.message));
};
$("open").onsubmit = async (event) => {
  event.preventDefault();
  const name = $("open-name").value.trim();
  $("open-name").value = "";
  try {
    let room;
    if (name[0] === "@") room = await ask("POST", "/direct", { user: name.slice(1) });
    else {
      const found = (await ask("GET", "/rooms/public?limit=1&name=" + encodeURIComponent(name))).find((r) => r.name === name);
      room = found ? await ask("POST", `/rooms/${found.id}/join`) : await ask("POST", "/rooms", { name });
    }
    await refresh();
    await enter(room.id);
  } catch (error) { note(error.message); }
};
$("find").onsubmit = async (event) => {
  event.preventDefault();
  const words = $("words").value.trim();
  if (!words) return state.current && enter(state.current);
  const found = await ask("GET", "/search?q=" + encodeURIComponent(words));
  $("title").textContent = `${found.length} found`;
  $("messages").replaceChildren(...found.map((m) => element("li", { className: "message" },
    element("span", { className: "who" }, m.name || "somebody"), element("span", { className: "when" }, "in " + (state.rooms.get(m.room)?.name || "") + " · " + time(m.at)), element("p", {}, m.text))));
};
document.onvisibilitychange = () => { const room = state.rooms.get(state.current); if (room) seen(room); };

async function sign(path, name, password) {
  $("wrong").textContent = "";
  try {
    const told = await ask("POST", path, path === "/login" ? { login: name, password } : { username: name, password });
    state.token = told.token;
    state.me = told.user;
    $("me").textContent = told.user.name;
    $("password").value = "";
    $("sign").hidden = true;
    $("app").hidden = false;
    connect();
    setInterval(renew.bind(null, told), Math.max(30, told.expiresIn - 120) * 1000);
  } catch (error) { $("wrong").textContent = error.message; }
}
async function renew(told) {
  const next = await ask("POST", "/refresh", { refreshToken: told.refreshToken }).catch(() => null);
  if (next) { state.token = next.token; told.refreshToken = next.refreshToken; }
}
function leave(why) {
  state.link = null;
  $("app").hidden = true;
  $("sign").hidden = false;
  $("wrong").textContent = why;
}
$("sign").onsubmit = (event) => { event.preventDefault(); sign("/login", $("name").value, $("password").value); };
$("up").onclick = () => $("sign").reportValidity() && sign("/register", $("name").value, $("password").value);
