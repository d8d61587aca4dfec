// What a page knows of a room's messages, and what each frame does to it.
import { change, lastPlace, merge, overlap, staying } from "./merge.js";

/**
 * @typedef {object} Chat
 * @property {string} slug
 * @property {string} name
 * @property {string} about
 */
/**
 * @typedef {object} Message
 * @property {string} id
 * @property {string} user
 * @property {string} body
 * @property {"user" | "assistant"} role
 * @property {number} [place] in the room's log
 * @property {"thinking" | "streaming" | "interrupted" | "failed"} [status]
 * @property {string} [error]
 * @property {number} [after] the place behind which it was not sent
 */
/** @typedef {import("./rules.js").Rules} Rules */
/**
 * `whole`: there is nothing before the first; `heard`: how many histories.
 * @typedef {{ epoch?: string, rules?: Rules, whole?: boolean,
 *   heard?: number }} About
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

/**
 * The place before which there may be more in the room's log; 0: none.
 * @param {Messages} messages
 */
export function beginning(messages) {
  const first = messages.find(({ place }) => place !== undefined);
  return messages.whole ? 0 : (first?.place ?? 0);
}

const SENDING = { status: undefined, error: undefined, after: undefined };

/** @type {Record<string, (messages: Messages, frame: any) => Messages>} */
const frames = {
  history(messages, { messages: said, epoch, presenter: rules }) {
    const same = messages.epoch === epoch;
    const joins = same && overlap(messages, said);
    const whole = said.length ? joins && messages.whole : true;
    const heard = (messages.heard ?? 0) + 1;
    const stay = staying(messages, said, joins, same);
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
    return add(messages, message);
  },

  ack(messages, { id, place }) {
    return change(messages, id, { ...SENDING, place });
  },

  error(messages, { id, message: error }) {
    const after = lastPlace(messages);
    return change(messages, id, { status: "failed", error, after });
  },

  // The page's own sender tells these.
  unsent(messages, { messages: mine }) {
    return merge(messages, mine);
  },

  again(messages, { id }) {
    return change(messages, id, SENDING);
  },

  removed(messages, { id }) {
    return change(messages, id);
  },
};
