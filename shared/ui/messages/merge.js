// Merge messages: each id once, in the order of the sequence numbers that the
// room's log gave them. A page has a range of that log, without gaps.

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Messages} Messages */
/** @typedef {import("./messages.js").Metadata} Metadata */

/** The statuses of an unfinished reply, in their order. */
const UNFINISHED = ["thinking", "streaming", "interrupted"];

/**
 * Return the messages with others added or changed.
 * @param {Messages} messages
 * @param {Message[]} changes
 * @param {Metadata} [metadata]
 * @returns {Messages}
 */
export function merge(messages, changes, metadata) {
  const byId = new Map(messages.map((each) => [each.id, each]));
  for (const each of changes) byId.set(each.id, newer(byId.get(each.id), each));
  const sorted = [...byId.values()].sort((a, b) => position(a) - position(b));
  return Object.assign(sorted, metadataOf(messages), metadata);
}

/**
 * Return the messages with one that is not stored changed, or else removed.
 * @param {Messages} messages
 * @param {string} id
 * @param {Partial<Message>} [changes]
 * @returns {Messages}
 */
export function changeUnsent(messages, id, changes) {
  const found = messages.find((each) => each.id === id);
  if (!found || isStored(found)) return messages;
  const others = messages.filter((each) => each !== found);
  const changed = changes ? [{ ...found, ...changes }] : [];
  return merge(others, changed, metadataOf(messages));
}

/**
 * Tell whether a message is in the room's log.
 * @param {Message} message
 */
export function isStored({ seq }) {
  return seq !== undefined;
}

/**
 * Tell whether a message will not change any more.
 * @param {Message} message
 */
function isFinished(message) {
  return progress(message) === UNFINISHED.length;
}

/**
 * Return the newer of two versions: frames may come late, and twice.
 * @param {Message | undefined} known
 * @param {Message} received
 */
function newer(known, received) {
  if (!known || !isStored(known)) return received;
  // Only replies grow. A person's message never changes once it is stored.
  const isReply = known.role === "assistant" && received.role === "assistant";
  if (!isReply || known.hidden) return known;
  if (received.hidden) return { ...received, seq: known.seq };
  const growth =
    progress(received) - progress(known) ||
    received.body.length - known.body.length;
  return growth > 0 ? { ...received, seq: known.seq } : known;
}

/** @param {Message} message */
function progress({ status }) {
  const index = UNFINISHED.indexOf(status ?? "");
  return index < 0 ? UNFINISHED.length : index;
}

/** @param {Message} message */
function position({ seq, after }) {
  const last = after === undefined ? Number.MAX_SAFE_INTEGER : after + 0.5;
  return seq ?? last;
}

/** @param {Messages} messages @returns {Metadata} */
function metadataOf({ epoch, restrictions, complete, historyCount, lastSeq }) {
  return { epoch, restrictions, complete, historyCount, lastSeq };
}

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
  return messages.reduce((max, { seq = -1 }) => Math.max(max, seq), -1);
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
