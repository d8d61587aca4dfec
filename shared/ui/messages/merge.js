// Merge messages: each id once, in the order of the sequence numbers that the
// room's log gave them.

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
export function isFinished(message) {
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
  if (!isReply) return known;
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
