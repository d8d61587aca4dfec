// Sends messages until the server has acknowledged them.
import { Outbox } from "./outbox.js";

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./outbox.js").Socket} Socket */

/** @type {Map<Socket, Outbox>} */
const outboxes = new Map();

/** @type {Outbox | undefined} */
let room;

/**
 * Send a message over a socket now, or as soon as it is open; and again when
 * it opens again before the server has said that the message is kept.
 * @param {Socket} socket
 * @param {Message} message
 */
export function send(socket, message) {
  outboxOf(socket).put(message);
}

/**
 * A socket is open: what was not acknowledged before a reload goes, too.
 * @param {Socket} socket
 */
export function opened(socket) {
  outboxOf(socket).pump();
}

/**
 * Ask for messages before a place: returns whether anybody was asked.
 * @param {number} place
 */
export function askOlder(place) {
  return room?.ask(place) ?? false;
}

/**
 * Whether the server has not answered yet to a message of this page.
 * @param {string} id
 */
export function isWaiting(id) {
  return holder(id) !== undefined;
}

/**
 * Send a message that was refused again, under the same id.
 * @param {string} id
 */
export function retry(id) {
  const outbox = holder(id);
  const message = outbox?.messages.get(id);
  if (!outbox || !message) return;
  tell(outbox.socket, { type: "again", id });
  outbox.put({ ...message, status: undefined, error: undefined });
}

/**
 * Give up on a message that was refused.
 * @param {string} id
 */
export function remove(id) {
  const outbox = holder(id);
  if (!outbox) return;
  outbox.drop(id);
  tell(outbox.socket, { type: "removed", id });
}

/** @param {string} id */
function holder(id) {
  return [...outboxes.values()].find(({ messages }) => messages.has(id));
}

/** @param {Socket} socket */
function outboxOf(socket) {
  const known = outboxes.get(socket);
  if (known) return known;
  const outbox = new Outbox(socket);
  outboxes.set(socket, outbox);
  socket.addEventListener("message", (event) => {
    hear(outbox, /** @type {MessageEvent} */ (event).data);
  });
  const messages = [...outbox.messages.values()];
  if (messages.length) tell(socket, { type: "unsent", messages });
  return outbox;
}

/**
 * Tell the page that has this socket, as if the server did.
 * @param {Socket} socket
 * @param {object} frame
 */
function tell(socket, frame) {
  const data = JSON.stringify(frame);
  socket.dispatchEvent(new MessageEvent("message", { data }));
}

/** @param {Outbox} outbox @param {any} data */
function hear(outbox, data) {
  const { type, id, message, messages } = read(data);
  if (type === "ack") outbox.drop(id);
  if (type === "error") outbox.fail(id, message);
  if (type === "update") outbox.drop(message.id);
  if (type !== "history") return;
  room = outbox;
  outbox.drop(...messages.map((/** @type {Message} */ { id }) => id));
}

/** @param {any} data @returns {any} */
function read(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    return {};
  }
}
