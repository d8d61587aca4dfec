// Send messages, and send them again until the server has acknowledged them.
import { PendingMessages } from "./pending_messages.js";

/** @typedef {import("../messages/messages.js").Message} Message */
/**
 * The part of a PartySocket that is used here.
 * @typedef {EventTarget & { readyState: number, name: string, room?: string,
 *   send: (data: string) => unknown, reconnect: () => void }} Socket
 */

/** Close codes for a frame that is not valid UTF-8, or is too large. */
const INVALID_FRAME_CODES = [1007, 1009];

/** @type {Map<Socket, PendingMessages>} */
const pendingBySocket = new Map();

/**
 * Send a message over a socket now, or as soon as it is open; and again if it
 * reconnects before the server has acknowledged the message.
 * @param {Socket} socket
 * @param {Message} message
 */
export function send(socket, message) {
  pendingOf(socket).add(message);
}

/**
 * Send the messages that were not acknowledged before a reload of the page.
 * @param {Socket} socket that is open
 */
export function flush(socket) {
  pendingOf(socket).flush();
}

/**
 * Tell whether a message of this page has not been answered yet.
 * @param {string} id
 */
export function isWaiting(id) {
  return findPending(id) !== undefined;
}

/**
 * Send a refused message again, under the same id.
 * @param {string} id
 */
export function retry(id) {
  const pending = findPending(id);
  const message = pending?.messages.get(id);
  if (!pending || !message) return;
  dispatchLocal(pending, { type: "retried", id });
  pending.add({ ...message, status: undefined, error: undefined });
}

/**
 * Give up on a refused message.
 * @param {string} id
 */
export function remove(id) {
  const pending = findPending(id);
  if (pending) discard(pending, id);
}

/** Return this page's chat room, if it is connected and has a history. */
export function openRoom() {
  const room = [...pendingBySocket.values()].find((each) => each.epoch);
  return room?.socket.readyState === WebSocket.OPEN ? room : undefined;
}

/** @param {string} id */
function findPending(id) {
  return [...pendingBySocket.values()].find((each) => each.messages.has(id));
}

/** @param {Socket} socket */
function pendingOf(socket) {
  const known = pendingBySocket.get(socket);
  if (known) return known;
  const pending = new PendingMessages(socket);
  pendingBySocket.set(socket, pending);
  socket.addEventListener("message", (event) => {
    onFrame(pending, /** @type {MessageEvent} */ (event).data);
  });
  socket.addEventListener("close", (event) => {
    onClose(pending, /** @type {CloseEvent} */ (event));
  });
  restoreUnsent(pending);
  return pending;
}

/** @param {PendingMessages} pending @param {any} data */
function onFrame(pending, data) {
  const frame = parse(data);
  const { type, id, message, messages, epoch } = frame;
  if (type === "ack") pending.remove(id);
  if (type === "error") onError(pending, frame);
  if (type === "update") pending.confirm([message]);
  if (type === "older") pending.confirm(messages);
  if (type !== "history") return;
  pending.setEpoch(epoch);
  pending.confirm(messages);
  restoreUnsent(pending);
}

/**
 * Handle a refusal. If the room has the message, only a repetition was refused.
 * Without an id, it is about the oldest message that has no answer.
 * @param {PendingMessages} pending
 * @param {{ id?: string, message: string, retry_after?: number }} error
 */
function onError(pending, { id, message, retry_after: seconds }) {
  const refused = id ?? pending.oldestInFlight;
  if (refused === undefined) return;
  if (pending.confirmed.has(refused)) discard(pending, refused);
  else if (seconds !== undefined) pending.retryLater(refused, seconds);
  else if (id) pending.markFailed(id, message);
  else dispatchLocal(pending, { type: "error", id: refused, message });
}

/**
 * Drop a message, and remove it from the page unless the room has it.
 * @param {PendingMessages} pending
 * @param {string} id
 */
function discard(pending, id) {
  pending.remove(id);
  dispatchLocal(pending, { type: "removed", id });
}

/**
 * Handle the end of a connection, which may refuse the message just sent.
 * @param {PendingMessages} pending
 * @param {CloseEvent} event
 */
function onClose(pending, { code, reason }) {
  if (INVALID_FRAME_CODES.includes(code)) onError(pending, { message: reason });
  pending.reset();
  if (pending.epoch) dispatchLocal(pending, { type: "disconnected" });
}

/**
 * Show the pending messages on the page: after a reload, or after the room was
 * cleared while they were being sent again.
 * @param {PendingMessages} pending
 */
function restoreUnsent(pending) {
  const messages = [...pending.messages.values()];
  if (messages.length) dispatchLocal(pending, { type: "unsent", messages });
}

/**
 * Dispatch a frame to the page as if the server had sent it.
 * @param {PendingMessages} pending
 * @param {object} frame
 */
export function dispatchLocal({ socket }, frame) {
  const data = JSON.stringify(frame);
  socket.dispatchEvent(new MessageEvent("message", { data }));
}

/** @param {any} data @returns {any} */
function parse(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    return {};
  }
}
