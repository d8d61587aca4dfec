// Sends messages until the server has acknowledged them.
import { Outbox } from "./pending_messages.js";

/** @typedef {import("../messages/messages.js").Message} Message */
/**
 * What this needs of a PartySocket.
 * @typedef {EventTarget & { readyState: number, name: string, room?: string,
 *   send: (data: string) => unknown, reconnect: () => void }} Socket
 */

/** Close codes for a frame that is not UTF-8, or is too large. */
const UNREADABLE = [1007, 1009];

/** Which messages this tab has sent: two people may have one name. */
const OWN = "party-chat-own-messages";
const MAX_OWN = 2000;

/** @type {Set<string>} */
const own = new Set(readOwn());

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
 * Ask for the messages before a sequence number; return whether it was sent.
 * @param {number} seq
 */
export function askOlder(seq) {
  const room = [...outboxes.values()].find(({ isRoom }) => isRoom);
  return room?.ask(seq) ?? false;
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

/** @param {Outbox} outbox @param {any} data */
function hear(outbox, data) {
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
function forget(outbox, id) {
  outbox.drop(id);
  tell(outbox, { type: "removed", id });
}

/**
 * A connection has ended; with some codes, for what it was sent.
 * @param {Outbox} outbox
 * @param {CloseEvent} event
 */
function part(outbox, { code, reason }) {
  if (UNREADABLE.includes(code)) refuse(outbox, { message: reason });
  outbox.end();
  if (outbox.isRoom) tell(outbox, { type: "parted" });
}

/**
 * Have the page show what waits: it may have come with a reload, or have been
 * forgotten with all else in its room while it was on its way there again.
 * @param {Outbox} outbox
 */
function remind(outbox) {
  const messages = [...outbox.messages.values()];
  if (messages.length) tell(outbox, { type: "unsent", messages });
}

/**
 * Tell the page that has this socket, as if the server did.
 * @param {Outbox} outbox
 * @param {object} frame
 */
function tell({ socket }, frame) {
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

/**
 * Text without half a character, as is left of an emoji that was cut in two:
 * it fits in no frame. Old browsers leave it to the server.
 * @param {string} text
 */
export function wellFormed(text) {
  return text.toWellFormed?.() ?? text;
}

/**
 * A message that this page is about to send.
 * @param {string} user
 * @param {string} text
 * @returns {Message}
 */
export function newMessage(user, text) {
  const body = wellFormed(text);
  const id = randomId();
  own.add(id);
  keepOwn();
  return { id, user, body, role: "user" };
}

/**
 * Whether this tab sent the message: two people may have one name.
 * @param {string} id
 */
export function isMine(id) {
  return own.has(id);
}

/** `crypto.randomUUID` is missing on plain http, as on a hall's network. */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** @returns {string[]} */
function readOwn() {
  try {
    return JSON.parse(sessionStorage.getItem(OWN) ?? "[]");
  } catch {
    return [];
  }
}

function keepOwn() {
  try {
    sessionStorage.setItem(OWN, JSON.stringify([...own].slice(-MAX_OWN)));
  } catch {
    // Without storage, a refresh forgets which messages were one's own.
  }
}
