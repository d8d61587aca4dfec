// Merge messages: each id once, in the order of the sequence numbers that the
// room's log gave them.

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Messages} Messages */
/** @typedef {import("./messages.js").About} About */

/** What a message goes through before it is finished. */
const STEPS = ["thinking", "streaming", "interrupted"];
const FINISHED = STEPS.length;

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
 * Whether a message is in the room's log.
 * @param {Message} message
 */
export function isKept({ seq }) {
  return seq !== undefined;
}

/**
 * Whether no more will come of a message.
 * @param {Message} message
 */
export function isFinished(message) {
  return step(message) === FINISHED;
}

/**
 * Of two of one id the later one: frames may come late, and twice.
 * @param {Message | undefined} old
 * @param {Message} news
 */
function later(old, news) {
  if (!old || !isKept(old)) return news;
  // Replies grow; what a person said never changes once it is stored.
  if (old.role !== "assistant" || news.role !== "assistant") return old;
  const steps = step(news) - step(old) || news.body.length - old.body.length;
  return steps > 0 ? { ...news, seq: old.seq } : old;
}

/** @param {Message} message */
function step({ status }) {
  const at = STEPS.indexOf(status ?? "");
  return at < 0 ? FINISHED : at;
}

/** @param {Message} message */
function rank({ seq, after }) {
  const last = after === undefined ? Number.MAX_SAFE_INTEGER : after + 0.5;
  return seq ?? last;
}

/** @param {Messages} messages @returns {About} */
function about({ epoch, rules, whole, heard, until }) {
  return { epoch, rules, whole, heard, until };
}

/**
 * The seq before which there may be more in the room's log; 0: none.
 * @param {Messages} messages
 */
export function beginning(messages) {
  return messages.whole ? 0 : (messages.find(isKept)?.seq ?? 0);
}

/**
 * Whether a sequence number is before the first one shown. Such a message comes
 * with its page when somebody scrolls there.
 * @param {Messages} messages
 * @param {number | undefined} seq
 */
export function isEarlier(messages, seq) {
  return seq !== undefined && seq < beginning(messages);
}

/** @param {Message[]} messages */
export function lastSeq(messages) {
  const seqs = messages.map((each) => each.seq ?? -1);
  return seqs.reduce((last, seq) => Math.max(last, seq), -1);
}

/**
 * Whether no message is missing between what a page has and a history. What
 * came on a new connection before that may come after a gap.
 * @param {Messages} messages
 * @param {Message[]} said
 */
export function overlap(messages, said) {
  const until = messages.until ?? lastSeq(messages);
  return !said.length || until >= Number(said[0].seq);
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
  const first = said[0]?.seq ?? Infinity;
  const last = lastSeq(said);
  const ids = new Set(said.map(({ id }) => id));
  const before = messages.filter(({ seq = first }) => seq < first);
  const stale = lastSeq(before.filter((each) => !isFinished(each)));
  const stay = messages.filter(({ id, seq }) => {
    if (seq === undefined) return true;
    if (seq < first) return joins && seq > stale;
    return same && (seq > last || ids.has(id));
  });
  return same ? stay : stay.map((each) => behind(each, last));
}

/**
 * A message; if it was not sent, behind a sequence number.
 * @param {Message} message
 * @param {number} after
 */
function behind(message, after) {
  return message.status === "failed" ? { ...message, after } : message;
}
