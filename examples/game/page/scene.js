import { Backdrop } from "./backdrop.js";
import { HEIGHT, UNIT, WIDTH } from "./flight.js";
import { PICKUP, pickupColour } from "./look.js";
import { Particles } from "./particles.js";
import { MODE } from "./timeline.js";

const W = WIDTH / UNIT;
const H = HEIGHT / UNIT;
const AREA = 1120 * 720; // pixels of the arena that are seen, whatever the screen
const SMALL = 0.68; // of it on a phone, where ships would be too small to see
const BEYOND = 90; // pixels past the edge that may be seen
const THUMBS = 250; // pixels of the screen that thumbs cover
const PANELS = 150; // and those that scores and map do, on a phone

const shipShape = new Path2D("M21 0 L-13 13 L-7 0 L-13 -13 Z");
const wing = new Path2D("M-2 0 L-13 13 L-7 0 L-13 -13 Z");
const heart = new Path2D("M0 9C-8 3-9 0-9-3a5 5 0 0 1 9-3 5 5 0 0 1 9 3c0 3-1 6-9 12z");

// Scene paints the arena. Places it is given are in pixels of the arena.
export class Scene {
  camera = { x: W / 2, y: H / 2, scale: 1 };
  particles = new Particles();
  #shake = 0;
  #hurt = 0;

  constructor(canvas) {
    this.canvas = canvas;
    this.ctx = canvas.getContext("2d");
    this.fit();
  }

  fit() {
    this.ratio = Math.min(devicePixelRatio || 1, 2);
    this.width = innerWidth;
    this.height = innerHeight;
    this.canvas.width = Math.round(this.width * this.ratio);
    this.canvas.height = Math.round(this.height * this.ratio);
    const thumbs = matchMedia("(pointer: coarse)").matches;
    this.camera.scale = Math.sqrt((this.width * this.height) / (AREA * (thumbs ? SMALL : 1)));
    this.above = thumbs ? PANELS / this.camera.scale : BEYOND;
    this.below = thumbs ? THUMBS / this.camera.scale : BEYOND;
    this.backdrop = new Backdrop(this.ratio, this.camera.scale);
  }

