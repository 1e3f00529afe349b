// Positions arrive some 30 times per second. A Glide turns them into motion:
// it shows each a little late, on the straight way from the one before, and
// rounds the corners off.
const LATE = 70; // ms; two updates
const ROUND = 22; // ms; how slowly it turns a corner
const PAUSE = 110; // ms; a gap longer than this was rest, not a slow move

export class Glide {
  #samples = []; // {t, x, y}, oldest first
  #shown = null;
  #last = 0;

  // aim is the latest place that is known.
  aim = null;

  push(x, y, now) {
    this.aim = { x, y };
    const last = this.#samples.at(-1);
    if (last && now - last.t > PAUSE) this.#samples.push({ ...last, t: now - 33 });
    this.#samples.push({ t: now, x, y });
    if (this.#samples.length > 40) this.#samples.shift();
  }

  // at returns where to show it, and must be asked with rising times.
  at(now) {
    const s = this.#samples;
    const t = now - LATE;
    while (s.length > 1 && s[1].t <= t) s.shift();
    let { x, y } = s[0];
    if (s.length > 1 && t > s[0].t) {
      const part = (t - s[0].t) / (s[1].t - s[0].t);
      x += (s[1].x - x) * part;
      y += (s[1].y - y) * part;
    }
    const k = 1 - Math.exp(-(now - this.#last) / ROUND);
    this.#last = now;
    this.#shown = this.#shown ? { x: this.#shown.x + (x - this.#shown.x) * k, y: this.#shown.y + (y - this.#shown.y) * k } : { x, y };
    return this.#shown;
  }
}
