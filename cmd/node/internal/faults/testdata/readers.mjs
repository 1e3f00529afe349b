// Stock clients with stock pauses read the news: node readers.mjs BALANCER EACH
// HERE FILE WANT, EACH of every transport. HERE is made when all of them hear
// something. Nodes restart or die behind the balancer until FILE exists. WANT is
// recover, where nobody may be cut, and everybody must have heard the numbers of
// every stream once and without a hole, up to what the others heard, and those to
// all in order: what was under way to a room when it moved may come later than
// what follows it. Or told, where somebody must be cut. Then what was under way
// to the room's node when it died may have reached nobody, but who was not cut
// has everything that anybody has.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { io } = require("socket.io-client");
const [url, each, here, file, want] = process.argv.slice(2);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const reader = (name, transports) => {
  const socket = io(`${url}/news`, { transports, forceNew: true });
  const r = { name, streams: new Map(), all: new Map(), heard: 0, connects: 0, resumed: 0, cuts: 0, socket };
  socket.on("connect", () => {
    if (r.connects++ === 0) return;
    if (socket.recovered) return r.resumed++;
    console.log(`${name} is cut, ${r.heard} heard, ${r.resumed} times resumed`);
    r.cuts++;
    r.streams.clear();
    r.all.clear();
  });
  // What the stock client leaves to the page.
  socket.on("connect_error", (e) => {
    if (socket.active) return;
    assert.ok(["unavailable", "overloaded"].includes(e.data?.code), `${name} is refused: ${JSON.stringify(e.data)}`);
    setTimeout(() => socket.connect(), 500);
  });
  socket.on("disconnect", (reason) => {
    if (reason === "io server disconnect") setTimeout(() => socket.connect(), 500);
  });
  socket.on("item", ({ stream, n }) => {
    const last = r.streams.get(stream);
    const moves = stream.endsWith("in the room");
    if (!r.all.has(stream)) r.all.set(stream, new Set());
    assert.ok(!r.all.get(stream).has(n), `${name} hears ${n} twice, ${stream}`);
    if (last !== undefined) {
      const ok = !moves ? n === last + 1 : want === "told" ? n > last : true;
      assert.ok(ok, `${name} hears ${n} after ${last}, ${stream}`);
    }
    r.streams.set(stream, Math.max(n, last ?? 0));
    r.all.get(stream).add(n);
    r.heard++;
  });
  return r;
};

const ways = [["websocket"], ["polling"], ["polling", "websocket"]];
const all = Array.from({ length: Number(each) }, (_, i) => ways.map((w, k) => reader(`reader ${i}/${k}`, w))).flat();

// until waits for a minute: what is slow on a busy machine is not wrong.
const until = async (holds, otherwise) => {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 600, otherwise());
    await sleep(100);
  }
};

await until(() => all.every((r) => r.heard > 0), () => "somebody hears nothing at all");
writeFileSync(here, "");
while (!existsSync(file)) await sleep(100);
await until(() => all.every((r) => r.socket.connected), () => "somebody does not come back");
await sleep(1000); // what is under way
const sum = (what) => all.reduce((n, r) => n + r[what], 0);
console.log(`${all.length} readers heard ${sum("heard")}, resumed ${sum("resumed")} times, were cut ${sum("cuts")} times`);
assert.ok(all.every((r) => r.heard > 50), "somebody has heard next to nothing");
if (want === "recover") {
  assert.equal(sum("cuts"), 0, "a stay was cut");
  assert.ok(sum("resumed") >= all.length, "no stay had to go on: nothing is shown");
  // A stream that has ended ended for all alike; those that go on are heard at
  // about the same place. Who is slow may have yet to hear some.
  const lacks = () => {
    const top = new Map();
    for (const r of all) for (const [stream, n] of r.streams) top.set(stream, Math.max(n, top.get(stream) ?? 0));
    for (const r of all) {
      for (const [stream, set] of r.all) {
        if (set.size !== Math.max(...set) - Math.min(...set) + 1) return `${r.name} lacks some of ${stream}`;
      }
      for (const [stream, n] of top) if (!(r.streams.get(stream) >= n - 25)) return `${r.name} heard ${r.streams.get(stream)} of ${n}, ${stream}`;
    }
  };
  await until(() => !lacks(), lacks);
} else {
  assert.ok(sum("cuts") > 0, "nobody was told of a cut: nothing is shown");
  const anybody = new Map();
  for (const r of all) for (const [stream, set] of r.all) anybody.set(stream, new Set([...(anybody.get(stream) ?? []), ...set]));
  for (const r of all) {
    for (const [stream, set] of r.all) {
      const [from, to] = [Math.min(...set), Math.max(...set)];
      const lacks = [...anybody.get(stream)].filter((n) => n > from && n < to && !set.has(n));
      assert.deepEqual(lacks, [], `${r.name}, cut ${r.cuts} times, lacks what others have, ${stream}`);
    }
  }
}
process.exit(0);
