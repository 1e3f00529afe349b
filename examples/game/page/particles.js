const MOST = 700;

// Particles are what makes things feel heavy, hot and loud. Lengths are in
// pixels of the arena, times in milliseconds.
export class Particles {
  #dots = [];
  #rings = [];
  #words = [];
  #stars = [];
  #glows = new Map(); // colour → sprite

  dot(x, y, vx, vy, life, size, colour) {
    if (this.#dots.length < MOST) this.#dots.push({ x, y, vx, vy, life, left: life, size, colour });
  }

  ring(x, y, to, life, colour, width = 3) { this.#rings.push({ x, y, to, life, left: life, colour, width }); }
  // star falls from a place and leaves a trail.
  star(x, y) { this.#stars.push({ x, y, v: 260 + Math.random() * 260, left: 1500 }); }

  word(x, y, text, colour, size = 17) { this.#words.push({ x, y, text, colour, size, left: 1100 }); }

  burst(x, y, count, speed, life, size, colour) {
    for (let i = 0; i < count; i++) {
      const angle = Math.random() * 7;
      const v = speed * (0.25 + Math.random());
      this.dot(x, y, Math.cos(angle) * v, Math.sin(angle) * v, life * (0.5 + Math.random()), size * (0.5 + Math.random()), colour);
    }
  }

  // glow is a soft round light.
  glow(colour) {
    let sprite = this.#glows.get(colour);
    if (!sprite) {
      sprite = document.createElement("canvas");
      sprite.width = sprite.height = 64;
      const pen = sprite.getContext("2d");
      const light = pen.createRadialGradient(32, 32, 0, 32, 32, 32);
      light.addColorStop(0, colour);
      light.addColorStop(0.25, `${colour}88`);
      light.addColorStop(1, `${colour}00`);
      pen.fillStyle = light;
      pen.fillRect(0, 0, 64, 64);
      this.#glows.set(colour, sprite);
    }
    return sprite;
  }

  paint(ctx, ms) {
    for (const s of this.#stars) {
      s.left -= ms;
      s.x -= (s.v * 0.8 * ms) / 1000;
      s.y += (s.v * ms) / 1000;
      this.dot(s.x, s.y, 0, 0, 700, 2.6, "#ffe08a");
    }
    ctx.globalCompositeOperation = "lighter";
    const slow = Math.exp(-ms / 420);
    for (const d of this.#dots) {
      d.left -= ms;
      d.x += (d.vx * ms) / 1000;
      d.y += (d.vy * ms) / 1000;
      d.vx *= slow;
      d.vy *= slow;
      const part = Math.max(0, d.left / d.life);
      const size = d.size * (0.4 + 0.6 * part) * 2.6;
      ctx.globalAlpha = part;
      ctx.drawImage(this.glow(d.colour), d.x - size, d.y - size, 2 * size, 2 * size);
    }
    for (const r of this.#rings) {
      r.left -= ms;
      const part = Math.max(0, r.left / r.life);
      ctx.globalAlpha = part * 0.9;
      ctx.strokeStyle = r.colour;
      ctx.lineWidth = r.width * part + 0.5;
      ctx.beginPath();
      ctx.arc(r.x, r.y, r.to * (1 - part ** 3), 0, 7);
      ctx.stroke();
    }
    ctx.globalCompositeOperation = "source-over";
    ctx.textAlign = "center";
    for (const w of this.#words) {
      w.left -= ms;
      w.y -= ms * 0.035;
      ctx.globalAlpha = Math.min(1, Math.max(0, w.left / 500));
      ctx.font = `700 ${w.size}px ui-sans-serif, system-ui, sans-serif`;
      ctx.fillStyle = w.colour;
      ctx.fillText(w.text, w.x, w.y);
    }
    ctx.globalAlpha = 1;
    this.#stars = this.#stars.filter((s) => s.left > 0);
    this.#dots = this.#dots.filter((d) => d.left > 0);
    this.#rings = this.#rings.filter((r) => r.left > 0);
    this.#words = this.#words.filter((w) => w.left > 0);
  }
}
