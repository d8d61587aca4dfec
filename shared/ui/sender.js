// Sends messages until the server has acknowledged them.

/** @typedef {import("./messages.js").Message} Message */
/**
 * What this needs of a PartySocket.
 * @typedef {EventTarget & { readyState: number, reconnect: () => void,
 *   send: (data: string) => unknown }} Socket
 */

/** Milliseconds without an answer, after which a connection is a dead one. */
const PATIENCE = 5000;

/** @type {WeakMap<Socket, Map<string, Message>>} */
const outboxes = new WeakMap();

/** @type {WeakMap<Socket, number>} */
const timers = new WeakMap();

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
  expectAnswer(socket, true);
}

/**
 * On bad Wi-Fi, a connection may look open for minutes and be none.
 * @param {Socket} socket
 * @param {boolean} expected
 */
function expectAnswer(socket, expected) {
  clearTimeout(timers.get(socket));
  if (!expected) return;
  timers.set(socket, setTimeout(() => socket.reconnect(), PATIENCE));
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
    expectAnswer(socket, outbox.size > 0);
  });
  socket.addEventListener("close", () => expectAnswer(socket, false));
}
