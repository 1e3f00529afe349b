import { UNIT } from "./flight.js";
import { colourOf, EFFECT, pickupColour } from "./look.js";

const FAR = 900; // px at which a sound is silent

const pickupWords = ["+1", "ammo", "hull", "triple"];

// playEffect shows and sounds one effect of the room, [kind, x, y, seat, by,
// value]. own is the own seat.
export function playEffect([kind, ux, uy, seat, by, value], { scene, sound, pilots, own }) {
  const x = ux / UNIT;
  const y = uy / UNIT;
  const { particles: p } = scene;
  const colour = colourOf(seat, pilots.get(String(seat)));
  const near = Math.max(0, 1 - Math.hypot(x - scene.camera.x, y - scene.camera.y) / FAR);
  const mine = seat === own;
  switch (kind) {
    case EFFECT.hit:
      p.burst(x, y, 10, 190, 380, 2.8, colour);
      p.burst(x, y, 5, 120, 250, 2.2, "#ffffff");
      sound.hit(near);
      if (mine) {
        scene.shake(0.45);
        scene.hurt();
      }
      break;
    case EFFECT.blocked:
      p.ring(x, y, 20, 220, "#bfe9ff");
      p.burst(x, y, 5, 120, 240, 2, "#bfe9ff");
      break;
    case EFFECT.kill:
      p.burst(x, y, 46, 330, 850, 4.4, colour);
      p.burst(x, y, 20, 200, 600, 3.2, "#ffd9a0");
      p.burst(x, y, 10, 90, 420, 7, "#ffffff");
      p.ring(x, y, 110, 620, colour, 5);
      p.ring(x, y, 60, 380, "#ffffff", 3);
      sound.boom(0.25 + 0.75 * near);
      scene.shake(mine ? 0.95 : 0.4 * near);
      if (mine) scene.hurt();
      break;
    case EFFECT.pickup:
      p.ring(x, y, 26, 300, pickupColour[value]);
      p.burst(x, y, 7, 110, 380, 2.2, pickupColour[value]);
      if (mine) {
        p.word(x, y - 22, pickupWords[value], pickupColour[value]);
        sound.pick(value);
      }
      break;
    case EFFECT.spawn:
      p.ring(x, y, 60, 500, colour, 4);
      p.burst(x, y, 14, 140, 460, 2.6, colour);
      break;
    case EFFECT.gone:
      p.ring(x, y, 46, 420, colour);
      p.burst(x, y, 18, 120, 600, 2.6, colour);
      break;
    case EFFECT.spark:
      p.burst(x, y, 4, 110, 260, 1.8, colourOf(by, pilots.get(String(by))));
      break;
  }
}
