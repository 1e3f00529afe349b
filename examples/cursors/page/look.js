// The twelve colours, as the room numbers them from 1.
const palette = ["#e5484d", "#f2711c", "#d39a00", "#4f9e34", "#12a594", "#0794bd", "#2f7ff0", "#4a5bd8", "#7a55d3", "#a743b5", "#e23f83", "#927050"];

export const colours = palette.length;
export const colour = (n) => palette[(n ?? 1) - 1] ?? palette[0];

// Shapes of the effects on a 24 by 24 field; stroked ones are marked.
export const shapes = {
  heart: { d: "M12 20.2C5 15.4 3 12.2 3 9a4.7 4.7 0 0 1 9-2 4.7 4.7 0 0 1 9 2c0 3.2-2 6.4-9 11.2z" },
  star: { d: "M12 3l2.7 5.8 6.3.8-4.6 4.4 1.2 6.3L12 17.2l-5.6 3.1 1.2-6.3L3 9.6l6.3-.8z" },
  bolt: { d: "M13.5 2.5 5 13.4h5.6L9.8 21.5 19 10h-6z" },
  smile: { d: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8.3 14.2c.8 1.5 2.1 2.3 3.7 2.3s2.9-.8 3.7-2.3M9 9.2v.9M15 9.2v.9", stroked: true },
  ask: { d: "M8 8.4C8.2 6 9.8 4.4 12.1 4.4c2.3 0 4 1.4 4 3.5 0 3-3.9 3.3-3.9 6.3M12.2 18.9v.2", stroked: true },
};

export const icon = (name) => `<svg viewBox="0 0 24 24"><path d="${shapes[name].d}"/></svg>`;

export function initials(name) {
  const words = name.split(" ").filter(Boolean);
  const letters = words.length > 1 ? [...words[0]][0] + [...words.at(-1)][0] : [...name].slice(0, 2).join("");
  return letters.toUpperCase();
}

const moods = ["Quiet", "Brave", "Lucky", "Sunny", "Swift", "Gentle", "Curious", "Merry", "Bright", "Calm", "Clever", "Happy"];
const animals = ["Otter", "Heron", "Fox", "Lynx", "Badger", "Finch", "Hare", "Seal", "Wren", "Panda", "Koala", "Newt"];
const any = (list) => list[Math.floor(Math.random() * list.length)];

export const someName = () => `${any(moods)} ${any(animals)}`;
