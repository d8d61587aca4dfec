// What a sender hears from the server, and what it tells its own page.

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./outbox.js").Outbox} Outbox */

/** @param {Outbox} outbox @param {any} data */
export function hear(outbox, data) {
  const { type, id, message, messages, epoch } = read(data);
  if (type === "ack") outbox.drop(id);
  if (type === "error") refuse(outbox, id, message);
  if (type === "update") outbox.see([message]);
  if (type === "older") outbox.see(messages);
  if (type !== "history") return;
  outbox.isRoom = true;
  outbox.begin(epoch);
  outbox.see(messages);
  remind(outbox);
}

/**
 * A message was refused; or, if the room has it, only that it came again.
 * @param {Outbox} outbox
 * @param {string} id
 * @param {string} why
 */
function refuse(outbox, id, why) {
  if (outbox.seen.has(id)) forget(outbox, id);
  else outbox.fail(id, why);
}

/**
 * Wait for a message no longer, nor show it, unless the room has it.
 * @param {Outbox} outbox
 * @param {string} id
 */
export function forget(outbox, id) {
  outbox.drop(id);
  tell(outbox, { type: "removed", id });
}

/** @param {Outbox} outbox of a connection that has ended */
export function part(outbox) {
  if (outbox.isRoom) tell(outbox, { type: "parted" });
}

/**
 * Have the page show what waits: it may have come with a reload, or have been
 * forgotten with all else in its room while it was on its way there again.
 * @param {Outbox} outbox
 */
export function remind(outbox) {
  const messages = [...outbox.messages.values()];
  if (messages.length) tell(outbox, { type: "unsent", messages });
}

/**
 * Tell the page that has this socket, as if the server did.
 * @param {Outbox} outbox
 * @param {object} frame
 */
export function tell({ socket }, frame) {
  const data = JSON.stringify(frame);
  socket.dispatchEvent(new MessageEvent("message", { data }));
}

/** @param {any} data @returns {any} */
function read(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    return {};
  }
}
