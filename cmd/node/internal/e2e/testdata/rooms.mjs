// Everything a room does, with the stock client: node rooms.mjs URL HOW PARSER.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { Manager } = require("socket.io-client");
const [url, how, format] = process.argv.slice(2);

const options = { autoConnect: false, transports: how === "upgrade" ? ["polling", "websocket"] : [how] };
if (format === "msgpack") options.parser = require("socket.io-msgpack-parser");
const manager = new Manager(url, options);
const second = new Manager(url, options);
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// enter connects a member and follows the room's state as docs/protocol.md says.
async function enter(m, room, auth) {
  const socket = m.socket(room, { auth });
  socket.state = {};
  socket.seen = [];
  const maps = ["notes", "places", "hands"];
  const set = (fields) => {
    for (const f in fields ?? {}) socket.state[f] = maps.includes(f) ? { ...socket.state[f], ...fields[f] } : fields[f];
  };
  socket.on("room:state", (s) => {
    if (s.part === 0) socket.state = {};
    set(s.fields);
  });
  socket.on("room:patch", (p) => {
    for (const f in p.del ?? {}) p.del[f] === true ? delete socket.state[f] : p.del[f].forEach((k) => delete socket.state[f]?.[k]);
    set(p.set);
  });
  socket.onAny((event, ...args) => socket.seen.push([event, ...args]));
  const result = Promise.race([once(socket, "connect").then(() => null), once(socket, "connect_error").then(([e]) => e)]);
  socket.connect();
  const refused = await result;
  return refused ?? socket;
}
async function until(what, ok) {
  for (let i = 0; i < 400; i++) {
    if (ok()) return;
    await later(10);
  }
  assert.fail("never: " + what);
}

const ada = await enter(manager, "/lab/one", { name: "Ada" });
const bob = await enter(second, "/lab/one", { name: "Bob" });
if (how === "upgrade") await until("upgraded", () => manager.engine.transport.name === "websocket");

// Events, acknowledgements, state before the event that refers to it.
const added = once(bob, "added").then(([key]) => [key, bob.state.notes?.n1]);
assert.equal(await ada.emitWithAck("add", { key: "n1", text: "hello <&> ünïcödé" }), "n1");
assert.deepEqual(await added, ["n1", "hello <&> ünïcödé"]);
assert.equal((await ada.emitWithAck("add", { key: "n2", text: "" })).error.code, "invalid");
assert.equal((await ada.emitWithAck("add", 5)).error.code, "bad_payload");
assert.equal((await ada.emitWithAck("nosuch")).error.code, "unknown_event");
assert.equal((await ada.emitWithAck("boom")).error.code, "internal");
const failed = once(ada, "exception");
ada.emit("add", { key: "n3", text: "" });
assert.deepEqual(await failed, [{ status: "error", code: "invalid", message: "a note needs a text", event: "add" }]);
assert.deepEqual(bob.state.notes, { n1: "hello <&> ünïcödé" }, "failed turns changed nothing");

// Binary in both directions.
const bytes = Buffer.from([0, 1, 2, 254, 255]);
assert.deepEqual(Buffer.from(await ada.emitWithAck("echo", bytes)), bytes);
const told = once(bob, "told");
ada.emit("tell", { deep: [bytes, { x: bytes }] });
const [{ deep }] = await told;
assert.deepEqual([Buffer.from(deep[0]), Buffer.from(deep[1].x)], [bytes, bytes]);
assert.ok(!ada.seen.some(([e]) => e === "told"), "except");

// Synced state: private entries, values per member, counts.
ada.emit("place", { x: 3, y: 4 });
await until("bob sees ada's place", () => bob.state.places?.[ada.id]?.x === 3);
assert.deepEqual(Object.keys(ada.state.hands), [ada.id]);
assert.deepEqual(Object.keys(bob.state.hands), [bob.id]);
await until("count", () => ada.state.count === 2);

// Clients' acknowledgements, and their timeout.
ada.on("question", (answer) => answer("yes"));
bob.on("question", () => {});
assert.deepEqual(await ada.emitWithAck("askAll"), { '"yes"': 1, timeout: 1 });
await assert.rejects(ada.timeout(30).emitWithAck("askAll"), /timed out/);

// Admission: refused with data, a full room, names.
const mallory = await enter(manager, "/lab/other", { name: "mallory" });
assert.equal(mallory.message, "not you");
assert.deepEqual(mallory.data, { code: "forbidden", detail: { name: "mallory" } });
for (const [ns, code] of [["/lab/a b", "bad_room"], ["/lab/", "bad_room"], ["/lab/a/b", "bad_room"], ["/nosuch/x", "unknown_namespace"], ["/", "unknown_namespace"]]) {
  const refused = await enter(manager, ns);
  assert.equal(refused.data?.code, code, ns);
}
const third = await enter(new Manager(url, options), "/lab/one", {});
assert.equal(third.state.notes === undefined ? (await once(third, "room:state"))[0].fields.notes.n1 : third.state.notes.n1, "hello <&> ünïcödé");
assert.equal((await enter(new Manager(url, options), "/lab/one", {})).data.code, "room_full");

// Many namespaces on one connection.
const many = await Promise.all(Array.from({ length: 20 }, (_, i) => enter(manager, "/lab/many-" + i, {})));
assert.equal(new Set(many.map((s) => s.id)).size, 20);
assert.deepEqual(await Promise.all(many.map((s, i) => s.emitWithAck("echo", i))), many.map((_, i) => i));

// Leaving: exactly one leave each, with the reason; a kick does not reconnect.
const left = once(ada, "left");
const thirdId = third.id;
const kicked = once(third, "disconnect");
ada.emit("kick", third.id);
assert.equal((await kicked)[0], "io server disconnect");
assert.deepEqual(await left, [thirdId, "kicked"]);
assert.ok(third.seen.some(([e, a]) => e === "room:kicked" && a.reason === "out"));
const bobId = bob.id;
const gone = once(ada, "left");
bob.disconnect();
assert.deepEqual(await gone, [bobId, "client_left"]);
await until("bob's place is gone", () => ada.state.count === 1);
const over = once(ada, "disconnect");
ada.emit("destroy");
assert.equal((await over)[0], "io server disconnect");
manager._close();
second._close();
process.exit(0);
