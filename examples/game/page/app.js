import { io } from "/socket.io/socket.io.esm.min.js";
import { Controls } from "./controls.js";
import { playEffect } from "./effects.js";
import { UNIT } from "./flight.js";
import * as hud from "./hud.js";
import { colourOf, someName } from "./look.js";
import { mirror } from "./mirror.js";
import { inRock, muzzle, Prediction, shotAt } from "./prediction.js";
import { Scene } from "./scene.js";
import { Sound } from "./sound.js";
import { ship9, TICK, Timeline } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const BEHIND = 3; // ticks that others are shown behind the room's clock
const STALL = 250; // ms after which a page that slept does not catch up
const UNSEEN = 600; // ms that a shot is believed in without the room's word

// The part after # names the arena: the link is the invitation.
const room = /^#([A-Za-z0-9._~:@-]{1,128})$/.exec(location.hash)?.[1] ?? "main";
if (location.hash !== `#${room}`) history.replaceState(null, "", `#${room}`);
addEventListener("hashchange", () => location.reload());

const socket = io(`/arena/${room}`, { autoConnect: false, auth: (give) => give({ name: $("name").value }) });
const scene = new Scene($("arena"));
const controls = new Controls($("arena"), $("touch"), $("dash"));
const sound = new Sound();
const timeline = new Timeline();
const prediction = new Prediction();

let seat = -1; // the own one
let secret = null; // {ammo, mark}
let status = null; // what the head-up display says
let killer = null; // who destroyed us, while we wait
let guesses = []; // shots that only this page knows of: {shot, seq, at}
let effects = []; // {tick, effect}, not shown yet
let flying = new Map(); // shot id → {shot, gone}: gone is the tick it ended
let played = performance.now();
let painted = performance.now();
let latency = null;

const state = mirror(socket, { maps: ["pilots", "scores", "ships", "shots", "pickups", "secret"], values: ["clock", "round"] }, (patch) => {
  const now = performance.now();
  if (!patch) {
    timeline.reset();
    flying = new Map();
    effects = [];
  }
  secret = state.secret.get(socket.id) ?? null;
  const before = seat;
  seat = Number([...state.pilots].find(([, p]) => p.id === socket.id)?.[0] ?? -1);
  timeline.add(state.clock, state.ships, now);
  for (const [id, shot] of state.shots) if (flying.get(id)?.shot !== shot) flying.set(id, { shot });
  for (const [id, entry] of flying) if (!state.shots.has(id)) entry.gone ??= state.clock;
  const own = state.ships.get(String(seat));
  if (own && (!patch || patch.set?.ships?.[seat] || before !== seat)) prediction.correct(own, part(now));
  if (prediction.alive) killer = null;
  if (before !== seat && own) scene.jump(own[0] / UNIT, own[1] / UNIT);
});

socket.on("fx", (tick, list) => {
  for (const effect of list) {
    // What happens to us happens now; others are shown a moment behind.
    if (effect[3] === seat) show(effect);
    else effects.push({ tick, effect });
  }
});

socket.on("kill", ({ by, of, bounty }) => {
  hud.feed(by, of, state.pilots, bounty, seat);
  if (of === seat) killer = { by: state.pilots.get(String(by))?.name };
  if (by !== seat) return;
  const ship = prediction.ship;
  if (ship) scene.particles.word(ship.x / UNIT, ship.y / UNIT - 34, bounty ? "+8 bounty" : "+3", bounty ? "#ff7a8a" : "#ffffff", bounty ? 24 : 19);
  if (bounty) sound.bounty();
});

function show(effect) {
  playEffect(effect, { scene, sound, pilots: state.pilots, own: seat });
}

// part is how far we are between two inputs.
function part(now) { return Math.min(1, (now - played) / TICK); }

// play samples the controls and sends one input, 30 times per second.
function play(now) {
  const ship = prediction.ship;
  const at = ship ? scene.toScreen(ship.x / UNIT, ship.y / UNIT) : { x: innerWidth / 2, y: innerHeight / 2 };
  const input = controls.sample(at);
  const ready = prediction.ship?.dash === 0;
  socket.volatile.emit("in", prediction.play(input, now));
  if (input.dash && ready && prediction.alive) {
    sound.dash();
    scene.particles.burst(ship.x / UNIT, ship.y / UNIT, 14, 160, 420, 3, colourOf(seat, state.pilots.get(String(seat))));
  }
  if (state.round?.break || !prediction.fires(input, secret?.ammo ?? 0)) return;
  guesses.push({ shot: muzzle(prediction.ship, prediction.ship.aim), seq: prediction.seq, at: now });
  sound.shot(0.8);
}

