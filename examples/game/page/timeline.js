// The room counts ticks and packets come when the network brings them. A
// Timeline says which tick the room is at, as far as the quickest packets of
// the last seconds tell, and what everybody looked like at a tick.
export const TICK = 1000 / 30; // ms

const KEEP = 24; // pictures
const WINDOW = 90; // packets that the clock is judged by
const FAR = 160 * 32; // a longer way between two pictures was a jump

export class Timeline {
  #arrivals = []; // arrival minus tick time, of the last packets
  #base = null;
  #pictures = []; // {tick, ships: Map(seat → state)}, oldest first

  reset() {
    this.#arrivals = [];
    this.#pictures = [];
    this.#base = null;
  }

  // add takes the ships as they are at a tick.
  add(tick, ships, now) {
    if (tick <= (this.#pictures.at(-1)?.tick ?? -1)) this.#pictures.pop();
    this.#pictures.push({ tick, ships: new Map(ships) });
    if (this.#pictures.length > KEEP) this.#pictures.shift();
    this.#arrivals.push(now - tick * TICK);
    if (this.#arrivals.length > WINDOW) this.#arrivals.shift();
    const quickest = Math.min(...this.#arrivals);
    // It turns to a better estimate slowly, unless it is far off.
    this.#base = this.#base === null || Math.abs(quickest - this.#base) > 250 ? quickest : this.#base + (quickest - this.#base) * 0.1;
  }

  // tick is which tick it is for a packet that comes now, with its fraction.
  tick(now) { return this.#base === null ? 0 : (now - this.#base) / TICK; }

  // ships returns everybody at a tick: seat → {x, y, vx, vy, aim, dash, hp, mode}.
  ships(tick) {
    const list = this.#pictures;
    let i = list.length - 1;
    while (i > 0 && list[i].tick > tick) i--;
    const older = list[i];
    const newer = list[i + 1];
    const shown = new Map();
    for (const [seat, a] of older?.ships ?? []) shown.set(seat, between(a, newer?.ships.get(seat), newer ? (tick - older.tick) / (newer.tick - older.tick) : 0));
    return shown;
  }
}

function between(a, b, part) {
  const ship = ship9(a);
  if (!b || part <= 0) return ship;
  const back = a[6] === 0 !== (b[6] === 0);
  if (back || Math.hypot(b[0] - a[0], b[1] - a[1]) > FAR) return part < 0.5 ? ship : ship9(b);
  ship.x += (b[0] - a[0]) * part;
  ship.y += (b[1] - a[1]) * part;
  let turn = (b[4] - a[4] + 384) % 256 - 128;
  ship.aim = (a[4] + turn * part + 256) % 256;
  return ship;
}

// ship9 gives names to the numbers of a ship on the wire; wire.go has them.
export const ship9 = ([x, y, vx, vy, aim, dash, hp, mode, seq]) => ({ x, y, vx, vy, aim, dash, hp, mode, seq });
export const MODE = { shield: 1, triple: 2, phased: 4, moving: 8 };
