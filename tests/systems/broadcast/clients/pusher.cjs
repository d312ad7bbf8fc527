// pusher-js, unchanged, against a server: node pusher.cjs PORT KEY SECRET. Prints what it saw as JSON.
const crypto = require("crypto");
const Pusher = require("pusher-js");
const [port, key, secret] = process.argv.slice(2);
const sign = (text) => `${key}:${crypto.createHmac("sha256", secret).update(text).digest("hex")}`;
const seen = [];
const note = (...what) => { seen.push(what); };

function client(user) {
  return new Pusher(key, {
    cluster: "", wsHost: "127.0.0.1", wsPort: Number(port), forceTLS: false, enabledTransports: ["ws"], enableStats: false,
    channelAuthorization: {
      customHandler: ({ socketId, channelName }, done) => {
        if (channelName === "private-closed") return done(null, { auth: `${key}:nonsense` });
        if (!channelName.startsWith("presence-")) return done(null, { auth: sign(`${socketId}:${channelName}`) });
        const data = JSON.stringify({ user_id: user, user_info: { name: user.toUpperCase() } });
        done(null, { auth: sign(`${socketId}:${channelName}:${data}`), channel_data: data });
      },
    },
    userAuthentication: {
      customHandler: ({ socketId }, done) => {
        const data = JSON.stringify({ id: user, user_info: {} });
        done(null, { auth: sign(`${socketId}::user::${data}`), user_data: data });
      },
    },
  });
}
const until = (test, what) => new Promise((good, bad) => {
  const end = Date.now() + 8000;
  const look = () => test() ? good() : Date.now() > end ? bad(new Error("never: " + what)) : setTimeout(look, 10);
  look();
});

(async () => {
  const a = client("ann"), b = client("bob");
  await until(() => a.connection.state === "connected" && b.connection.state === "connected", "connected");
  const open = a.subscribe("news");
  open.bind("hello", (data) => note("hello", data));
  open.bind("pusher:subscription_succeeded", () => note("subscribed"));
  await until(() => seen.some((s) => s[0] === "subscribed"), "subscribed");
  const here = a.subscribe("presence-room");
  here.bind("pusher:subscription_succeeded", (m) => note("members", m.count, m.me.id));
  here.bind("pusher:member_added", (m) => note("added", m.id, m.info.name));
  here.bind("pusher:member_removed", (m) => note("removed", m.id));
  here.bind("client-typing", (data, meta) => note("typing", data.on, meta.user_id));
  await until(() => seen.some((s) => s[0] === "members"), "members");
  const there = b.subscribe("presence-room");
  there.bind("client-typing", () => note("own client event came back"));
  await until(() => seen.some((s) => s[0] === "added"), "added");
  there.trigger("client-typing", { on: true });
  await until(() => seen.some((s) => s[0] === "typing"), "typing");
  const closed = a.subscribe("private-closed");
  closed.bind("pusher:subscription_error", (e) => note("refused", e.status));
  await until(() => seen.some((s) => s[0] === "refused"), "refused");
  const cache = b.subscribe("cache-empty");
  cache.bind("pusher:cache_miss", () => note("cache_miss"));
  await until(() => seen.some((s) => s[0] === "cache_miss"), "cache_miss");
  a.user.bind("for-you", (data) => note("for you", data));
  a.signin();
  await until(() => a.user.user_data, "signed in");
  console.log("READY");
  await until(() => seen.some((s) => s[0] === "hello") && seen.some((s) => s[0] === "for you"), "events of the server");
  b.disconnect();
  await until(() => seen.some((s) => s[0] === "removed"), "removed");
  await until(() => a.connection.state === "disconnected" || a.connection.state === "unavailable" ||
    a.connection.state === "connecting" || a.connection.state === "failed", "terminated");
  note("terminated");
  console.log(JSON.stringify(seen));
  process.exit(0);
})().catch((e) => { console.log(JSON.stringify(seen)); console.error(e.message); process.exit(1); });
