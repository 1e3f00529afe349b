// One row per feature of docs/from-socketio.md, with the stock client:
// node gateway_table.mjs URL HOW [NODES]. It prints "ok ROW" or "not ok ROW: why".
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { io, Manager } = require("socket.io-client");
const [url, how, count] = process.argv.slice(2);
const nodes = Number(count ?? 1);
const transports = how === "upgrade" ? ["polling", "websocket"] : [how];
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(what, ok) {
  for (let i = 0; i < 500; i++) {
    if (await ok()) return;
    await later(10);
  }
  assert.fail("never: " + what);
}

// lab gives a row clients in a namespace of its own.
function lab(base) {
  const ns = base + "/r" + Math.random().toString(36).slice(2);
  const opened = [];
  const dial = (name, options = {}) => {
    const s = io(url + name, { transports, forceNew: true, reconnectionDelay: 30, reconnectionDelayMax: 60, ...options });
    s.seen = [];
    s.onAny((...args) => s.seen.push(args));
    s.got = (event) => s.seen.filter(([e]) => e === event).map(([, ...args]) => args);
    s.ask = (event, ...args) => s.timeout(8000).emitWithAck(event, ...args);
    // settled waits until everything emitted to s so far has come.
    s.settled = async (by = s) => {
      const tag = "settled" + Math.random();
      const here = once(s, tag);
      await by.ask("emit", { to: { rooms: [s.id] }, event: tag });
      await here;
    };
    opened.push(s);
    return s;
  };
  const open = async (options, name = ns) => {
    const s = dial(name, options);
    const [err] = await Promise.race([once(s, "connect").then(() => []), once(s, "connect_error")]);
    if (err) throw err;
    if (how === "upgrade") await until("upgraded", () => s.io.engine.transport.name === "websocket");
    return s;
  };
  const three = async () => Promise.all([open(), open(), open()]);
  return { ns, dial, open, three, close: () => opened.forEach((s) => s.disconnect()) };
}

const rows = {};
const row = (name, run, base = "/conf") => (rows[name] = { run, base });
const sorted = (list) => [...list].sort();
const emit = (s, to, event, ...args) => s.ask("emit", { to, event, args });
// heard says which of the clients an emit of s reached.
async function heard(s, clients, to, event = "news") {
  await emit(s, to, event, 1);
  await later(60);
  await Promise.all(clients.map((c) => c.settled(s)));
  return clients.map((c) => c.got(event).length);
}

// beside says which of the clients are on the node of s. An id begins with
// that of its node.
const beside = (s, clients) => clients.map((c) => Number(c.id.slice(0, 8) === s.id.slice(0, 8)));

// Server and namespaces.
row("new Server()", async ({ open }) => assert.ok((await open({}, "/")).connected));
row("io.of(name)", async ({ open }) => assert.equal((await (await open({}, "/conf")).ask("whoami")).namespace, "/conf"));
row("io.of(regex)", async ({ open, dial }) => {
  assert.equal((await (await open({}, "/dyn-42")).ask("whoami")).namespace, "/dyn-42");
  const [err] = await once(dial("/dyn-x"), "connect_error");
  assert.equal(err.data.code, "unknown_namespace");
});
row("io.of(function)", async ({ open, ns }) => assert.equal((await (await open()).ask("whoami")).namespace, ns));
row('io.on("connection")', async ({ open }) => assert.equal((await (await open({ auth: { mark: "m" } })).ask("whoami")).mark, "m"));
row("io.use()", async ({ dial }) => {
  const s = dial("/conf", { auth: { refuse: true, mark: "x" } });
  const [err] = await once(s, "connect_error");
  assert.equal(err.message, "go away");
  assert.deepEqual(err.data, { code: "not_you", detail: { mark: "x" } });
  assert.equal(s.connected, false);
});
row("next(err) with err.data", async ({ dial }) => {
  const [err] = await once(dial("/conf", { auth: { token: "wrong" } }), "connect_error");
  assert.equal(err.data.code, "unauthorized");
});
row("asynchronous middleware", async ({ open }) => {
  const s = await open();
  await s.ask("step", 1);
  assert.deepEqual(await s.ask("steps"), [-1, 1]);
}, "/slow");
row("namespaces on one connection", async ({ ns }) => {
  const m = new Manager(url, { transports });
  const [a, b] = [m.socket(ns), m.socket(ns + "-2")];
  await Promise.all([once(a, "connect"), once(b, "connect")]);
  assert.notEqual(a.id, b.id);
  a.disconnect();
  assert.deepEqual(await b.timeout(5000).emitWithAck("echo", 1), 1);
  b.disconnect();
});

