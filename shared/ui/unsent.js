// What this tab has sent and no server has acknowledged: it outlives a reload.

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {{ name: string, room?: string }} Place */

const KEY = "party-chat-unsent";
const MOST = 200;

/** @param {Place} place */
function key({ name, room }) {
  return `${KEY}:${name}/${room}`;
}

/**
 * What was not acknowledged in a room when the page was left.
 * @param {Place} place
 * @returns {Message[]}
 */
export function recall(place) {
  try {
    return JSON.parse(sessionStorage.getItem(key(place)) ?? "[]");
  } catch {
    return [];
  }
}

/** @param {Place} place @param {Map<string, Message>} messages */
export function keep(place, messages) {
  try {
    const text = JSON.stringify([...messages.values()].slice(-MOST));
    if (messages.size) sessionStorage.setItem(key(place), text);
    else sessionStorage.removeItem(key(place));
  } catch {
    // Without storage, it lasts as long as the page.
  }
}
