// View says which part of the board is on screen: all of it where it fits, a
// window that can be moved where it would be too small, as on a phone.
const MARGIN = 14;

export class View {
  boardWidth = 2000;
  boardHeight = 1250;
  width = 0;
  height = 0;
  scale = 1;
  x = 0; // where the board's corner is on screen
  y = 0;

  // fit adapts to the size of the window and keeps the middle in the middle.
  fit(width, height) {
    const middle = this.width ? this.toBoard(this.width / 2, this.height / 2) : { x: this.boardWidth / 2, y: this.boardHeight / 2 };
    this.width = width;
    this.height = height;
    const whole = Math.min((width - 2 * MARGIN) / this.boardWidth, (height - 2 * MARGIN) / this.boardHeight);
    const high = (height - 2 * MARGIN) / this.boardHeight;
    this.scale = whole > 0.55 * high ? whole : high;
    this.centre(middle.x, middle.y);
  }

  // centre brings a place on the board as close to the middle as it goes.
  centre(x, y) { this.#move(this.width / 2 - x * this.scale, this.height / 2 - y * this.scale); }
  pan(dx, dy) { this.#move(this.x + dx, this.y + dy); }

  toBoard(x, y) { return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale }; }
  toScreen(x, y) { return { x: this.x + x * this.scale, y: this.y + y * this.scale }; }

  // point is where on the board a place on screen is, in whole units.
  point(x, y) {
    const p = this.toBoard(x, y);
    return [within(Math.round(p.x), 0, this.boardWidth), within(Math.round(p.y), 0, this.boardHeight)];
  }

  #move(x, y) {
    this.x = along(x, this.width, this.boardWidth * this.scale);
    this.y = along(y, this.height, this.boardHeight * this.scale);
  }
}

const within = (v, low, high) => Math.min(Math.max(v, low), high);
const along = (v, window, board) => (board + 2 * MARGIN <= window + 1 ? (window - board) / 2 : within(v, window - board - MARGIN, MARGIN));
