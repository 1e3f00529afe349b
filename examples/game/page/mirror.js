// mirror keeps a copy of a room's synced fields: a Map for each name in maps,
// the value itself for each in values. applied() is called after each message
// with what changed, {set, del} as in section 4 of docs/protocol.md, or null
// after a whole new state.
export function mirror(socket, { maps, values }, applied) {
  const copy = {};
  const clear = () => {
    for (const field of maps) copy[field] = new Map();
    for (const field of values) copy[field] = undefined;
  };
  const setAll = (changes = {}) => {
    for (const field in changes) {
      if (!(copy[field] instanceof Map)) copy[field] = changes[field];
      else for (const key in changes[field]) copy[field].set(key, changes[field][key]);
    }
  };
  clear();

  socket.on("room:state", (state) => {
    if (state.part === 0) clear();
    setAll(state.fields);
    if (state.last) applied(null);
  });

  socket.on("room:patch", (patch) => {
    for (const field in patch.del ?? {}) {
      if (patch.del[field] === true) copy[field] = undefined;
      else for (const key of patch.del[field]) copy[field].delete(key);
    }
    setAll(patch.set);
    applied(patch);
  });

  return copy;
}