  // shake moves the screen a little; hurt reddens its edge.
  shake(amount) { this.#shake = Math.min(1, this.#shake + amount); }
  hurt() { this.#hurt = 1; }

  // follow moves the camera towards a place.
  follow(x, y, ms) {
    const { camera } = this;
    const k = 1 - Math.exp(-ms / 110);
    camera.x += (x - camera.x) * k;
    camera.y += (y - camera.y) * k;
    camera.x = hold(camera.x, this.width / camera.scale, W, BEYOND, BEYOND);
    camera.y = hold(camera.y, this.height / camera.scale, H, this.above, this.below);
  }

  jump(x, y) { Object.assign(this.camera, { x, y }); }

  toScreen(x, y) { return { x: this.width / 2 + (x - this.camera.x) * this.camera.scale, y: this.height / 2 + (y - this.camera.y) * this.camera.scale }; }

  // paint draws one frame: {now, ms, ships, shots, pickups, mark}.
  paint({ now, ms, ships, shots, pickups, mark }) {
    const { ctx, camera, ratio } = this;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.backdrop.sky(ctx, camera, this.width, this.height);
    this.#shake *= Math.exp(-ms / 160);
    const jolt = this.#shake ** 2 * 16;
    ctx.translate(this.width / 2 + (Math.random() - 0.5) * jolt, this.height / 2 + (Math.random() - 0.5) * jolt);
    ctx.scale(camera.scale, camera.scale);
    ctx.translate(-camera.x, -camera.y);
    this.backdrop.ground(ctx);
    for (const [id, p] of pickups) this.#pickup(id, p, now);
    for (const shot of shots) this.#shot(shot);
    for (const ship of ships) this.#ship(ship, now, ms);
    this.particles.paint(ctx, ms);
    for (const ship of ships) this.#label(ship);
    if (mark) this.#mark(mark, now);
    this.#edge(ms);
  }

  #glow(x, y, size, colour, alpha) {
    const { ctx } = this;
    ctx.globalCompositeOperation = "lighter";
    ctx.globalAlpha = alpha;
    ctx.drawImage(this.particles.glow(colour), x - size, y - size, 2 * size, 2 * size);
    ctx.globalAlpha = 1;
    ctx.globalCompositeOperation = "source-over";
  }

  #pickup(id, { kind, x, y }, now) {
    const { ctx } = this;
    const colour = pickupColour[kind];
    const phase = now / 600 + Number(id) * 1.7;
    this.#glow(x, y, 26 + Math.sin(phase * 1.3) * 3, colour, 0.5);
    ctx.save();
    ctx.translate(x, y + Math.sin(phase) * 3);
    ctx.fillStyle = ctx.strokeStyle = colour;
    if (kind === PICKUP.spark) {
      ctx.rotate(phase * 0.5);
      ctx.beginPath();
      for (let k = 0; k < 8; k++) ctx.lineTo(Math.cos((k * Math.PI) / 4) * (k % 2 ? 3.4 : 9.5), Math.sin((k * Math.PI) / 4) * (k % 2 ? 3.4 : 9.5));
      ctx.fill();
    } else if (kind === PICKUP.heart) {
      ctx.scale(1.15, 1.15);
      ctx.fill(heart);
    } else {
      ctx.lineWidth = 2;
      ctx.fillStyle = "rgba(10, 12, 26, .8)";
      ctx.beginPath();
      ctx.roundRect(-11, -11, 22, 22, 6);
      ctx.fill();
      ctx.stroke();
      ctx.lineWidth = 3;
      ctx.lineCap = "round";
      ctx.beginPath();
      for (const k of [-1, 0, 1]) {
        ctx.moveTo(kind === PICKUP.triple ? 0 : k * 5, 5);
        ctx.lineTo(k * 5, -5);
      }
      ctx.stroke();
    }
    ctx.restore();
  }

