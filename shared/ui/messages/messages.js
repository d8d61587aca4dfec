// What a page knows of a room's messages, and what each frame does to it.
import {
  change, isEarlier, isKept, lastSeq, merge, overlap, staying,
} from "./merge.js";

/**
 * @typedef {object} Chat
 * @property {string} slug
 * @property {string} name
 * @property {string} description
 */
/**
 * @typedef {object} Message
 * @property {string} id
 * @property {string} user
 * @property {string} body
 * @property {"user" | "assistant"} role
 * @property {number} [seq] in the room's log
 * @property {"thinking" | "streaming" | "interrupted" | "failed"} [status]
 * @property {string} [note] how a reply was cut
 * @property {string} [error]
 * @property {number} [after] the sequence number behind which it was not sent
 */
/** @typedef {import("../chat/moderation.js").Rules} Rules */
/**
 * `whole`: there is nothing before the first; `heard`: how many histories;
 * `until`: the last sequence number on a connection that has ended.
 * @typedef {{ epoch?: string, rules?: Rules, whole?: boolean,
 *   heard?: number, until?: number }} About
 */
/** @typedef {Message[] & About} Messages */

/**
 * The messages with one more, or with one changed.
 * @param {Messages} messages
 * @param {Message} message
 * @returns {Messages}
 */
export function add(messages, message) {
  return merge(messages, [message]);
}

/**
 * The messages after a frame has come.
 * @param {Messages} messages
 * @param {string} data
 * @returns {Messages}
 */
export function receive(messages, data) {
  const frame = JSON.parse(data);
  if (!Object.hasOwn(frames, frame?.type)) return messages;
  return frames[frame.type](messages, frame);
}

const SENDING = { status: undefined, error: undefined, after: undefined };

/** @type {Record<string, (messages: Messages, frame: any) => Messages>} */
const frames = {
  history(messages, { messages: said, epoch, presenter: rules }) {
    const same = messages.epoch === epoch;
    const joins = same && overlap(messages, said);
    const stay = staying(messages, said, same, joins);
    const uncut = joins && stay.find(isKept) === messages.find(isKept);
    const whole = !said.length || (messages.whole && uncut);
    const heard = (messages.heard ?? 0) + 1;
    return merge(stay, said, { epoch, rules, whole, heard });
  },

  older(messages, { messages: said }) {
    if (messages.whole) return messages;
    return merge(messages, said, { whole: !said.length });
  },

  presenter(messages, { type, ...rules }) {
    return merge(messages, [], { rules });
  },

  update(messages, { message }) {
    const { id, seq } = message;
    return isEarlier(messages, seq)
      ? change(messages, id)
      : add(messages, message);
  },

  ack(messages, { id, seq }) {
    const kept = { ...SENDING, seq };
    return change(messages, id, isEarlier(messages, seq) ? undefined : kept);
  },

  error(messages, { id, message: error, retry_after: later }) {
    if (later !== undefined) return messages;
    const after = lastSeq(messages);
    return change(messages, id, { status: "failed", error, after });
  },

  // The page's own sender tells these: first, that a connection has ended.
  parted(messages) {
    const until = messages.until ?? lastSeq(messages);
    return merge(messages, [], { until });
  },

  unsent(messages, { messages: mine }) {
    const ids = new Set(messages.map((each) => each.id));
    const lost = mine.filter((/** @type {Message} */ { id }) => !ids.has(id));
    return merge(messages, lost);
  },

  again(messages, { id }) {
    return change(messages, id, SENDING);
  },

  removed(messages, { id }) {
    return change(messages, id);
  },
};
