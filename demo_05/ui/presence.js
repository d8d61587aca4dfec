// Presence: who is in the room, and what each of them does right now.
import { decode, encode } from "@msgpack/msgpack";
import { usePartySocket } from "partysocket/react";
import { useEffect, useRef, useState } from "preact/hooks";
import { socketOptions } from "shared/sockets/socket_options.js";
import { useUser } from "shared/user/user.js";

export function usePresence(room) {
  const { name } = useUser();
  const [users, setUsers] = useState({});
  const presence = useRef({ cursor: null, message: null });
  const frame = useRef(0);
  const socket = usePartySocket({
    ...socketOptions,
    party: "presence",
    room,
    onOpen: () => send("join", { info: { name } }),
    onMessage: ({ data }) => setUsers((users) => receive(users, data)),
    onClose: () => setUsers({}),
  });
  socket.binaryType = "arraybuffer";

  function send(type, more) {
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(encode({ type, presence: presence.current, ...more }));
  }

  // Once per animation frame at most; a hidden page has no animation frames.
  function update(changes) {
    presence.current = { ...presence.current, ...changes };
    if (document.hidden) return send("update");
    frame.current ||= requestAnimationFrame(() => {
      frame.current = 0;
      send("update");
    });
  }

  useEffect(() => send("join", { info: { name } }), [name]);

  const others = Object.entries(users).filter(([id]) => id !== socket.id);
  return { others, update };
}

function receive(users, data) {
  if (typeof data === "string") return users;
  /** @type {any} */
  const frame = decode(data);
  return reducers[frame.type]?.(users, frame) ?? users;
}

const reducers = {
  sync: (_, { users }) => users,

  changes(users, { add, presence, remove }) {
    const changed = { ...users };
    for (const id of remove) delete changed[id];
    Object.assign(changed, add);
    for (const id in presence) {
      if (changed[id]) changed[id] = { ...changed[id], presence: presence[id] };
    }
    return changed;
  },
};
