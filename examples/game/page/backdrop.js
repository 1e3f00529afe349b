import { HEIGHT, UNIT, WIDTH, rocks } from "./flight.js";

const W = WIDTH / UNIT;
const H = HEIGHT / UNIT;
const TILE = 640; // px of a piece of sky, repeated

// random returns the same numbers on every page: the same sky for everybody.
function random(seed) {
  return () => {
    seed = (seed * 1664525 + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

function sheet(width, height, draw) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(width);
  canvas.height = Math.ceil(height);
  draw(canvas.getContext("2d"));
  return canvas;
}

const clouds = [[0.22, 0.3, 0.5, "86, 60, 190"], [0.82, 0.72, 0.55, "20, 110, 150"], [0.62, 0.12, 0.42, "150, 50, 110"]];
const depths = [0.1, 0.24, 0.45]; // how far each layer of stars moves with the camera

// Backdrop is what never changes, drawn once per size of the screen: sky,
// rocks, the edge of the arena.
export class Backdrop {
  constructor(ratio, scale) {
    const next = random(7);
    this.layers = depths.map((_, i) => sheet(TILE * ratio, TILE * ratio, (pen) => {
      pen.scale(ratio, ratio);
      pen.fillStyle = "#cfd8ff";
      for (let k = 0; k < 46; k++) {
        pen.globalAlpha = 0.2 + next() * 0.6;
        pen.beginPath();
        pen.arc(next() * TILE, next() * TILE, 0.4 + next() * (0.35 + i * 0.3), 0, 7);
        pen.fill();
      }
    }));
    this.clouds = sheet(240, 160, (pen) => {
      pen.fillStyle = "#080a14";
      pen.fillRect(0, 0, 240, 160);
      pen.globalCompositeOperation = "lighter";
      for (const [x, y, r, rgb] of clouds) {
        const light = pen.createRadialGradient(x * 240, y * 160, 0, x * 240, y * 160, r * 200);
        light.addColorStop(0, `rgba(${rgb}, .26)`);
        light.addColorStop(1, `rgba(${rgb}, 0)`);
        pen.fillStyle = light;
        pen.fillRect(0, 0, 240, 160);
      }
    });
    const fine = ratio * scale;
    this.rocks = rocks.map(([x, y, r], i) => {
      const size = r + 4;
      return { x, y, size, sprite: sheet(2 * size * fine, 2 * size * fine, (pen) => {
        pen.scale(fine, fine);
        pen.translate(size, size);
        paintRock(pen, r, random(i + 40));
      }) };
    });
  }

  // sky fills the screen; stars move less than the camera does.
  sky(ctx, camera, width, height) {
    const grow = 1.3;
    ctx.drawImage(this.clouds, ((-camera.x / W) * (grow - 1)) * width, ((-camera.y / H) * (grow - 1)) * height, width * grow, height * grow);
    this.layers.forEach((layer, i) => {
      const x0 = -wrap(camera.x * depths[i] * camera.scale, TILE);
      const y0 = -wrap(camera.y * depths[i] * camera.scale, TILE);
      for (let x = x0; x < width; x += TILE) for (let y = y0; y < height; y += TILE) ctx.drawImage(layer, x, y, TILE, TILE);
    });
  }

  // ground draws the grid, the edge and the rocks, in arena pixels.
  ground(ctx) {
    ctx.strokeStyle = "rgba(130, 150, 230, .07)";
    ctx.lineWidth = 1;
    ctx.stroke(grid);
    for (const [width, alpha] of [[14, 0.06], [6, 0.14], [2, 0.75]]) {
      ctx.lineWidth = width;
      ctx.strokeStyle = `rgba(122, 150, 255, ${alpha})`;
      ctx.strokeRect(0, 0, W, H);
    }
    for (const { x, y, size, sprite } of this.rocks) ctx.drawImage(sprite, x - size, y - size, 2 * size, 2 * size);
  }
}

const wrap = (v, size) => ((v % size) + size) % size;

const grid = new Path2D();
for (let x = 100; x < W; x += 100) {
  grid.moveTo(x, 0);
  grid.lineTo(x, H);
}
for (let y = 100; y < H; y += 100) {
  grid.moveTo(0, y);
  grid.lineTo(W, y);
}

function paintRock(pen, r, next) {
  const corners = Array.from({ length: 15 }, (_, k) => {
    const far = r * (0.93 + next() * 0.09);
    return [Math.cos((k / 15) * 2 * Math.PI) * far, Math.sin((k / 15) * 2 * Math.PI) * far];
  });
  pen.beginPath();
  for (const corner of corners) pen.lineTo(...corner);
  pen.closePath();
  const light = pen.createRadialGradient(-r * 0.4, -r * 0.5, r * 0.1, 0, 0, r * 1.15);
  light.addColorStop(0, "#39426b");
  light.addColorStop(0.55, "#1e2444");
  light.addColorStop(1, "#11152b");
  pen.fillStyle = light;
  pen.fill();
  pen.lineWidth = 2;
  pen.strokeStyle = "rgba(150, 170, 255, .35)";
  pen.stroke();
  pen.clip();
  pen.strokeStyle = "rgba(150, 170, 255, .09)";
  pen.beginPath();
  for (let k = 0; k < corners.length; k += 3) {
    pen.moveTo(-r * 0.15, -r * 0.2);
    pen.lineTo(...corners[k]);
  }
  pen.stroke();
}
