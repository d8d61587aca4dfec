// Puts messages together: each id once, in the order of their places.

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Messages} Messages */
/** @typedef {import("./messages.js").About} About */

/** What a message goes through before it is finished. */
const STEPS = ["thinking", "streaming", "interrupted"];

/**
 * The messages with more of them, or with some changed.
 * @param {Messages} messages
 * @param {Message[]} more
 * @param {About} [news]
 * @returns {Messages}
 */
export function merge(messages, more, news) {
  const byId = new Map(messages.map((each) => [each.id, each]));
  for (const each of more) byId.set(each.id, later(byId.get(each.id), each));
  const sorted = [...byId.values()].sort((a, b) => rank(a) - rank(b));
  return Object.assign(sorted, about(messages), news);
}

/**
 * The messages with one changed that the room has not kept, or without it.
 * @param {Messages} messages
 * @param {string} id
 * @param {Partial<Message>} [news]
 * @returns {Messages}
 */
export function change(messages, id, news) {
  const found = messages.find((each) => each.id === id);
  if (!found || isKept(found)) return messages;
  const others = messages.filter((each) => each !== found);
  const changed = news ? [{ ...found, ...news }] : [];
  return merge(others, changed, about(messages));
}

/**
 * Whether nothing is missing between messages and a history.
 * @param {Messages} messages
 * @param {Message[]} said
 */
export function overlap(messages, said) {
  if (!said.length) return true;
  return messages.some((each) => each.id === said[0].id && isKept(each));
}

/**
 * The messages that stay when a history comes: in its range it decides.
 * @param {Messages} messages
 * @param {Message[]} said
 * @param {boolean} joins whether nothing is missing in between
 * @param {boolean} same whether it is of the same epoch
 * @returns {Messages}
 */
export function staying(messages, said, joins, same) {
  const first = said[0]?.place ?? Infinity;
  const last = lastPlace(said);
  const ids = new Set(said.map(({ id }) => id));
  const stay = messages.filter(({ id, place }) => {
    if (place === undefined) return true;
    return place < first ? joins : same && (place > last || ids.has(id));
  });
  return same ? stay : behind(stay, last);
}

/**
 * Messages, with those that were not sent behind a place.
 * @param {Message[]} messages
 * @param {number} after
 */
function behind(messages, after) {
  return messages.map((each) => {
    const moves = each.status === "failed" && !isKept(each);
    return moves ? { ...each, after } : each;
  });
}

/** @param {Message[]} messages */
export function lastPlace(messages) {
  const places = messages.map((each) => each.place ?? -1);
  return places.reduce((last, place) => Math.max(last, place), -1);
}

/** @param {Message} message */
function isKept({ place }) {
  return place !== undefined;
}

/**
 * Of two of one id the later one: frames may come late, and twice.
 * @param {Message | undefined} old
 * @param {Message} news
 */
function later(old, news) {
  if (!old || !isKept(old)) return news;
  const steps = step(news) - step(old) || news.body.length - old.body.length;
  return steps > 0 ? { ...news, place: old.place } : old;
}

/** @param {Message} message */
function step({ status }) {
  const at = STEPS.indexOf(status ?? "");
  return at < 0 ? STEPS.length : at;
}

/** @param {Message} message */
function rank({ place, after }) {
  const last = after === undefined ? Number.MAX_SAFE_INTEGER : after + 0.5;
  return place ?? last;
}

/** @param {Messages} messages @returns {About} */
function about({ epoch, rules, whole, heard }) {
  return { epoch, rules, whole, heard };
}
