// Keep unacknowledged messages over a reload of the tab.
import { load, save } from "../user/tab_storage.js";

/** @typedef {import("../messages/messages.js").Message} Message */
/** @typedef {{ name: string, room?: string }} Room a party's name, and an id */

const MAX_STORED = 200;

/** @param {Room} room */
function keyOf({ name, room }) {
  return `party-chat-unsent:${name}/${room}`;
}

/**
 * Return the messages that were unacknowledged when the page was left.
 * @param {Room} room
 * @returns {Message[]}
 */
export function loadUnsent(room) {
  return JSON.parse(load(keyOf(room)) || "[]");
}

/** @param {Room} room @param {Map<string, Message>} messages */
export function saveUnsent(room, messages) {
  const last = [...messages.values()].slice(-MAX_STORED);
  save(keyOf(room), last.length ? JSON.stringify(last) : "");
}
