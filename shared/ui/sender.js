// Sends messages until the server has acknowledged them.

/** @typedef {import("./messages.js").Message} Message */
/**
 * What a WebSocket and a PartySocket have in common.
 * @typedef {EventTarget & { readyState: number,
 *   send: (data: string) => unknown }} Socket
 */

/** @type {WeakMap<Socket, Map<string, Message>>} */
const outboxes = new WeakMap();

/** @type {Set<string>} */
const waiting = new Set();

/**
 * Send a message over a socket now, or as soon as it is open; and again when
 * it opens again before the server has said that the message is kept.
 * @param {Socket} socket
 * @param {Message} message
 */
export function send(socket, message) {
  outboxOf(socket).set(message.id, message);
  waiting.add(message.id);
  if (socket.readyState === WebSocket.OPEN) transmit(socket, message);
}

/**
 * Whether the server has not answered yet to a message of this page.
 * @param {string} id
 */
export function isWaiting(id) {
  return waiting.has(id);
}

/** @param {Socket} socket @param {Message} message */
function transmit(socket, message) {
  socket.send(JSON.stringify({ type: "message", message }));
}

/** @param {Socket} socket */
function outboxOf(socket) {
  const outbox = outboxes.get(socket) ?? new Map();
  if (!outboxes.has(socket)) {
    outboxes.set(socket, outbox);
    watch(socket, outbox);
  }
  return outbox;
}

/** @param {Socket} socket @param {Map<string, Message>} outbox */
function watch(socket, outbox) {
  socket.addEventListener("open", () => {
    for (const message of outbox.values()) transmit(socket, message);
  });
  socket.addEventListener("message", (event) => {
    const { data } = /** @type {MessageEvent} */ (event);
    const { type, id } = JSON.parse(data);
    if (type !== "ack" && type !== "error") return;
    outbox.delete(id);
    waiting.delete(id);
  });
}
