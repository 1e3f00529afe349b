// Flies the page's rules for the Go test: reads {ship, inputs} as JSON from
// stdin and writes the ship after every input.
import { step } from "../page/flight.js";

let text = "";
for await (const part of process.stdin) text += part;
const { ship, inputs } = JSON.parse(text);
const path = inputs.map(([move, aim, dash]) => {
  step(ship, { move, aim, dash: dash === 1 });
  return [ship.x, ship.y, ship.vx, ship.vy, ship.aim, ship.dash].map((n) => n + 0);
});
process.stdout.write(JSON.stringify(path));
