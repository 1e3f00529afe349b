// Connection state recovery with the stock client: node gateway_recovery.mjs URL HOW.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { io } = require("socket.io-client");
const [url, how] = process.argv.slice(2);
const transports = how === "upgrade" ? ["polling", "websocket"] : [how];
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(what, ok) {
  for (let i = 0; i < 600; i++) {
    if (await ok()) return;
    await later(10);
  }
  assert.fail("never: " + what);
}
async function open(ns, options = {}) {
  const s = io(url + ns, { transports, forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 200, ...options });
  s.got = [];
  s.on("news", (n) => s.got.push(n));
  await once(s, "connect");
  await upgraded(s);
  return s;
}
// Closing while an upgrade is under way makes the stock client hand out what
// it had buffered once more, whatever the server does.
const upgraded = async (s) => how === "upgrade" && until("upgraded", () => s.io.engine.transport.name === "websocket");
const emit = (by, to, event, extra = {}) => by.timeout(8000).emitWithAck("emit", { to, event, ...extra });
const count = (n) => Array.from({ length: n }, (_, i) => i + 1);

// pair gives a client that will lose its connection and one that goes on.
async function pair(name) {
  const [s, other] = await Promise.all([open("/recover/" + name), open("/recover/" + name)]);
  let sent = 0;
  const news = async (to, n) => {
    for (let i = 0; i < n; i++) await emit(other, to, "news", { args: [++sent] });
  };
  return { s, other, news, sent: () => sent };
}

const cases = {
  async "no event before the loss"() {
    const { s, news } = await pair("zero");
    const id = s.id;
    const back = once(s, "connect");
    s.io.engine.close();
    await news({ rooms: [id] }, 4);
    await back;
    assert.equal(s.recovered, true);
    assert.equal(s.id, id);
    await until("all", () => s.got.length >= 4);
    assert.deepEqual(s.got, count(4));
  },
  async "volatile events that end in a string"() {
    const { s, other, news } = await pair("volatile");
    for (const e of [{ args: ["not an offset"] }, {}]) {
      await news({}, 2);
      const came = once(s, "maybe");
      await emit(other, { volatile: true }, "maybe", e);
      await came;
      const back = once(s, "connect");
      s.io.engine.close();
      await news({}, 2);
      await back;
      assert.equal(s.recovered, true);
      await upgraded(s);
    }
    await until("all", () => s.got.length >= 8);
    assert.deepEqual(s.got, count(8));
  },
  async "again and again, in rooms, for everyone and for one"() {
    const { s, news, sent } = await pair("again");
    const id = s.id;
    await s.emitWithAck("join", ["x", "y"]);
    for (let round = 0; round < 6; round++) {
      const to = [{ rooms: ["x"] }, {}, { rooms: [id] }, { rooms: ["x", "y"] }, { rooms: ["y"] }, {}][round];
      await news(to, 2);
      await until("here before the loss", () => s.got.length === sent());
      const back = once(s, "connect");
      s.io.engine.close();
      await news(to, 3);
      await back;
      assert.equal(s.recovered, true, "round " + round);
      assert.equal(s.id, id);
      await until("here after it", () => s.got.length >= sent());
      await upgraded(s);
    }
    await later(100);
    assert.deepEqual(s.got, count(sent()));
    assert.deepEqual(await s.emitWithAck("rooms"), [id, "x", "y"]);
  },
  async "a link that was idle for longer than the window"() {
    const { s, news } = await pair("idle");
    await news({}, 1);
    await later(2500);
    const back = once(s, "connect");
    s.io.engine.close();
    await news({}, 1);
    await back;
    assert.equal(s.recovered, true);
    await until("both", () => s.got.length >= 2);
    assert.deepEqual(s.got, [1, 2]);
  },
  async "more missed than is kept"() {
    const { s, other, news } = await pair("many");
    await s.emitWithAck("join", ["x"]);
    await news({}, 1);
    await until("here", () => s.got.length === 1);
    const id = s.id;
    const back = once(s, "connect");
    s.io.engine.close();
    await until("away", async () => !s.connected);
    await emit(other, {}, "news", { count: 60 });
    await back;
    assert.equal(s.recovered, false);
    assert.notEqual(s.id, id);
    assert.deepEqual(await s.emitWithAck("rooms"), [s.id]);
    assert.equal((await s.emitWithAck("whoami")).recovered, false);
    await until("its earlier self ended", async () => (await other.emitWithAck("goodbye", id)).times > 0);
    await later(100);
    assert.equal((await other.emitWithAck("goodbye", id)).times, 1);
  },
  async "too late"() {
    const { s, other } = await pair("late");
    await s.emitWithAck("join", ["x"]);
    const id = s.id;
    s.io.reconnection(false);
    s.io.engine.close();
    await later(500);
    assert.equal((await other.emitWithAck("goodbye", id)).times, 0, "it may come back");
    assert.deepEqual((await other.emitWithAck("members", { rooms: ["x"] })).map((i) => i.id), [id]);
    await until("the end of the window", async () => (await other.emitWithAck("goodbye", id)).times > 0);
    const { reason, times } = await other.emitWithAck("goodbye", id);
    assert.deepEqual([reason, times], ["transport_closed", 1]);
    assert.deepEqual(await other.emitWithAck("members", { rooms: ["x"] }), []);
    const back = once(s, "connect");
    s.connect();
    await back;
    assert.equal(s.recovered, false);
    assert.notEqual(s.id, id);
    await later(200);
    assert.equal((await other.emitWithAck("goodbye", id)).times, 1);
  },
  async "who leaves on purpose does not return to its seat"() {
    const { s, other } = await pair("purpose");
    const id = s.id;
    s.disconnect();
    await until("the hook", async () => (await other.emitWithAck("goodbye", id)).times === 1);
    const back = once(s, "connect");
    s.connect();
    await back;
    assert.equal(s.recovered, false);
    assert.notEqual(s.id, id);
  },
  async "another user's pid"() {
    const ns = "/recover/thief";
    const ada = await open(ns, { auth: { token: "user:ada" } });
    const bob = await open(ns, { auth: { token: "user:bob", pid: ada._pid } });
    assert.notEqual(bob.id, ada.id);
    assert.equal((await bob.emitWithAck("whoami")).user, "bob");
    assert.ok(ada.connected);
  },
  async "an offset that never was"() {
    const { s, news } = await pair("garbage");
    const id = s.id;
    for (const offset of ["garbage", "g1.x.y", "g1." + "A".repeat(5000), "r1.a.1.1"]) {
      await upgraded(s);
      await news({}, 1);
      const back = once(s, "connect");
      s.io.engine.close();
      s._lastOffset = offset;
      await back;
      assert.equal(s.recovered, false, offset);
    }
    assert.notEqual(s.id, id);
  },
};
const results = await Promise.all(
  Object.entries(cases).map(([name, run]) =>
    run().then(
      () => true,
      (err) => console.log(name + ":", err),
    ),
  ),
);
process.exit(results.every(Boolean) ? 0 : 1);
