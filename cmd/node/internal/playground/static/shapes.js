import { svg } from "./dom.js";

// The reactions are drawn, because not every machine has a font with emoji.
const drawings = {
  heart: [["path", { d: "M12 21s-7.6-4.7-9.7-9.3C.8 8.2 2.9 4.4 6.5 4.4c2.3 0 4.1 1.2 5.5 3.2 1.4-2 3.2-3.2 5.5-3.2 3.6 0 5.7 3.8 4.2 7.3C19.6 16.3 12 21 12 21z" }]],
  star: [["path", { d: "m12 2.4 3 6.2 6.7.9-4.9 4.7 1.2 6.7-6-3.2-6 3.2 1.2-6.7-4.9-4.7 6.7-.9z" }]],
  spark: [["path", { d: "M12 1.5c.9 6 4.5 9.6 10.5 10.5-6 .9-9.6 4.5-10.5 10.5C11.1 16.5 7.5 12.9 1.5 12c6-.9 9.6-4.5 10.5-10.5z" }]],
  bolt: [["path", { d: "M13.7 1.8 4.3 13.6h6.1L9.3 22.2l10.4-12.7h-6.5z" }]],
  smile: [
    ["circle", { cx: 12, cy: 12, r: 10 }],
    ["circle", { cx: 8.5, cy: 9.5, r: 1.4, class: "spot" }],
    ["circle", { cx: 15.5, cy: 9.5, r: 1.4, class: "spot" }],
    ["path", { d: "M7.5 14.2a5.2 5.2 0 0 0 9 0", class: "line" }],
  ],
  flower: [
    ...[0, 72, 144, 216, 288].map((turn) => ["ellipse", { cx: 12, cy: 6.6, rx: 3.9, ry: 5, transform: `rotate(${turn} 12 12)` }]),
    ["circle", { cx: 12, cy: 12, r: 2.6, class: "spot" }],
  ],
};

// shapes are the names of the reactions, in the order of their keys.
export const shapes = Object.keys(drawings);

// shape draws one, in the colour that --color says.
export const shape = (name) => svg("svg", { viewBox: "0 0 24 24", class: "shape" },
  ...drawings[name].map(([tag, attributes]) => svg(tag, attributes)));
