// The range of the room's log that a page has, and how a history changes it.
import { isFinished, isStored } from "./merge.js";

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Messages} Messages */

/**
 * Return the first seq, before which there may be more; 0 if there is nothing.
 * @param {Messages} messages
 */
export function firstSeq(messages) {
  return messages.complete ? 0 : (messages.find(isStored)?.seq ?? 0);
}

/**
 * Tell whether a sequence number is before the first one shown. Such a message
 * comes with its page when somebody scrolls there.
 * @param {Messages} messages
 * @param {number | undefined} seq
 */
export function isBeforeFirst(messages, seq) {
  return seq !== undefined && seq < firstSeq(messages);
}

/** @param {Message[]} messages */
export function maxSeq(messages) {
  const seqs = messages.map((each) => each.seq ?? -1);
  return seqs.reduce((max, seq) => Math.max(max, seq), -1);
}

/**
 * Tell whether no message is missing between the page's and a history's. An
 * update on a new connection, before its history, may come after a gap.
 * @param {Messages} messages
 * @param {Message[]} history
 */
export function isContiguous(messages, history) {
  const last = messages.lastSeq ?? maxSeq(messages);
  return !history.length || last >= Number(history[0].seq);
}

/**
 * Return the messages to keep beside a history. In its range, it decides; and
 * a reply that was unfinished before its range may be finished by now.
 * @param {Messages} messages
 * @param {Message[]} history
 * @param {boolean} sameEpoch
 * @param {boolean} contiguous
 * @returns {Messages}
 */
export function retained(messages, history, sameEpoch, contiguous) {
  const first = history[0]?.seq ?? Infinity;
  const last = maxSeq(history);
  const ids = new Set(history.map(({ id }) => id));
  const before = messages.filter(({ seq = first }) => seq < first);
  const stale = maxSeq(before.filter((each) => !isFinished(each)));
  const kept = messages.filter(({ id, seq }) => {
    if (seq === undefined) return true;
    if (seq < first) return contiguous && seq > stale;
    return sameEpoch && (seq > last || ids.has(id));
  });
  return sameEpoch ? kept : kept.map((each) => moveAfter(each, last));
}

/**
 * Move a message that was not sent behind a sequence number.
 * @param {Message} message
 * @param {number} after
 */
function moveAfter(message, after) {
  return message.status === "failed" ? { ...message, after } : message;
}
