// Sends messages until the server has acknowledged them.
import { forget, hear, part, remind, tell } from "./hearing.js";
import { Outbox } from "./outbox.js";

/** @typedef {import("./messages.js").Message} Message */
/**
 * What this needs of a PartySocket.
 * @typedef {EventTarget & { readyState: number, name: string, room?: string,
 *   send: (data: string) => unknown, reconnect: () => void }} Socket
 */

/** @type {Map<Socket, Outbox>} */
const outboxes = new Map();

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
  tell(outbox, { type: "again", id });
  outbox.put({ ...message, status: undefined, error: undefined });
}

/**
 * Give up on a message that was refused.
 * @param {string} id
 */
export function remove(id) {
  const outbox = holder(id);
  if (outbox) forget(outbox, id);
}

/**
 * Ask the room for messages before a place: returns whether it was asked.
 * @param {number} place
 */
export function askOlder(place) {
  const room = [...outboxes.values()].find(({ isRoom }) => isRoom);
  return room?.ask(place) ?? false;
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
  socket.addEventListener("close", (event) => {
    part(outbox, /** @type {CloseEvent} */ (event));
  });
  remind(outbox);
  return outbox;
}
