// Which messages this tab has sent: two people may have one name.

/** @typedef {import("./messages.js").Message} Message */

const OWN = "party-chat-own-messages";
const MOST = 2000;

/** @type {Set<string>} */
const own = new Set(readOwn());

/**
 * A message that this page is about to send. Half a character, as what is
 * left of an emoji that was cut in two, fits in no frame.
 * @param {string} user
 * @param {string} text
 * @returns {Message}
 */
export function newMessage(user, text) {
  const body = text.toWellFormed?.() ?? text;
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
