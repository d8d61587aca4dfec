// Which messages this tab has sent: two people may have one name.

/** @typedef {import("./messages.js").Message} Message */

const OWN = "party-chat-own-messages";
const MOST = 2000;

/** @type {Set<string>} */
const own = new Set(readOwn());

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
    sessionStorage.setItem(OWN, JSON.stringify([...own].slice(-MOST)));
  } catch {
    // Without storage, a refresh forgets which messages were one's own.
  }
}
