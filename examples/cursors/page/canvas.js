import { colour, shapes } from "./look.js";

// Canvas paints what lies under the cursors: the sheet, ink, trails, ripples
// and bursts. Places are in board units; view says where those are on screen.
const FADE = 1400; // ms that dried ink takes to vanish
const OWN = 700; // ms that ink drawn here is shown without the room's word for it
const WIDTH = 6; // of ink, in board units

const paths = Object.fromEntries(Object.entries(shapes).map(([name, s]) => [name, new Path2D(s.d)]));

export class Canvas {
  #ink = new Map(); // id → {path, colour}
  #fading = []; // {path, colour, from}
  #own = []; // {path, until}
  #rings = [];
  #sparks = [];
  #dots = null;

  constructor(element, view) {
    this.element = element;
    this.view = view;
    this.ctx = element.getContext("2d");
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (this.#dots = null));
  }

  get pieces() { return this.#ink.size; }

  clear() { this.#ink.clear(); }
  addInk(id, { c, p }) { this.#ink.set(id, { path: smooth(p), colour: colour(c) }); }
  dryInk(id, now) {
    const piece = this.#ink.get(id);
    if (piece) this.#fading.push({ ...piece, from: now });
    this.#ink.delete(id);
  }

  // ownInk shows a line before the room has it.
  ownInk(points, c, now) { this.#own.push({ path: smooth(points), colour: colour(c), until: now + OWN }); }

  burst(kind, [x, y], c, now) {
    if (kind === "ripple") {
      this.#rings.push({ x, y, c: colour(c), from: now }, { x, y, c: colour(c), from: now + 110 });
      return;
    }
    for (let i = 0; i < 7; i++) {
      const big = i === 0;
      this.#sparks.push({
        path: paths[kind], stroked: shapes[kind].stroked, c: colour(c), x, y,
        dx: big ? 0 : (Math.random() - 0.5) * 190, rise: big ? 150 : 60 + Math.random() * 190,
        size: big ? 2.9 : 0.7 + Math.random() * 0.9, tilt: (Math.random() - 0.5) * (big ? 0.3 : 1.4),
        sway: Math.random() * 6, from: now + (big ? 0 : Math.random() * 140), life: big ? 1500 : 900 + Math.random() * 700,
      });
    }
  }

  paint(now, trails) {
    const { ctx, view, element } = this;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(view.width * ratio);
    const height = Math.round(view.height * ratio);
    if (element.width !== width || element.height !== height) {
      element.width = width;
      element.height = height;
      this.#dots = null;
    }
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, width, height);
    const s = view.scale * ratio;
    ctx.setTransform(s, 0, 0, s, view.x * ratio, view.y * ratio);
    this.#paintSheet(s);
    ctx.lineCap = ctx.lineJoin = "round";
    this.#paintInk(now);
    for (const { points, c } of trails) this.#paintTrail(points, colour(c));
    this.#paintRings(now);
    this.#paintSparks(now);
  }

  #paintSheet(s) {
    const { ctx, view } = this;
    const style = getComputedStyle(document.documentElement);
    ctx.fillStyle = style.getPropertyValue("--sheet");
    ctx.strokeStyle = style.getPropertyValue("--edge");
    ctx.lineWidth = 1.5 / view.scale;
    ctx.beginPath();
    ctx.roundRect(0, 0, view.boardWidth, view.boardHeight, 26);
    ctx.fill();
    ctx.stroke();
    this.#dots ??= dots(ctx, style.getPropertyValue("--dot"), s);
    ctx.save();
    ctx.clip();
    ctx.fillStyle = this.#dots;
    ctx.fillRect(0, 0, view.boardWidth, view.boardHeight);
    ctx.restore();
  }

  #paintInk(now) {
    const { ctx } = this;
    ctx.lineWidth = WIDTH;
    for (const { path, colour } of this.#ink.values()) {
      ctx.strokeStyle = colour;
      ctx.stroke(path);
    }
    this.#own = this.#own.filter((piece) => piece.until > now);
    for (const { path, colour } of this.#own) {
      ctx.strokeStyle = colour;
      ctx.stroke(path);
    }
    this.#fading = this.#fading.filter((piece) => now - piece.from < FADE);
    for (const { path, colour, from } of this.#fading) {
      const left = 1 - (now - from) / FADE;
      ctx.globalAlpha = left;
      ctx.lineWidth = WIDTH * (0.4 + 0.6 * left);
      ctx.strokeStyle = colour;
      ctx.stroke(path);
    }
    ctx.globalAlpha = 1;
  }

  #paintTrail(points, c) {
    const { ctx, view } = this;
    ctx.strokeStyle = c;
    for (let i = 1; i < points.length; i++) {
      const part = i / points.length;
      ctx.globalAlpha = 0.3 * part * part;
      ctx.lineWidth = (1 + 7 * part) / view.scale;
      ctx.beginPath();
      ctx.moveTo(points[i - 1].x, points[i - 1].y);
      ctx.lineTo(points[i].x, points[i].y);
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
  }

  #paintRings(now) {
    const { ctx, view } = this;
    this.#rings = this.#rings.filter((ring) => now - ring.from < 750);
    for (const ring of this.#rings) {
      const age = (now - ring.from) / 750;
      if (age < 0) continue;
      ctx.globalAlpha = (1 - age) ** 1.5;
      ctx.strokeStyle = ring.c;
      ctx.lineWidth = (5 * (1 - age) + 0.5) / view.scale;
      ctx.beginPath();
      ctx.arc(ring.x, ring.y, (6 + 62 * (1 - (1 - age) ** 3)) / view.scale, 0, 7);
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
  }

  #paintSparks(now) {
    const { ctx, view } = this;
    this.#sparks = this.#sparks.filter((spark) => now - spark.from < spark.life);
    for (const spark of this.#sparks) {
      const age = (now - spark.from) / spark.life;
      if (age < 0) continue;
      const out = 1 - (1 - age) ** 3;
      const size = (spark.size * Math.min(1, age * 9)) / view.scale;
      ctx.save();
      ctx.globalAlpha = Math.min(1, (1 - age) * 2.2);
      ctx.translate(spark.x + (spark.dx * out + Math.sin(age * 5 + spark.sway) * 7) / view.scale, spark.y - (spark.rise * out) / view.scale);
      ctx.rotate(spark.tilt * (1 + age));
      ctx.scale(size, size);
      ctx.translate(-12, -12);
      ctx.fillStyle = ctx.strokeStyle = spark.c;
      ctx.lineWidth = 2.2;
      if (spark.stroked) ctx.stroke(spark.path);
      else ctx.fill(spark.path);
      ctx.restore();
    }
  }
}

// smooth runs a curve through the middles between points, so that corners of
// the sampling do not show, from the first point to the last.
function smooth(points) {
  const path = new Path2D();
  path.moveTo(...points[0]);
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i];
    path.quadraticCurveTo(x, y, (x + points[i + 1][0]) / 2, (y + points[i + 1][1]) / 2);
  }
  path.lineTo(...points.at(-1));
  return path;
}

// dots is the pattern of the sheet, drawn at the resolution of the screen.
function dots(ctx, c, s) {
  const step = 50;
  const tile = document.createElement("canvas");
  tile.width = tile.height = Math.max(8, Math.round(step * s));
  const pen = tile.getContext("2d");
  pen.fillStyle = c;
  pen.beginPath();
  pen.arc(tile.width / 2, tile.height / 2, Math.max(1, 2.2 * s), 0, 7);
  pen.fill();
  const pattern = ctx.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(step / tile.width));
  return pattern;
}
