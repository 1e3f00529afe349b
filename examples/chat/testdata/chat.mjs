// The chat from outside: node chat.mjs URL HOW.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { io } = require("socket.io-client");
const [url, how] = process.argv.slice(2);
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function login(name) {
  const answer = await fetch(url + "/token", { method: "POST", body: JSON.stringify({ name }) });
  assert.equal(answer.status, 200);
  return answer.json();
}
async function enter({ token, user }, ns = "/chat") {
  const s = io(url + ns, { transports: [how], forceNew: true, auth: { token }, reconnectionDelay: 50 });
  s.user = user;
  s.seen = [];
  s.onAny((event, data) => s.seen.push([event, data]));
  s.of = (event) => s.seen.filter(([e]) => e === event).map(([, data]) => data);
  await once(s, "connect");
  return s;
}

// Nobody enters without a token.
for (const [auth, code] of [[{}, "unauthorized"], [{ token: "x.y.z" }, "unauthorized"]])
  for (const ns of ["/chat", "/dashboard"]) {
    const [err] = await once(io(url + ns, { transports: [how], forceNew: true, auth }), "connect_error");
    assert.equal(err.data.code, code);
  }

const ada = await enter(await login("Ada"));
const entered = once(ada, "userJoined");
const bob = await enter(await login("Bob"));
assert.deepEqual((await entered)[0], { room: "general", user: bob.user });
const cleo = await enter(await login("Cleo"));

// joinRoom is acknowledged with people and history; others hear of it.
assert.deepEqual(await ada.emitWithAck("joinRoom", { room: "tea" }), { room: "tea", people: [ada.user], history: [] });
const joined = once(ada, "userJoined");
assert.deepEqual((await bob.emitWithAck("joinRoom", { room: "tea" })).people, [ada.user, bob.user]);
assert.deepEqual((await joined)[0], { room: "tea", user: bob.user });

// A message is stamped by the server and reaches members only.
const told = once(bob, "message");
const mine = await ada.emitWithAck("message", { room: "tea", text: "  milk? ", user: { id: bob.user.id, name: "Bob" } });
assert.deepEqual(mine.user, ada.user);
assert.equal(mine.text, "milk?");
assert.deepEqual((await told)[0], mine);
assert.equal((await cleo.emitWithAck("message", { room: "tea", text: "let me in" })).error.code, "forbidden");
assert.equal((await ada.emitWithAck("message", { room: "tea", text: " " })).error.code, "invalid");
assert.equal((await ada.emitWithAck("joinRoom", { room: "" })).error.code, "invalid");

// Typing reaches the others of the room, with the user's name on it.
const typing = once(bob, "typing");
ada.emit("typing", { room: "tea", on: true, user: { id: "x", name: "x" } });
assert.deepEqual((await typing)[0], { room: "tea", on: true, user: ada.user });

// A picture; what was said is there for who comes later.
const picture = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255]);
const shown = once(bob, "message");
await ada.emitWithAck("file", { room: "tea", type: "image/png", file: picture });
assert.deepEqual(Buffer.from((await shown)[0].file), picture);
assert.equal((await ada.emitWithAck("file", { room: "tea", type: "text/html", file: picture })).error.code, "invalid");
const { history, people } = await cleo.emitWithAck("joinRoom", { room: "tea" });
assert.deepEqual(history.map((m) => m.text), ["milk?", ""]);
assert.deepEqual(Buffer.from(history[1].file), picture);
assert.deepEqual(people, [ada.user, bob.user, cleo.user]);

// A second connection of a user is not a second person.
const twin = await enter({ token: ada.auth.token, user: ada.user });
assert.deepEqual((await twin.emitWithAck("joinRoom", { room: "tea" })).people, [ada.user, bob.user, cleo.user]);

// A job in the background notifies every connection of its user, and nobody else.
const notified = [once(ada, "notification"), once(twin, "notification")];
assert.equal(await ada.emitWithAck("summarise", { room: "tea" }), null ?? undefined);
for (const [n] of await Promise.all(notified)) assert.equal(n.text, "2 messages, 1 words, 1 people");
assert.equal(bob.of("notification").length, 0);

// Leaving, and being gone.
twin.disconnect();
const left = once(bob, "userLeft");
ada.emit("leaveRoom", { room: "tea" });
assert.deepEqual((await left)[0], { room: "tea", user: ada.user });
assert.equal((await ada.emitWithAck("leaveRoom", { room: "general" })).error.code, "forbidden");
const gone = once(ada, "userLeft");
bob.disconnect();
assert.deepEqual((await gone)[0], { room: "general", user: bob.user });
await later(50);
assert.deepEqual((await ada.emitWithAck("joinRoom", { room: "tea" })).people, [cleo.user, ada.user]);

// A lost connection comes back to its rooms.
const back = once(ada, "connect");
ada.io.engine.close();
await cleo.emitWithAck("message", { room: "tea", text: "still there?" });
await back;
assert.equal(ada.recovered, true);
while (ada.of("message").at(-1).text !== "still there?") await later(10);

// Floods are stopped.
const flood = await Promise.all(Array.from({ length: 30 }, () => cleo.emitWithAck("message", { room: "tea", text: "!" })));
assert.ok(flood.some((a) => a.error?.code === "rate_limited"));

// The dashboard ticks.
const board = await enter({ token: ada.auth.token }, "/dashboard");
const [numbers] = await once(board, "numbers");
assert.ok(numbers.connections >= 3 && numbers.messages >= 3, JSON.stringify(numbers));
process.exit(0);
