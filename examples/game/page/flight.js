// How ships fly: flight.go once more, number for number. What is computed here
// from the room's last word and the inputs it has not seen yet is where the
// ship will be, not a guess. A Go test flies both against each other.
export const UNIT = 32; // units to a pixel of the arena
export const WIDTH = 1800 * UNIT;
export const HEIGHT = 1200 * UNIT;
export const DIRECTIONS = 256;
export const SHIP_RADIUS = 16 * UNIT;
export const DASH_COOLDOWN = 75;

const TABLE_ONE = 1024;
const THRUST = 26;
const DRAG = 29; // of 32
const DASH_KICK = 520;

// Rocks as [x, y, radius], in pixels.
export const rocks = [
  [900, 600, 96],
  [440, 330, 70], [1360, 870, 70],
  [1360, 330, 54], [440, 870, 54],
  [150, 600, 42], [1650, 600, 42],
  [900, 150, 38], [900, 1050, 38],
];

const sine = Array.from({ length: DIRECTIONS }, (_, i) => Math.floor(Math.sin((i * 2 * Math.PI) / DIRECTIONS) * TABLE_ONE + 0.5));
const div = (a, b) => Math.trunc(a / b);

// along is the part of length in x and y for a direction.
export function along(direction, length) {
  return [div(sine[(direction + DIRECTIONS / 4) % DIRECTIONS] * length, TABLE_ONE), div(sine[direction % DIRECTIONS] * length, TABLE_ONE)];
}

// step moves f = {x, y, vx, vy, aim, dash} by one tick of
// {move, aim, dash}; move is -1 for none.
export function step(f, input) {
  f.aim = input.aim;
  if (f.dash > 0) f.dash--;
  if (input.dash && f.dash === 0) {
    push(f, input.move < 0 ? input.aim : input.move, DASH_KICK);
    f.dash = DASH_COOLDOWN;
  }
  if (input.move >= 0) push(f, input.move, THRUST);
  f.vx = div(f.vx * DRAG, 32);
  f.vy = div(f.vy * DRAG, 32);
  [f.x, f.vx] = bounce(f.x + f.vx, f.vx, WIDTH);
  [f.y, f.vy] = bounce(f.y + f.vy, f.vy, HEIGHT);
  for (const rock of rocks) hitRock(f, rock);
}

function push(f, direction, length) {
  const [x, y] = along(direction, length);
  f.vx += x;
  f.vy += y;
}

function bounce(at, speed, size) {
  if (at < SHIP_RADIUS) return [SHIP_RADIUS, div(-speed, 2)];
  if (at > size - SHIP_RADIUS) return [size - SHIP_RADIUS, div(-speed, 2)];
  return [at, speed];
}

function hitRock(f, [rx, ry, r]) {
  let dx = f.x - rx * UNIT;
  let dy = f.y - ry * UNIT;
  const reach = r * UNIT + SHIP_RADIUS;
  if (dx * dx + dy * dy >= reach * reach) return;
  let d = Math.floor(Math.sqrt(dx * dx + dy * dy));
  if (d === 0) [dx, dy, d] = [1, 0, 1];
  f.x = rx * UNIT + div(dx * reach, d);
  f.y = ry * UNIT + div(dy * reach, d);
  const into = div(f.vx * dx + f.vy * dy, d);
  if (into < 0) {
    f.vx -= div(3 * into * dx, 2 * d);
    f.vy -= div(3 * into * dy, 2 * d);
  }
}
