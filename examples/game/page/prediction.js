import { along, rocks, step, SHIP_RADIUS, UNIT } from "./flight.js";
import { TICK, ship9 } from "./timeline.js";

const GUN_COOLDOWN = 6; // ticks
const SETTLE = 90; // ms; how slowly a correction is shown
const JUMP = 200 * UNIT; // a larger correction is shown at once

// Prediction flies the own ship without waiting for the room: every input
// counts at once, and is counted again on top of whatever the room says about
// the ship without it.
export class Prediction {
  seq = 0;
  alive = false;
  ship = null; // as it is after the last input
  sent = new Map(); // seq → when it was played, for shots

  #before = null; // the ship one tick earlier
  #pending = []; // inputs the room has not used yet
  #error = { x: 0, y: 0 };
  #cool = 0;

  // play counts one input and returns the message for the room.
  play({ move, aim, fire, dash }, now) {
    const input = { seq: ++this.seq, move, aim, fire, dash, at: now };
    if (this.#cool > 0) this.#cool--;
    this.sent.set(this.seq, now);
    this.sent.delete(this.seq - 120);
    if (this.alive) {
      this.#pending.push(input);
      this.#before = { ...this.ship };
      step(this.ship, input);
    }
    return [input.seq, move, aim, (fire ? 1 : 0) | (dash ? 2 : 0)];
  }

  // fires reports whether a shot leaves the gun with the input just played,
  // as far as one can know before the room says so.
  fires(input, ammo) {
    if (!this.alive || !input.fire || this.#cool > 0 || ammo <= 0) return false;
    this.#cool = GUN_COOLDOWN;
    return true;
  }

  // correct takes what the room says about the ship.
  correct(state, part) {
    const ship = ship9(state);
    const was = this.alive && this.ship ? this.at(part) : null;
    this.alive = ship.hp > 0 && !(ship.mode & 4);
    this.#pending = this.alive ? this.#pending.filter((input) => input.seq > ship.seq) : [];
    this.ship = ship;
    this.#before = { ...ship };
    for (const input of this.#pending) {
      this.#before = { ...ship };
      step(ship, input);
    }
    if (!was || !this.alive) {
      this.#error = { x: 0, y: 0 };
      return;
    }
    this.#error = { x: 0, y: 0 };
    const is = this.at(part);
    const error = { x: was.x - is.x, y: was.y - is.y };
    if (Math.hypot(error.x, error.y) < JUMP) this.#error = error;
  }

  // at is where to show the ship: part of the way through the current tick.
  at(part) {
    const a = this.#before ?? this.ship;
    const b = this.ship;
    return { ...b, x: a.x + (b.x - a.x) * part + this.#error.x, y: a.y + (b.y - a.y) * part + this.#error.y };
  }

  // settle lets the shown error fade.
  settle(ms) {
    const k = Math.exp(-ms / SETTLE);
    this.#error.x *= k;
    this.#error.y *= k;
  }

  get lag() { return this.#pending.length * TICK; }
}

const SHOT_SPEED = 18 * UNIT;

// shotAt is where a shot is, ticks after it was fired.
export function shotAt([x, y, aim], ticks) {
  const [dx, dy] = along(aim, SHOT_SPEED);
  return { x: x + dx * ticks, y: y + dy * ticks };
}

// muzzle is where a shot of a ship begins.
export function muzzle({ x, y }, aim) {
  const [dx, dy] = along(aim, SHIP_RADIUS);
  return [x + dx, y + dy, aim];
}

export const inRock = ({ x, y }) => rocks.some(([rx, ry, r]) => Math.hypot(x - rx * UNIT, y - ry * UNIT) < r * UNIT);
