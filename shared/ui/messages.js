// What a page knows of a room's messages, and what each frame does to it.

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
 * @property {number} [place]
 * @property {"thinking" | "streaming" | "interrupted" | "failed"} [status]
 * @property {string} [error]
 */
/** @typedef {import("./rules.js").Rules} Rules */
/** @typedef {{ epoch?: string, rules?: Rules }} About */
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
  const act = frames[/** @type {keyof typeof frames} */ (frame.type)];
  return act ? act(messages, frame) : messages;
}

const frames = {
  /** @param {Messages} messages @param {any} frame */
  history(messages, { messages: said, epoch, presenter: rules }) {
    const same = messages.epoch === epoch;
    const kept = messages.filter((each) => same || each.place === undefined);
    return merge(kept, said, { epoch, rules });
  },

  /** @param {Messages} messages @param {any} frame */
  presenter(messages, { type, ...rules }) {
    return merge(messages, [], { epoch: messages.epoch, rules });
  },

  /** @param {Messages} messages @param {any} frame */
  update(messages, { message }) {
    return add(messages, message);
  },

  /** @param {Messages} messages @param {any} frame */
  ack(messages, { id, place }) {
    return change(messages, id, { place });
  },

  /** @param {Messages} messages @param {any} frame */
  error(messages, { id, message }) {
    // It has no place in the room's log, and stays where it was written.
    const places = messages.map((each) => each.place ?? 0);
    const place = Math.max(0, ...places) + 0.5;
    return change(messages, id, { status: "failed", error: message, place });
  },
};

/**
 * Put messages in, each id once, in the order of their places in the room's
 * log; what has no place yet comes last.
 * @param {Messages} messages
 * @param {Message[]} more
 * @param {About} [about]
 * @returns {Messages}
 */
function merge(messages, more, { epoch, rules } = messages) {
  const byId = new Map(messages.map((each) => [each.id, each]));
  for (const message of more) byId.set(message.id, message);
  const sorted = [...byId.values()].sort((a, b) => rank(a) - rank(b));
  return Object.assign(sorted, { epoch, rules });
}

/** @param {Message} message */
function rank({ place }) {
  return place ?? Number.MAX_SAFE_INTEGER;
}

/**
 * @param {Messages} messages
 * @param {string} id
 * @param {Partial<Message>} news
 * @returns {Messages}
 */
function change(messages, id, news) {
  const changed = messages.filter((each) => each.id === id);
  const more = changed.map((each) => ({ ...each, ...news }));
  return merge(messages, more);
}