// Emitting.
row("io.emit()", async ({ three }) => {
  const [a, b, c] = await three();
  assert.deepEqual(await heard(a, [a, b, c], {}), [1, 1, 1]);
});
row("io.to(room).emit()", async ({ three }) => {
  const [a, b, c] = await three();
  await Promise.all([b.ask("join", ["x"]), c.ask("join", ["y"])]);
  assert.deepEqual(await heard(a, [a, b, c], { rooms: ["x"] }), [0, 1, 0]);
  // Two clients emit at once: every member sees the same order.
  await c.ask("join", ["x"]);
  await Promise.all([a, b].map((s) => s.ask("emit", { to: { rooms: ["x"] }, event: "order", args: [s.id], count: 200 })));
  await until("all", () => [b, c].every((s) => s.got("order").length === 400));
  assert.deepEqual(b.got("order"), c.got("order"));
  for (const s of [a, b]) assert.deepEqual(b.got("order").filter(([id]) => id === s.id).map(([, n]) => n), Array.from({ length: 200 }, (_, i) => i + 1));
});
row("io.to(a).to(b).emit()", async ({ three }) => {
  const [a, b, c] = await three();
  await Promise.all([b.ask("join", ["x", "y"]), c.ask("join", ["y"])]);
  assert.deepEqual(await heard(a, [a, b, c], { rooms: ["x", "y"] }), [0, 1, 1]);
  await a.ask("emit", { to: { rooms: ["x", "y"] }, event: "burst", count: 500 });
  await until("500", () => b.got("burst").length >= 500 && c.got("burst").length >= 500);
  await later(200);
  for (const s of [b, c]) assert.deepEqual(s.got("burst").map(([n]) => n).sort((p, q) => p - q), Array.from({ length: 500 }, (_, i) => i + 1));
});
row("io.except(room).emit()", async ({ three }) => {
  const [a, b, c] = await three();
  await b.ask("join", ["x"]);
  assert.deepEqual(await heard(a, [a, b, c], { except: ["x"] }), [1, 0, 1]);
});
row("io.to(room).except(room)", async ({ three }) => {
  const [a, b, c] = await three();
  await Promise.all([a, b, c].map((s) => s.ask("join", ["x"])));
  await b.ask("join", ["quiet"]);
  assert.deepEqual(await heard(a, [a, b, c], { rooms: ["x"], except: ["quiet", c.id] }), [1, 0, 0]);
});
row("io.in(socketId).emit()", async ({ three }) => {
  const [a, b, c] = await three();
  assert.deepEqual(await heard(a, [a, b, c], { rooms: [c.id] }), [0, 0, 1]);
});
row("io.local.emit()", async ({ three }) => {
  const [a, b, c] = await three();
  assert.deepEqual(await heard(a, [a, b, c], { local: true }), await beside(a, [a, b, c]));
});
row("io.volatile.emit()", async ({ three }) => {
  const [a, b, c] = await three();
  assert.deepEqual(await heard(a, [a, b, c], { volatile: true }), [1, 1, 1]);
});
row("io.timeout().emitWithAck()", async ({ three }) => {
  const [a, b, c] = await three();
  for (const s of [a, b, c]) s.on("q", (n, reply) => reply(n, s.id));
  const { answers } = await a.ask("ask", { to: {}, event: "q", args: [5], timeout: 5000 });
  assert.deepEqual(answers, Object.fromEntries([a, b, c].map((s) => [s.id, { args: [5, s.id], code: "" }])));
});
row("io.to(room).timeout().emitWithAck()", async ({ three }) => {
  const [a, b, c] = await three();
  await Promise.all([b, c].map((s) => s.ask("join", ["x"])));
  b.on("q", (reply) => reply("b", Buffer.from("hi")));
  const got = await a.ask("ask", { to: { rooms: ["x"] }, event: "q", timeout: 300 });
  got.answers[b.id].args[1] = Buffer.from(got.answers[b.id].args[1]).toString();
  assert.deepEqual(got, { code: "timeout", answers: { [b.id]: { args: ["b", "hi"], code: "" }, [c.id]: { args: null, code: "timeout" } } });
  const gone = a.ask("ask", { to: { rooms: ["x"] }, event: "q", timeout: 5000 });
  await until("asked", () => c.got("q").length === 2);
  const id = c.id;
  c.disconnect();
  assert.deepEqual((await gone).answers[id], { args: null, code: "not_found" });
  assert.deepEqual(await a.ask("ask", { to: { rooms: ["nobody"] }, event: "q", timeout: 5000 }), { code: "", answers: {} });
});
row("io.fetchSockets()", async ({ three, open, ns }) => {
  const [a, b, c] = await three();
  const infos = await a.ask("members", {});
  assert.deepEqual(sorted(infos.map((i) => i.id)), sorted([a.id, b.id, c.id]));
});
row("io.in(room).fetchSockets()", async ({ three }) => {
  const [a, b, c] = await three();
  await c.ask("mark", "sea");
  await b.ask("join", ["x"]);
  await c.ask("join", ["x"]);
  const infos = await a.ask("members", { rooms: ["x"] });
  assert.deepEqual(infos.map((i) => i.id), [b.id, c.id]);
  assert.deepEqual(infos[1].data, { mark: "sea" });
  assert.deepEqual(infos[1].rooms, [c.id, "x"]);
  await c.ask("mark", "land");
  assert.deepEqual((await a.ask("members", { rooms: ["x"], except: [b.id] })).map((i) => i.data.mark), ["land"]);
});
row("io.socketsJoin()", async ({ three }) => {
  const [a, b, c] = await three();
  await a.ask("move", { to: {}, join: ["x", "y"] });
  for (const s of [a, b, c]) assert.deepEqual(await s.ask("rooms"), [s.id, "x", "y"]);
});
row("io.in(room).socketsJoin()", async ({ three }) => {
  const [a, b, c] = await three();
  await b.ask("join", ["x"]);
  await a.ask("move", { to: { rooms: ["x"] }, join: ["y"] });
  assert.deepEqual(await heard(a, [a, b, c], { rooms: ["y"] }), [0, 1, 0]);
});
row("io.in(room).socketsLeave()", async ({ three }) => {
  const [a, b, c] = await three();
  await Promise.all([b, c].map((s) => s.ask("join", ["x", "y"])));
  await a.ask("move", { to: { rooms: ["x"], except: [c.id] }, leave: ["y"] });
  assert.deepEqual(await heard(a, [a, b, c], { rooms: ["y"] }), [0, 0, 1]);
});
row("io.in(room).disconnectSockets()", async ({ three }) => {
  const [a, b, c] = await three();
  await b.ask("join", ["x"]);
  const id = b.id;
  const away = once(b, "disconnect");
  await a.ask("move", { to: { rooms: ["x"] }, disconnect: true });
  assert.equal((await away)[0], "io server disconnect");
  await until("hook", async () => (await a.ask("goodbye", id)).times === 1);
  assert.deepEqual(await a.ask("goodbye", id), { reason: "kicked", times: 1, rooms: [id, "x"] });
  assert.ok(c.connected);
});
row("io.disconnectSockets(true)", async ({ three }) => {
  const [a, b, c] = await three();
  const ids = [b.id, c.id];
  const away = Promise.all([b, c].map((s) => once(s, "disconnect")));
  await a.ask("move", { to: { except: [a.id] }, disconnect: true, close: true });
  for (const [why] of await away) assert.ok(["transport close", "transport error"].includes(why), why);
  await until("they reconnect", () => b.connected && c.connected);
  assert.ok(!ids.includes(b.id));
});
row("io.serverSideEmit()", async ({ open }) => assert.equal(await (await open()).ask("serverSide", 1, 2), nodes - 1));
row("io.allSockets()", async ({ three }) => {
  const [a] = await three();
  assert.equal(new Set((await a.ask("members", {})).map((i) => i.id)).size, 3);
});
row("io.send()", async ({ three }) => {
  const [a, b, c] = await three();
  assert.deepEqual(await heard(a, [a, b, c], {}, "message"), [1, 1, 1]);
});

