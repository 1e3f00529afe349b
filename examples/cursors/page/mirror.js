// mirror keeps a copy of a room's synced fields, all of them maps, and tells
// what happens to it: reset() before a whole new state, set(field, key, value),
// del(field, key), and settled() after each message. It implements section 4
// of docs/protocol.md.
export function mirror(socket, fields, { reset, set, del, settled }) {
  const copy = Object.fromEntries(fields.map((f) => [f, new Map()]));

  const setAll = (changes = {}) => {
    for (const field in changes) {
      for (const [key, value] of Object.entries(changes[field])) {
        copy[field]?.set(key, value);
        set(field, key, value);
      }
    }
  };

  socket.on("room:state", (state) => {
    if (state.part === 0) {
      for (const field of fields) copy[field].clear();
      reset();
    }
    setAll(state.fields);
    settled();
  });

  socket.on("room:patch", (patch) => {
    for (const field in patch.del ?? {}) {
      for (const key of patch.del[field]) {
        copy[field]?.delete(key);
        del(field, key);
      }
    }
    setAll(patch.set);
    settled();
  });

  return copy;
}