// ships is everybody where they are to be seen: others as the room had them a
// moment ago, ourselves as we will be.
function ships(now, tick) {
  const list = [];
  for (const [key, ship] of timeline.ships(tick)) {
    const own = Number(key) === seat;
    const at = own && prediction.alive ? { ...prediction.at(part(now)), hp: ship.hp || 4 } : ship;
    const pilot = state.pilots.get(key);
    list.push({ ...at, x: at.x / UNIT, y: at.y / UNIT, seat: Number(key), own, name: pilot?.name ?? "", colour: colourOf(Number(key), pilot) });
  }
  return list.sort((a, b) => a.own - b.own);
}

// shots is every shot where it is to be seen. Our own fly on the time of our
// inputs, those of others on the time others are shown at.
function shots(now, tick) {
  const list = [];
  const add = (shot, ticks, by) => {
    const p = shotAt(shot, ticks);
    if (!inRock(p)) list.push({ x: p.x / UNIT, y: p.y / UNIT, aim: shot[2], colour: colourOf(by, state.pilots.get(String(by))) });
  };
  for (const [id, { shot, gone }] of flying) {
    const [, , , by, born, seq] = shot;
    const mine = by === seat;
    if (gone !== undefined && (mine || tick >= gone)) {
      flying.delete(id);
      continue;
    }
    if (mine) guesses = guesses.filter((guess) => guess.seq !== seq);
    const fired = mine ? prediction.sent.get(seq) : undefined;
    const ticks = fired !== undefined ? (now - fired) / TICK : tick - born;
    if (ticks >= 0) add(shot, ticks, by);
    if (!mine && ticks >= 0 && !flying.get(id).heard) {
      flying.get(id).heard = true;
      sound.shot(0.5 * Math.max(0, 1 - Math.hypot(shot[0] / UNIT - scene.camera.x, shot[1] / UNIT - scene.camera.y) / 700));
    }
  }
  guesses = guesses.filter((guess) => now - guess.at < UNSEEN);
  for (const guess of guesses) add(guess.shot, (now - guess.at) / TICK, seat);
  return list;
}

const pickups = () => new Map([...state.pickups].map(([id, [kind, x, y]]) => [id, { kind, x: x / UNIT, y: y / UNIT }]));

function frame() {
  const now = performance.now();
  const ms = Math.min(now - painted, 100);
  painted = now;
  if (now - played > STALL) played = now - TICK;
  while (now - played >= TICK) {
    played += TICK;
    if (socket.connected && seat >= 0) play(played);
  }
  prediction.settle(ms);
  const tick = timeline.tick(now) - BEHIND;
  const due = effects.filter((e) => e.tick <= tick);
  effects = effects.filter((e) => e.tick > tick);
  for (const { effect } of due) show(effect);

  const all = ships(now, tick);
  const own = all.find((ship) => ship.own);
  if (own) {
    const angle = (own.aim * Math.PI) / 128;
    const ahead = controls.touch ? 40 : 70;
    scene.follow(own.x + Math.cos(angle) * ahead, own.y + Math.sin(angle) * ahead, ms);
    hud.dash(own.dash);
  } else {
    scene.follow(900 + Math.cos(now / 9000) * 420, 600 + Math.sin(now / 7000) * 220, ms);
    if (Math.random() < ms / 700) scene.particles.star(scene.camera.x + (Math.random() - 0.2) * 1200, scene.camera.y - 300 - Math.random() * 200);
  }
  const things = pickups();
  scene.paint({ now, ms, ships: all, shots: shots(now, tick), pickups: things, mark: all.find((ship) => ship.seat === secret?.mark) });
  if (state.round) {
    hud.paintMap(all, things, secret?.mark);
    status = hud.update(state, seat, secret, timeline.tick(now));
    hud.big(status, seat >= 0 && !prediction.alive && own ? { by: killer?.by } : null);
  }
  requestAnimationFrame(frame);
}

/* Coming and going */

const stored = "parlor-starfall";
$("name").value = localStorage.getItem(stored) ?? someName();
$("room").textContent = room;
$("play").disabled = false;

