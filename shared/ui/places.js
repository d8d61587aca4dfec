// Where messages stand in a room's log, and what of it a page knows.
import { isFinished, isKept } from "./merge.js";

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Messages} Messages */

/**
 * The place before which there may be more in the room's log; 0: none.
 * @param {Messages} messages
 */
export function beginning(messages) {
  return messages.whole ? 0 : (messages.find(isKept)?.place ?? 0);
}

/**
 * Whether a place is before the first that is shown: with what is in between,
 * it comes when somebody scrolls there.
 * @param {Messages} messages
 * @param {number | undefined} place
 */
export function isEarlier(messages, place) {
  return place !== undefined && place < beginning(messages);
}

/** @param {Message[]} messages */
export function lastPlace(messages) {
  const places = messages.map((each) => each.place ?? -1);
  return places.reduce((last, place) => Math.max(last, place), -1);
}

/**
 * Whether no message is missing between what a page has and a history. What
 * came on a new connection before that may come after a gap.
 * @param {Messages} messages
 * @param {Message[]} said
 */
export function overlap(messages, said) {
  const until = messages.until ?? lastPlace(messages);
  return !said.length || until >= Number(said[0].place);
}

/**
 * The messages that stay when a history comes: in its range it decides, and
 * what was unfinished before that may be finished by now.
 * @param {Messages} messages
 * @param {Message[]} said
 * @param {boolean} same whether it is of the same epoch
 * @param {boolean} joins whether nothing is missing in between
 * @returns {Messages}
 */
export function staying(messages, said, same, joins) {
  const first = said[0]?.place ?? Infinity;
  const last = lastPlace(said);
  const ids = new Set(said.map(({ id }) => id));
  const before = messages.filter(({ place = first }) => place < first);
  const stale = lastPlace(before.filter((each) => !isFinished(each)));
  const stay = messages.filter(({ id, place }) => {
    if (place === undefined) return true;
    if (place < first) return joins && place > stale;
    return same && (place > last || ids.has(id));
  });
  return same ? stay : stay.map((each) => behind(each, last));
}

/**
 * A message; if it was not sent, behind a place.
 * @param {Message} message
 * @param {number} after
 */
function behind(message, after) {
  return message.status === "failed" ? { ...message, after } : message;
}
