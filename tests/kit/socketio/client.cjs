// socket.io-client, unchanged, against fixture.py: node client.cjs PORT
const { io } = require("socket.io-client");
const assert = require("assert");
const url = `http://127.0.0.1:${process.argv[2]}`;
const once = (s, e) => new Promise((good, bad) => {
  setTimeout(() => bad(new Error("never: " + e)), 5000).unref();
  s.once(e, (...args) => good(args));
});
(async () => {
  for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
    const a = io(url, { transports, auth: { token: "t" }, forceNew: true });
    const auth = once(a, "auth");
    await once(a, "connect");
    assert.deepStrictEqual(await auth, [{ token: "t" }]);
    const b = io(url + "/", { transports: ["websocket"], forceNew: true });
    await once(b, "auth");
    if (transports.length === 2) {
      for (let n = 0; n < 100 && a.io.engine.transport.name !== "websocket"; n++) await new Promise((r) => setTimeout(r, 20));
      assert.strictEqual(a.io.engine.transport.name, "websocket");
    }
    assert.deepStrictEqual(await a.emitWithAck("message-with-ack", 1), 1);
    const bytes = Buffer.from([1, 2, 3]);
    let back = once(a, "message-back");
    a.emit("message", { file: bytes, name: "é\u2028" });
    assert.deepStrictEqual(await back, [{ file: bytes, name: "é\u2028" }]);
    let said = [once(a, "said"), once(b, "said")];
    a.emit("everyone", "hello", bytes);
    assert.deepStrictEqual(await Promise.all(said), [["hello", bytes], ["hello", bytes]]);
    let own = false;
    a.once("said", () => { own = true; });
    said = once(b, "said");
    a.emit("others", "x");
    await said;
    a.on("question", (text, done) => done(text + "!"));
    assert.deepStrictEqual(await a.emitWithAck("ask", "what"), ["what!"]);
    assert.strictEqual(own, false);
    const custom = a.io.socket("/custom");
    custom.connect();
    await once(custom, "connect");
    const wrong = a.io.socket("/nowhere");
    const error = once(wrong, "connect_error");
    wrong.connect();
    assert.strictEqual((await error)[0].message, "Invalid namespace");
    await new Promise((r) => setTimeout(r, 1200)); // a few heartbeats
    assert.ok(a.connected && b.connected);
    a.disconnect(); b.disconnect();
  }
  console.log("ok");
  process.exit(0);
})().catch((e) => { console.error(e); process.exit(1); });
