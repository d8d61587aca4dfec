// Create messages, and remember which ones this tab has sent: two people may
// have one name.
import { load, save } from "../user/tab_storage.js";

/** @typedef {import("./messages.js").Message} Message */

const STORAGE_KEY = "party-chat-own-messages";
const MAX_STORED = 2000;

/** @type {Set<string>} */
const ownIds = new Set(JSON.parse(load(STORAGE_KEY) || "[]"));

/**
 * Create a message that this page is about to send.
 * @param {string} user
 * @param {string} text
 * @returns {Message}
 */
export function newMessage(user, text) {
  const id = randomId();
  ownIds.add(id);
  save(STORAGE_KEY, JSON.stringify([...ownIds].slice(-MAX_STORED)));
  // Lone surrogates, as of an emoji that was cut in two, have no UTF-8.
  return { id, user, body: text.toWellFormed(), role: "user" };
}

/**
 * Tell whether this tab has sent a message.
 * @param {string} id
 */
export function isOwn(id) {
  return ownIds.has(id);
}

/** `crypto.randomUUID` is missing on plain http, as on a LAN's address. */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
