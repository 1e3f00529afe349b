const STICK = 46; // px that a thumb moves for full deflection

// Controls read keyboard, mouse and thumbs into {move, aim, fire, dash};
// directions are 0 to 255, move is -1 for none.
export class Controls {
  touch = false;
  #keys = new Set();
  #mouse = null; // place on screen
  #mouseAt = 0;
  #byMouse = false;
  #fire = false;
  #dash = false;
  #aim = 0;
  #sticks = { move: null, aim: null }; // {id, x, y, dx, dy}

  // surface takes mouse and thumbs; touch is shown once somebody has thumbs.
  constructor(surface, touchLayer, dashButton) {
    this.layer = touchLayer;
    addEventListener("keydown", (e) => this.#key(e, true));
    addEventListener("keyup", (e) => this.#key(e, false));
    addEventListener("blur", () => this.release());
    surface.addEventListener("contextmenu", (e) => e.preventDefault());
    surface.addEventListener("pointerdown", (e) => this.#down(e));
    addEventListener("pointermove", (e) => this.#moved(e));
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, (e) => this.#up(e));
    dashButton.addEventListener("pointerdown", () => (this.#dash = true));
  }

  release() {
    this.#keys.clear();
    this.#fire = false;
    this.#sticks = { move: null, aim: null };
    this.#paintSticks();
  }

  // sample returns what is wanted at this tick, seen from where the own ship
  // is on screen. A dash counts once, however long the key is held.
  sample(ship) {
    const move = this.#move();
    if (this.#sticks.aim) {
      if (Math.hypot(this.#sticks.aim.dx, this.#sticks.aim.dy) > 8) this.#aim = direction(this.#sticks.aim.dx, this.#sticks.aim.dy);
    } else if (this.#byMouse && this.#mouse) {
      this.#aim = direction(this.#mouse.x - ship.x, this.#mouse.y - ship.y);
    } else if (move >= 0) {
      this.#aim = move;
    }
    const pulled = this.#sticks.aim && Math.hypot(this.#sticks.aim.dx, this.#sticks.aim.dy) > STICK * 0.45;
    const input = { move, aim: this.#aim, fire: this.#fire || Boolean(pulled) || this.#keys.has("Space"), dash: this.#dash };
    this.#dash = false;
    return input;
  }

  #move() {
    const stick = this.#sticks.move;
    if (stick) return Math.hypot(stick.dx, stick.dy) > 9 ? direction(stick.dx, stick.dy) : -1;
    const held = (...codes) => (codes.some((code) => this.#keys.has(code)) ? 1 : 0);
    const x = held("KeyD", "ArrowRight") - held("KeyA", "ArrowLeft");
    const y = held("KeyS", "ArrowDown") - held("KeyW", "ArrowUp");
    return x || y ? direction(x, y) : -1;
  }

  #key(e, down) {
    if (e.target.closest?.("input") || e.ctrlKey || e.metaKey || e.altKey) return;
    const known = /^(Key[WASD]|Arrow\w+|Space|Shift\w+)$/.test(e.code);
    if (!known) return;
    e.preventDefault();
    if (e.code.startsWith("Shift")) {
      if (down && !e.repeat) this.#dash = true;
      return;
    }
    if (!down) {
      this.#keys.delete(e.code);
      return;
    }
    this.#keys.add(e.code);
    if (e.code === "Space" && performance.now() - this.#mouseAt > 1500) this.#byMouse = false;
  }

  #down(e) {
    if (e.pointerType === "mouse") {
      this.#point(e);
      if (e.button === 0) this.#fire = true;
      else this.#dash = true;
      return;
    }
    this.touch = true;
    this.layer.hidden = false;
    const side = e.clientX < innerWidth / 2 ? "move" : "aim";
    this.#sticks[side] ??= { id: e.pointerId, x: e.clientX, y: e.clientY, dx: 0, dy: 0 };
    this.#paintSticks();
  }

  #moved(e) {
    if (e.pointerType === "mouse") return this.#point(e);
    for (const side of ["move", "aim"]) {
      const stick = this.#sticks[side];
      if (stick?.id !== e.pointerId) continue;
      stick.dx = e.clientX - stick.x;
      stick.dy = e.clientY - stick.y;
    }
    this.#paintSticks();
  }

  #up(e) {
    if (e.pointerType === "mouse") {
      if (e.button === 0) this.#fire = false;
      return;
    }
    for (const side of ["move", "aim"]) if (this.#sticks[side]?.id === e.pointerId) this.#sticks[side] = null;
    this.#paintSticks();
  }

  #point(e) {
    this.#mouse = { x: e.clientX, y: e.clientY };
    this.#mouseAt = performance.now();
    this.#byMouse = true;
  }

  #paintSticks() {
    for (const side of ["move", "aim"]) {
      const stick = this.#sticks[side];
      const base = this.layer.querySelector(`#stick-${side}`);
      base.style.left = stick ? `${stick.x}px` : "";
      base.style.top = stick ? `${stick.y}px` : "";
      const far = Math.max(1, Math.hypot(stick?.dx ?? 0, stick?.dy ?? 0) / STICK);
      base.firstElementChild.style.transform = stick ? `translate(${stick.dx / far}px, ${stick.dy / far}px)` : "";
    }
  }
}

const direction = (x, y) => Math.round((Math.atan2(y, x) * 128) / Math.PI + 256) % 256;
