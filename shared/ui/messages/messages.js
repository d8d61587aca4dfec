// The state of a room's messages, and the reducer of each frame.
import {
  changeUnsent, isBeforeFirst, isContiguous, isStored, maxSeq, merge, retained,
} from "./merge.js";

/**
 * @typedef {object} Chat
 * @property {string} slug
 * @property {string} name
 * @property {string} description
 */
/**
 * The question that a reply answers, how it begins, and the number of others
 * that were merged into it.
 * @typedef {{ id: string, user: string, body: string, merged?: number }}
 *   InReplyTo
 */
/**
 * @typedef {object} Message
 * @property {string} id
 * @property {string} user
 * @property {string} body
 * @property {"user" | "assistant"} role
 * @property {number} [seq] in the room's log; none before it is stored
 * @property {"thinking" | "streaming" | "interrupted" | "failed"} [status]
 * @property {string} [note] why a reply was cut short
 * @property {InReplyTo} [in_reply_to]
 * @property {true} [hidden] whether the presenter has hidden this reply
 * @property {string} [error]
 * @property {number} [after] the last seq when sending failed: its position
 */
/** @typedef {import("../chat/moderation.js").Restrictions} Restrictions */
/**
 * `complete`: there is nothing before the first message; `historyCount`: the
 * histories received; `lastSeq`: the last one before the connection was lost.
 * @typedef {{ epoch?: string, restrictions?: Restrictions,
 *   complete?: boolean, historyCount?: number, lastSeq?: number }} Metadata
 */
/** @typedef {Message[] & Metadata} Messages */

/**
 * Return the messages with one added or changed.
 * @param {Messages} messages
 * @param {Message} message
 * @returns {Messages}
 */
export function add(messages, message) {
  return merge(messages, [message]);
}

/**
 * Return the messages as a frame changes them.
 * @param {Messages} messages
 * @param {string} data
 * @returns {Messages}
 */
export function receive(messages, data) {
  const frame = JSON.parse(data);
  if (!Object.hasOwn(reducers, frame?.type)) return messages;
  return reducers[frame.type](messages, frame);
}

const SENDING = { status: undefined, error: undefined, after: undefined };

/** @type {Record<string, (messages: Messages, frame: any) => Messages>} */
const reducers = {
  history(messages, { messages: history, epoch, presenter: restrictions }) {
    const sameEpoch = messages.epoch === epoch;
    const contiguous = sameEpoch && isContiguous(messages, history);
    const kept = retained(messages, history, sameEpoch, contiguous);
    const sameFirst = kept.find(isStored) === messages.find(isStored);
    const complete =
      !history.length || (messages.complete && contiguous && sameFirst);
    const historyCount = (messages.historyCount ?? 0) + 1;
    const metadata = { epoch, restrictions, complete, historyCount };
    return merge(kept, history, metadata);
  },

  older(messages, { messages: page, epoch }) {
    if (messages.complete || epoch !== messages.epoch) return messages;
    return merge(messages, page, { complete: !page.length });
  },

  presenter(messages, { type, ...restrictions }) {
    return merge(messages, [], { restrictions });
  },

  update(messages, { message }) {
    const { id, seq } = message;
    return isBeforeFirst(messages, seq)
      ? changeUnsent(messages, id)
      : add(messages, message);
  },

  ack(messages, { id, seq }) {
    const sent = { ...SENDING, seq };
    const isHidden = isBeforeFirst(messages, seq);
    return changeUnsent(messages, id, isHidden ? undefined : sent);
  },

  error(messages, { id, message: error, retry_after: delay }) {
    if (delay !== undefined) return messages;
    const after = maxSeq(messages);
    return changeUnsent(messages, id, { status: "failed", error, after });
  },

  // Frames that the page's own sender dispatches (delivery/sender.js).
  disconnected(messages) {
    const lastSeq = messages.lastSeq ?? maxSeq(messages);
    return merge(messages, [], { lastSeq });
  },

  unsent(messages, { messages: pending }) {
    const ids = new Set(messages.map((each) => each.id));
    /** @param {Message} message */
    const isMissing = ({ id }) => !ids.has(id);
    return merge(messages, pending.filter(isMissing));
  },

  retried(messages, { id }) {
    return changeUnsent(messages, id, SENDING);
  },

  removed(messages, { id }) {
    return changeUnsent(messages, id);
  },
};