  #shot({ x, y, aim, colour }) {
    const { ctx } = this;
    const angle = (aim * Math.PI) / 128;
    const dx = Math.cos(angle);
    const dy = Math.sin(angle);
    this.#glow(x, y, 18, colour, 0.75);
    ctx.lineCap = "round";
    ctx.strokeStyle = colour;
    ctx.lineWidth = 4;
    ctx.beginPath();
    ctx.moveTo(x - dx * 15, y - dy * 15);
    ctx.lineTo(x, y);
    ctx.stroke();
    ctx.strokeStyle = "#fff";
    ctx.lineWidth = 1.8;
    ctx.beginPath();
    ctx.moveTo(x - dx * 8, y - dy * 8);
    ctx.lineTo(x, y);
    ctx.stroke();
  }

  #ship({ x, y, aim, hp, mode, colour, own }, now, ms) {
    if (hp === 0) return;
    const { ctx } = this;
    const angle = (aim * Math.PI) / 128;
    const ghost = mode & MODE.phased;
    if (mode & MODE.moving && !ghost && Math.random() < ms / 14) {
      const side = angle + Math.PI + (Math.random() - 0.5) * 0.7;
      this.particles.dot(x + Math.cos(angle + Math.PI) * 10, y + Math.sin(angle + Math.PI) * 10, Math.cos(side) * 120, Math.sin(side) * 120, 330, 3.2, colour);
    }
    this.#glow(x, y, own ? 46 : 38, colour, ghost ? 0.12 : 0.4);
    ctx.save();
    ctx.globalAlpha = ghost ? 0.3 : 1;
    ctx.translate(x, y);
    if (mode & MODE.shield) {
      ctx.globalAlpha *= 0.55 + 0.3 * Math.sin(now / 90);
      ctx.strokeStyle = "#bfe9ff";
      ctx.lineWidth = 2;
      ctx.beginPath();
      ctx.arc(0, 0, 26, 0, 7);
      ctx.stroke();
      ctx.globalAlpha = ghost ? 0.3 : 1;
    }
    ctx.rotate(angle);
    ctx.fillStyle = "#0d1124";
    ctx.fill(shipShape);
    ctx.fillStyle = colour;
    ctx.globalAlpha *= 0.42;
    ctx.fill(shipShape);
    ctx.globalAlpha = ghost ? 0.3 : 1;
    ctx.fill(wing);
    ctx.lineJoin = "round";
    ctx.lineWidth = own ? 2.4 : 1.8;
    ctx.strokeStyle = own ? "#fff" : colour;
    ctx.stroke(shipShape);
    if (mode & MODE.triple) {
      ctx.strokeStyle = pickupColour[PICKUP.triple];
      ctx.lineWidth = 2;
      ctx.beginPath();
      ctx.arc(0, 0, 24, -0.5, 0.5);
      ctx.stroke();
    }
    ctx.restore();
  }

  // #label is the name and the hull under a ship.
  #label({ x, y, hp, mode, name, colour, own }) {
    if (hp === 0) return;
    const { ctx } = this;
    ctx.globalAlpha = mode & MODE.phased ? 0.4 : 0.9;
    for (let k = 0; k < 4; k++) {
      ctx.fillStyle = k < hp ? colour : "rgba(255, 255, 255, .16)";
      ctx.fillRect(x - 18 + k * 9.4, y + 27, 7.8, 3);
    }
    if (!own) {
      ctx.font = "600 12.5px ui-sans-serif, system-ui, sans-serif";
      ctx.textAlign = "center";
      ctx.fillStyle = "#dfe5fb";
      ctx.fillText(mode & MODE.phased ? `${name} · away` : name, x, y + 45);
    }
    ctx.globalAlpha = 1;
  }

  // #mark shows the secret target, or the way to it.
  #mark({ x, y, hp }, now) {
    const { ctx } = this;
    ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    if (hp === 0) return;
    const at = this.toScreen(x, y);
    const edge = 46;
    ctx.strokeStyle = ctx.fillStyle = "#ff5d73";
    ctx.lineWidth = 2;
    if (at.x > 0 && at.y > 0 && at.x < this.width && at.y < this.height) {
      const r = (34 + Math.sin(now / 180) * 3) * this.camera.scale;
      for (let k = 0; k < 4; k++) {
        ctx.beginPath();
        ctx.arc(at.x, at.y, r, now / 900 + k * 1.571, now / 900 + k * 1.571 + 0.8);
        ctx.stroke();
      }
      return;
    }
    const angle = Math.atan2(at.y - this.height / 2, at.x - this.width / 2);
    const far = Math.min((this.width / 2 - edge) / Math.abs(Math.cos(angle)), (this.height / 2 - edge) / Math.abs(Math.sin(angle)));
    ctx.save();
    ctx.translate(this.width / 2 + Math.cos(angle) * far, this.height / 2 + Math.sin(angle) * far);
    ctx.rotate(angle);
    ctx.globalAlpha = 0.65 + 0.3 * Math.sin(now / 200);
    ctx.fill(new Path2D("M12 0 L-7 8 L-3 0 L-7 -8 Z"));
    ctx.restore();
  }

  // #edge reddens the screen for who was hit.
  #edge(ms) {
    if (this.#hurt < 0.02) return;
    const { ctx } = this;
    this.#hurt *= Math.exp(-ms / 240);
    ctx.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    const far = Math.hypot(this.width, this.height) / 2;
    const light = ctx.createRadialGradient(this.width / 2, this.height / 2, far * 0.55, this.width / 2, this.height / 2, far);
    light.addColorStop(0, "rgba(255, 60, 90, 0)");
    light.addColorStop(1, `rgba(255, 60, 90, ${0.5 * this.#hurt})`);
    ctx.fillStyle = light;
    ctx.fillRect(0, 0, this.width, this.height);
  }
}

// hold keeps the camera over the arena, or in its middle if all of it fits.
// before and after are how much may be seen past its edges.
function hold(v, window, size, before, after) {
  if (window >= size + before + after) return (size + after - before) / 2;
  return Math.min(Math.max(v, window / 2 - before), size + after - window / 2);
}
