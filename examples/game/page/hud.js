import { DASH_COOLDOWN, HEIGHT, rocks, UNIT, WIDTH } from "./flight.js";
import { colourOf, PICKUP, pickupColour } from "./look.js";

const $ = (id) => document.getElementById(id);
const ROWS = () => (innerWidth > 700 ? 8 : 4);
const TICKS = 30; // per second

// set changes an element only when there is something to change.
const shown = new WeakMap();
function set(element, html) {
  if (shown.get(element) === html) return;
  shown.set(element, html);
  element.innerHTML = html;
}

const safe = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const named = (seat, pilot) => `<b style="--c:${colourOf(seat, pilot)}">${safe(pilot?.name ?? "somebody")}</b>`;

// ranking is everybody by score: [{seat, pilot, score}].
export function ranking(state) {
  return [...state.pilots]
    .map(([seat, pilot]) => ({ seat: Number(seat), pilot, score: state.scores.get(seat) ?? 0 }))
    .sort((a, b) => b.score - a.score || a.seat - b.seat);
}

// update shows what the room says: state is the mirror, seat and secret are
// the own ones, tick is the room's clock.
export function update(state, seat, secret, tick) {
  const list = ranking(state);
  let rows = list.slice(0, ROWS());
  const own = list.find((row) => row.seat === seat);
  if (own && !rows.includes(own)) rows = [...rows.slice(0, -1), own];
  set($("scores"), rows.map((row) => {
    const classes = [row.seat === seat && "me", row.pilot.robot && "robot", row.pilot.away && "away", row.seat === secret?.mark && "mark"];
    return `<li class="${classes.filter(Boolean).join(" ")}" style="--c:${colourOf(row.seat, row.pilot)}"><b>${safe(row.pilot.name)}</b><i>${row.score}</i></li>`;
  }).join(""));

  const round = state.round;
  const left = Math.max(0, Math.ceil((round.ends - tick) / TICKS));
  set($("clock"), round.break ? "" : `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`);
  $("clock").classList.toggle("soon", !round.break && left <= 10);

  const target = secret && secret.mark >= 0 ? state.pilots.get(String(secret.mark)) : null;
  $("mark").hidden = !target || round.break;
  if (target) set($("mark"), `Your mark: <b>${safe(target.name)}</b>`);

  const ship = state.ships.get(String(seat));
  if (ship) {
    set($("hull"), pips(4, ship[6]));
    $("hull").classList.toggle("low", ship[6] === 1);
    set($("ammo"), pips(10, secret?.ammo ?? 0));
  }
  return { left, round, list };
}

const pips = (all, on) => Array.from({ length: all }, (_, i) => `<i${i < on ? ' class="on"' : ""}></i>`).join("");

export function dash(cooldown) { $("dashing").firstElementChild.style.transform = `scaleX(${1 - cooldown / DASH_COOLDOWN})`; }

// big shows what matters more than flying: the end of a round, one's own end.
export function big({ left, round, list }, dead) {
  if (round.break) {
    const podium = list.slice(0, 3);
    const order = [podium[1], podium[0], podium[2]].filter(Boolean);
    const winner = podium[0];
    set($("big"), `<h2>${winner ? safe(winner.pilot.name) : "Nobody"} wins</h2><p>Next round in ${left}</p><ol>${order.map((row) =>
      `<li style="--c:${colourOf(row.seat, row.pilot)}"><b>${safe(row.pilot.name)}</b><i>${row.score}</i></li>`).join("")}</ol>`);
  } else {
    set($("big"), dead ? `<h2>Destroyed${dead.by ? ` by ${safe(dead.by)}` : ""}</h2><p>Back in a moment</p>` : "");
  }
}

export function feed(by, of, pilots, bounty, own) {
  const line = document.createElement("p");
  const killer = pilots.get(String(by));
  line.innerHTML = `${named(by, killer)} ${bounty ? "<em>cashed in on</em>" : "shot"} ${named(of, pilots.get(String(of)))}`;
  if (by === own || of === own) line.style.color = "#fff";
  $("feed").append(line);
  while ($("feed").children.length > 4) $("feed").firstChild.remove();
  setTimeout(() => (line.style.opacity = 0), 4200);
  setTimeout(() => line.remove(), 5000);
}

let lowering;
export function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("up");
  clearTimeout(lowering);
  lowering = setTimeout(() => $("toast").classList.remove("up"), 2600);
}

export function tip(text, ms) {
  $("tip").textContent = text;
  $("tip").style.opacity = 1;
  setTimeout(() => ($("tip").style.opacity = 0), ms);
}

const map = $("map").getContext("2d");
const S = 300 / (WIDTH / UNIT);

// paintMap shows the whole arena: ships in arena pixels, pickups as the room
// sends them.
export function paintMap(ships, pickups, mark) {
  map.clearRect(0, 0, 300, (HEIGHT / UNIT) * S);
  const dot = (x, y, r, colour) => {
    map.fillStyle = colour;
    map.beginPath();
    map.arc(x * S, y * S, r, 0, 7);
    map.fill();
  };
  for (const [x, y, r] of rocks) dot(x, y, r * S, "rgba(140, 155, 220, .22)");
  for (const p of pickups.values()) dot(p.x, p.y, p.kind === PICKUP.spark ? 1.6 : 3, `${pickupColour[p.kind]}${p.kind === PICKUP.spark ? "99" : ""}`);
  for (const ship of ships) {
    if (ship.hp === 0) continue;
    dot(ship.x, ship.y, ship.own ? 6 : 5, ship.own ? "#fff" : ship.colour);
    if (ship.seat !== mark) continue;
    map.strokeStyle = "#ff5d73";
    map.lineWidth = 2.5;
    map.beginPath();
    map.arc(ship.x * S, ship.y * S, 10, 0, 7);
    map.stroke();
  }
}