// The server's side of one socket.
row("socket.id", async ({ open }) => {
  const s = await open();
  assert.equal((await s.ask("whoami")).id, s.id);
});
row("socket.nsp", async ({ open, ns }) => assert.equal((await (await open()).ask("whoami")).namespace, ns));
row("socket.handshake", async ({ open }) => {
  const s = await open({ auth: { mark: "m", more: [1] }, query: { room: "q" }, extraHeaders: { "X-Agent": "007" } });
  const me = await s.ask("whoami");
  assert.deepEqual(me.auth, { mark: "m", more: [1] });
  assert.deepEqual(me.query, { room: ["q"] });
  assert.equal(me.agent, "007");
  assert.equal(me.address, "127.0.0.1");
  assert.equal(me.secure, false);
  assert.equal(me.path, "/socket.io/");
  assert.ok(Math.abs(Date.now() - new Date(me.time)) < 60_000);
});
row("socket.data", async ({ open }) => {
  const s = await open({ auth: { mark: "one" } });
  assert.equal((await s.ask("whoami")).mark, "one");
  await s.ask("mark", "two");
  assert.equal((await s.ask("whoami")).mark, "two");
});
row("socket.rooms", async ({ open }) => {
  const s = await open();
  assert.deepEqual(await s.ask("rooms"), [s.id]);
});
row("socket.join()", async ({ open }) => {
  const s = await open();
  assert.deepEqual(await s.ask("join", ["a", "ünïcödé room!", "a"]), [s.id, "a", "ünïcödé room!"]);
  assert.equal((await s.ask("join", [""])).error.code, "bad_room");
  assert.equal((await s.ask("join", [s.id])).error.code, "bad_room");
});
row("socket.leave()", async ({ three }) => {
  const [a, b, c] = await three();
  await Promise.all([b, c].map((s) => s.ask("join", ["x", "y"])));
  assert.deepEqual(await b.ask("leave", ["x", "never"]), [b.id, "y"]);
  assert.deepEqual(await heard(a, [a, b, c], { rooms: ["x"] }), [0, 0, 1]);
});
row("socket.emit()", async ({ three }) => {
  const [a, b] = await three();
  await a.ask("emitMe", { event: "mine", args: [1, "two", { three: 3 }] });
  await a.settled();
  assert.deepEqual(a.got("mine"), [[1, "two", { three: 3 }]]);
  assert.deepEqual(b.got("mine"), []);
});
row("socket.emitWithAck()", async ({ open }) => {
  const s = await open();
  s.on("q", (x, reply) => reply({ x }, 2));
  // A handler waits for an answer of its own client: answers are not events.
  assert.deepEqual(await s.timeout(5000).emitWithAck("askMe", { event: "q", args: [4], timeout: 3000 }), { x: 4 });
  s.on("file", (reply) => reply({ bytes: Buffer.from("hi") }));
  const { bytes } = await s.timeout(5000).emitWithAck("askMe", { event: "file", timeout: 3000 });
  assert.equal(Buffer.from(bytes).toString(), "hi");
});
row("socket.timeout().emit()", async ({ open }) => {
  const s = await open();
  assert.equal((await s.ask("askMe", { event: "nobody-answers", timeout: 100 })).error.code, "timeout");
});
row("socket.to(room).emit()", async ({ three }) => {
  const [a, b, c] = await three();
  await Promise.all([a, b].map((s) => s.ask("join", ["x"])));
  assert.deepEqual(await heard(a, [a, b, c], { self: true, rooms: ["x"] }), [0, 1, 0]);
});
row("socket.broadcast.emit()", async ({ three }) => {
  const [a, b, c] = await three();
  assert.deepEqual(await heard(a, [a, b, c], { self: true }), [0, 1, 1]);
});
row("socket.except().emit()", async ({ three }) => {
  const [a, b, c] = await three();
  await c.ask("join", ["x"]);
  assert.deepEqual(await heard(a, [a, b, c], { self: true, except: ["x"] }), [0, 1, 0]);
});
row("socket.volatile.emit()", async ({ open }) => {
  const s = await open();
  await s.ask("emitMe", { to: { volatile: true }, event: "maybe", args: ["text"] });
  await until("it", () => s.got("maybe").length === 1);
  assert.deepEqual(s.got("maybe"), [["text"]]);
});
row("socket.local.emit()", async ({ three }) => {
  const [a, b, c] = await three();
  const [, ...others] = await beside(a, [a, b, c]);
  assert.deepEqual(await heard(a, [a, b, c], { self: true, local: true }), [0, ...others]);
});
row("socket.send()", async ({ open }) => {
  const s = await open();
  assert.deepEqual(await new Promise((resolve) => s.send("hello", resolve)), { any: "message", args: 1 });
});
row("socket.disconnect()", async ({ three }) => {
  const [a, b] = await three();
  const id = b.id;
  const away = once(b, "disconnect");
  b.emit("disconnectMe", false);
  assert.equal((await away)[0], "io server disconnect");
  assert.equal(b.got("bye").length, 1);
  await until("hook", async () => (await a.ask("goodbye", id)).reason === "kicked");
  await later(150);
  assert.equal(b.connected, false);
});
row("socket.disconnect(true)", async ({ open }) => {
  const s = await open();
  const id = s.id;
  const back = once(s, "disconnect").then(() => once(s, "connect"));
  s.emit("disconnectMe", true);
  await back;
  assert.equal(s.got("bye").length, 1);
  assert.equal((await s.ask("goodbye", id)).times, 1);
});
row("socket.disconnect() in the connect hook", async ({ dial, ns, open }) => {
  const s = dial(ns, { auth: { dismiss: "namespace" } });
  let id;
  s.on("connect", () => (id = s.id)); // the disconnect may come in the same batch
  assert.equal((await once(s, "disconnect"))[0], "io server disconnect");
  const other = await open();
  await until("hook", async () => (await other.ask("goodbye", id)).times === 1);
});
row('socket.on("disconnect")', async ({ three }) => {
  const [a, b, c] = await three();
  const [ib, ic] = [b.id, c.id];
  b.disconnect();
  c.io.engine.close();
  await until("both", async () => (await a.ask("goodbye", ib)).times === 1 && (await a.ask("goodbye", ic)).times === 1);
  assert.equal((await a.ask("goodbye", ib)).reason, "client_left");
  assert.equal((await a.ask("goodbye", ic)).reason, "transport_closed");
});
row('socket.on("disconnecting")', async ({ three }) => {
  const [a, b] = await three();
  await b.ask("join", ["x"]);
  const id = b.id;
  b.disconnect();
  await until("hook", async () => (await a.ask("goodbye", id)).times === 1);
  assert.deepEqual((await a.ask("goodbye", id)).rooms, [id, "x"]);
  await until("gone", async () => (await a.ask("members", { rooms: ["x"] })).length === 0);
  assert.deepEqual((await a.ask("members", {})).filter((i) => i.id === id), []);
});
row("socket.on(event)", async ({ open }) => {
  const s = await open();
  for (let i = 1; i <= 150; i++) s.emit("step", i);
  await until("all", async () => (await s.ask("steps")).length === 150);
  assert.deepEqual(await s.ask("steps"), Array.from({ length: 150 }, (_, i) => i + 1));
});
row("acknowledgement callback", async ({ open }) => {
  const s = await open();
  assert.deepEqual(await s.ask("value", { a: [1, null, "<&>"] }), { a: [1, null, "<&>"] });
  assert.deepEqual(await new Promise((resolve) => s.emit("nothing", (...args) => resolve(args))), []);
});
row("several arguments", async ({ open }) => {
  const s = await open();
  assert.deepEqual(await new Promise((resolve) => s.emit("echo", 1, "b", { c: 3 }, (...args) => resolve(args))), [1, "b", { c: 3 }]);
});
row("binary", async ({ open }) => {
  const s = await open();
  const bytes = Buffer.from([0, 1, 2, 250, 255]);
  const back = await s.ask("value", { deep: [bytes, { and: bytes }], text: "t" });
  assert.deepEqual([Buffer.from(back.deep[0]), Buffer.from(back.deep[1].and), back.text], [bytes, bytes, "t"]);
  await s.ask("bytes", bytes);
  await until("bytes", () => s.got("bytes").length === 1);
  const [one, { and }] = s.got("bytes")[0];
  assert.deepEqual([Buffer.from(one), Buffer.from(and)], [bytes, bytes]);
});
row("socket.onAny()", async ({ open }) => assert.deepEqual(await (await open()).ask("whatever", 1, 2), { any: "whatever", args: 2 }));
row("socket.use()", async ({ open }) => {
  const s = await open();
  assert.deepEqual(await s.ask("blocked-one"), { error: { code: "blocked", message: "blocked-one is blocked" } });
  s.emit("blocked-two");
  assert.deepEqual(await once(s, "exception"), [{ status: "error", code: "blocked", message: "blocked-two is blocked", event: "blocked-two" }]);
});
row("errors of handlers", async ({ open }) => {
  const s = await open();
  assert.deepEqual(await s.ask("fail"), { error: { code: "no_tea", message: "no tea left", data: 7 } });
  assert.deepEqual(await s.ask("oops"), { error: { code: "internal", message: "internal error" } });
  assert.deepEqual(await s.ask("panic"), { error: { code: "internal", message: "internal error" } });
  s.emit("oops");
  assert.deepEqual(await once(s, "exception"), [{ status: "error", code: "internal", message: "internal error", event: "oops" }]);
  assert.equal(await s.ask("value", 1), 1);
});
row("validation", async ({ open }) => {
  const s = await open();
  assert.equal(await s.ask("add", { a: 1, b: 2 }), 3);
  assert.match((await s.ask("add", { a: "one" })).error.message, /^a: want .*, got string$/);
  assert.deepEqual((await s.ask("add", { a: 101 })).error, { code: "invalid", message: "a is at most 100" });
});
row("guards", async ({ open }) => {
  assert.deepEqual(await (await open()).ask("guarded"), { error: { code: "forbidden", message: "forbidden" } });
  assert.equal(await (await open({ auth: { mark: "trusted" } })).ask("guarded"), "come in");
});
row("{ event, data } of NestJS", async ({ open }) => {
  const s = await open();
  s.emit("reply", { a: 1 });
  assert.deepEqual(await once(s, "replied"), [{ a: 1 }]);
  s.emit("replies", 1, 2);
  await once(s, "second");
  assert.deepEqual(s.got("first"), [[1, 2]]);
});
row("reserved event names", async ({ open }) => {
  const s = await open();
  assert.match((await s.ask("emit", { to: {}, event: "connect" })).error.code, /invalid/);
  assert.match((await s.ask("emit", { to: {}, event: "room:state" })).error.code, /invalid/);
});
row("packets for a namespace just left", async ({ ns }) => {
  const m = new Manager(url, { transports });
  const [a, b] = [m.socket(ns), m.socket(ns + "-b")];
  await Promise.all([once(a, "connect"), once(b, "connect")]);
  const away = once(a, "disconnect");
  a.emit("disconnectMe", false);
  for (let i = 0; i < 50; i++) a.emit("echo", i); // most are on their way when the server leaves
  await away;
  assert.deepEqual(await b.timeout(5000).emitWithAck("echo", 1), 1);
  assert.ok(b.connected);
  b.disconnect();
});
row("socket.recovered", async ({ open }) => {
  const s = await open({ auth: { mark: "kept" } });
  await s.ask("join", ["x"]);
  const id = s.id;
  const other = await open();
  const back = once(s, "connect");
  s.io.engine.close();
  await emit(other, { rooms: ["x"] }, "missed", 1);
  await back;
  // What is kept of a client is on its node; another one lets it connect afresh.
  assert.equal(s.recovered, s.id.slice(0, 8) === id.slice(0, 8));
  if (!s.recovered) return assert.ok(nodes > 1);
  assert.equal(s.id, id);
  await until("replayed", () => s.got("missed").length === 1 && s.got("welcomeBack").length === 1);
  assert.equal((await s.ask("whoami")).mark, "kept");
  assert.deepEqual(await s.ask("rooms"), [s.id, "x"]);
}, "/recover");
row("client retries", async ({ open }) => {
  const s = await open({ retries: 3, ackTimeout: 200 });
  const done = new Promise((resolve, reject) => s.emit("flaky", "third time lucky", (err, v) => (err ? reject(err) : resolve(v))));
  assert.equal(await done, "third time lucky");
});
row("client timeout", async ({ open }) => {
  const s = await open();
  await assert.rejects(s.timeout(50).emitWithAck("block", 1000), /timed out/);
});
row("users", async ({ open }) => {
  const token = { auth: { token: "user:ada" } };
  const [a, b, c] = [await open(token), await open(token), await open({ auth: { token: "user:bob" } })];
  assert.equal((await a.ask("whoami")).user, "ada");
  assert.deepEqual(await heard(c, [a, b, c], { users: ["ada"] }), [1, 1, 0]);
  assert.deepEqual(await heard(c, [a, b, c], { users: ["ada", "bob"], rooms: [a.id] }, "both"), [1, 1, 1]);
  await b.ask("mark", "known");
  const infos = await c.ask("members", { users: ["ada"] });
  assert.deepEqual(infos.map((i) => [i.id, i.user]), [[a.id, "ada"], [b.id, "ada"]]);
  assert.deepEqual(infos[1].data, { mark: "known" });
  const away = Promise.all([a, b].map((s) => once(s, "disconnect")));
  await c.ask("move", { to: { users: ["ada"] }, disconnect: true });
  await away;
});
row("rooms after a reconnect", async ({ open }) => {
  const token = { auth: { token: "user:kim" + Math.random() } };
  const a = await open(token);
  await a.ask("join", ["x", "y"]);
  await a.ask("leave", ["y"]);
  a.disconnect();
  const b = await open(token);
  assert.deepEqual(await b.ask("rooms"), [b.id, "x"]);
}, "/keep");
row("slow handlers", async ({ three }) => {
  const [a, b] = await three();
  const blocked = a.ask("block", 400);
  const start = Date.now();
  await b.ask("echo", 1);
  assert.ok(Date.now() - start < 350, "another client's handlers do not wait");
  assert.equal(await blocked, "waited");
});
row("msgpack parser", async ({ open }) => {
  const s = await open({ parser: require("socket.io-msgpack-parser") });
  const bytes = Buffer.from([1, 2, 255]);
  const [n, b] = await new Promise((resolve) => s.emit("echo", 1.5, bytes, (...args) => resolve(args)));
  assert.deepEqual([n, Buffer.from(b)], [1.5, bytes]);
});

if (how === "rows") {
  for (const name in rows) console.log(name);
  process.exit(0);
}
const waiting = Object.entries(rows);
let failed = 0;
async function worker() {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const [name, { run, base }] = next;
    const l = lab(base);
    try {
      await Promise.race([run(l), later(20_000).then(() => assert.fail("it took too long"))]);
      console.log("ok " + name);
    } catch (err) {
      failed++;
      console.log("not ok " + name + ": " + String(err.stack ?? err).replaceAll("\n", " | "));
    }
    l.close();
  }
}
await Promise.all(Array.from({ length: 6 }, worker));
process.exit(0);
