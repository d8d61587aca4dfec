// What a sender hears from the server, and what it tells its own page.

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./outbox.js").Outbox} Outbox */

/** Close codes for a frame that is not UTF-8, or is too large. */
const UNREADABLE = [1007, 1009];

/** @param {Outbox} outbox @param {any} data */
export function hear(outbox, data) {
  const frame = read(data);
  const { type, id, message, messages, epoch } = frame;
  if (type === "ack") outbox.drop(id);
  if (type === "error") refuse(outbox, frame);
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
 * Without an id, the refusal is of the oldest one that has no answer.
 * @param {Outbox} outbox
 * @param {{ id?: string, message: string, retry_after?: number }} refusal
 */
function refuse(outbox, { id, message, retry_after: seconds }) {
  const refused = id ?? outbox.oldest;
  if (refused === undefined) return;
  if (outbox.seen.has(refused)) forget(outbox, refused);
  else if (seconds !== undefined) outbox.defer(refused, seconds);
  else if (id) outbox.fail(id, message);
  else tell(outbox, { type: "error", id: refused, message });
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

/**
 * A connection has ended; with some codes, for what it was sent.
 * @param {Outbox} outbox
 * @param {CloseEvent} event
 */
export function part(outbox, { code, reason }) {
  if (UNREADABLE.includes(code)) refuse(outbox, { message: reason });
  outbox.end();
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
