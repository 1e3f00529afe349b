// Stock clients whose credentials expire, are renewed and are revoked:
// node identity.mjs URL HOW. A token is user/id/milliseconds that it lasts.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
const { Manager } = require("socket.io-client");
const [url, how] = process.argv.slice(2);
const manager = () => new Manager(url, { transports: how === "upgrade" ? ["polling", "websocket"] : [how], reconnectionDelay: 50, reconnectionDelayMax: 200 });
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
const brief = 1500, long = 3600_000;
let serial = 0;
const token = (user, ms) => `${user}/t${++serial}/${ms}`;

for (const [kind, where] of [["a room", "/lab/"], ["a gateway", "/gate/"]]) {
  // One namespace expires, the other stays.
  const m = manager();
  let lasts = brief;
  const short = m.socket(where + "short", { auth: (cb) => cb({ token: token("ada", lasts) }) });
  const other = m.socket(where + "other", { auth: { token: token("ada", long) } });
  let disturbed = 0;
  other.on("disconnect", () => disturbed++);
  const told = Promise.all([once(short, "auth:expiring"), once(short, "auth:ended"), once(short, "disconnect")]);
  await Promise.all([once(short, "connect"), once(other, "connect")]);
  const [[expiring], [ended], [reason]] = await told;
  assert.ok(Number.isInteger(expiring.expires), kind);
  assert.deepEqual(ended, { code: "token_expired" }, kind);
  assert.equal(reason, "io server disconnect", kind);
  assert.equal(await other.emitWithAck("echo", 1), 1, kind);
  assert.equal(disturbed, 0, kind);
  lasts = long;
  short.connect(); // with what the auth function returns now
  await once(short, "connect");
  assert.equal(await short.emitWithAck("echo", 2), 2, kind);
  short.disconnect();
  other.disconnect();

  // Renewed in place: nothing happens at the time of the first one.
  const renewed = manager().socket(where + "renewed", { auth: { token: token("ben", brief) } });
  const [{ expires }] = await once(renewed, "auth:expiring");
  assert.equal((await renewed.emitWithAck("auth:renew", { token: token("eve", long) })).error.code, "forbidden", kind);
  const answer = await renewed.emitWithAck("auth:renew", { token: token("ben", long) });
  assert.ok(answer.expires > expires, kind);
  let gone = 0;
  renewed.on("disconnect", () => gone++);
  await new Promise((resolve) => setTimeout(resolve, brief + 300));
  assert.equal(await renewed.emitWithAck("echo", 3), 3, kind);
  assert.equal(gone, 0, kind);
  renewed.disconnect();

  // Nowhere else: the transport closes, and the client returns by itself with
  // a fresh token.
  let alone = brief;
  const last = manager().socket(where + "last", { auth: (cb) => cb({ token: token("cy", alone) }) });
  await once(last, "connect");
  alone = long;
  const [why] = await once(last, "disconnect");
  assert.equal(why, "transport close", kind);
  await once(last, "connect");
  assert.equal(await last.emitWithAck("echo", 4), 4, kind);
  last.disconnect();

  // Revoked: sent away, not coming back by itself, and refused.
  const id = "revoked-" + where.slice(1, 4);
  const bad = manager().socket(where + "bad", { auth: { token: `dan/${id}/${long}` } });
  const root = manager().socket("/gate/root", { auth: { token: token("root", long) } });
  await Promise.all([once(bad, "connect"), once(root, "connect")]);
  const sentAway = Promise.all([once(bad, "auth:ended"), once(bad, "disconnect")]);
  assert.equal(await root.emitWithAck("revoke", id), "done", kind);
  const [[code], [how2]] = await sentAway;
  assert.deepEqual([code, how2], [{ code: "revoked" }, "io server disconnect"], kind);
  assert.equal(bad.active, false, kind);
  bad.connect();
  const [refused] = await once(bad, "connect_error");
  assert.equal(refused.data.code, "revoked", kind);
  root.disconnect();
}
process.exit(0);