$("enter").onsubmit = (e) => {
  e.preventDefault();
  localStorage.setItem(stored, $("name").value);
  $("play").disabled = true;
  $("refused").textContent = "";
  $("name").blur();
  socket.connect();
};

// forget empties the arena of a game that is over for us.
function forget() {
  timeline.reset();
  for (const field of Object.values(state)) if (field instanceof Map) field.clear();
  state.round = undefined;
  flying.clear();
  [seat, secret, effects, guesses] = [-1, null, [], []];
}

function lobby(message = "") {
  forget();
  document.body.dataset.phase = "lobby";
  $("play").disabled = false;
  $("lost").hidden = true;
  $("refused").textContent = message;
  controls.release();
}

socket.on("connect", () => {
  document.body.dataset.phase = "play";
  $("lost").hidden = true;
  if (socket.recovered) hud.toast("Welcome back, your ship has waited");
  else hud.tip(controls.touch || matchMedia("(pointer: coarse)").matches ? "Left thumb flies · right thumb aims and fires" : "WASD to fly · mouse to aim and fire · Shift to dash", 7000);
  measure();
});

socket.on("disconnect", (reason) => {
  if (reason === "io client disconnect") return lobby();
  if (reason === "io server disconnect") return lobby(kicked ?? "You were sent away.");
  $("lost").hidden = false;
  $("lost").querySelector("span").textContent = "Your ship waits for 30 seconds";
});

let kicked = null;
socket.on("room:kicked", ({ reason }) => (kicked = reason));

socket.on("connect_error", (error) => {
  if (error.data?.code === "room_full") return lobby("Sixteen are playing here already. Try another arena.");
  if (!socket.active) return lobby(error.message);
  if (document.body.dataset.phase === "lobby") $("refused").textContent = "No connection, trying again";
});

// A page that goes away leaves at once; one whose network does comes back.
addEventListener("pagehide", () => socket.disconnect());

$("leave").onclick = () => socket.disconnect();
$("sound").onclick = () => $("sound").setAttribute("aria-pressed", sound.toggle());
addEventListener("keydown", (e) => e.code === "KeyM" && !e.target.closest("input") && $("sound").click());
$("invite").onclick = async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    hud.toast("Link copied");
  } catch {
    prompt("The link to this arena", location.href);
  }
};
for (const button of document.querySelectorAll("#hud button")) button.addEventListener("click", () => button.blur());

// measure asks for the time the way to the room and back takes.
async function measure() {
  const from = performance.now();
  try {
    await socket.timeout(4000).emitWithAck("ping");
    latency = Math.max(1, Math.round(performance.now() - from));
    $("ping").textContent = `${latency} ms`;
  } catch { /* the next answer comes, or the connection is lost */ }
}
setInterval(() => socket.connected && measure(), 3000);

addEventListener("resize", () => scene.fit());
requestAnimationFrame(frame);

// For tests and the curious: what this page knows, read-only and always as it
// is at the moment of asking. Places are in pixels of the arena. positions is
// what the room said last, by member id or "robot-SEAT"; own is where this page
// shows its own ship, ahead of the room by the inputs it has not seen yet.
window.__parlor = {
  get id() { return socket.id ?? null; },
  get room() { return room; },
  get connected() { return socket.connected; },
  get recovered() { return socket.recovered; },
  get seat() { return seat; },
  get members() { return hud.ranking(state).map(({ seat, pilot, score }) => ({ seat, score, id: pilot.id ?? `robot-${seat}`, name: pilot.name, robot: Boolean(pilot.robot), away: Boolean(pilot.away) })); },
  get positions() {
    return Object.fromEntries([...state.ships].map(([key, wire]) => {
      const { x, y, aim, hp } = ship9(wire);
      return [state.pilots.get(key)?.id ?? `robot-${key}`, { x: x / UNIT, y: y / UNIT, aim, hp }];
    }));
  },
  get own() { return prediction.ship && { x: prediction.ship.x / UNIT, y: prediction.ship.y / UNIT, alive: prediction.alive, pending: prediction.lag }; },
  get secret() { return secret; },
  get clock() { return state.clock ?? null; },
  get round() { return state.round ?? null; },
  get pickups() { return state.pickups.size; },
  get shots() { return state.shots.size; },
  get latency() { return latency; },
};
