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
/** @typedef {Message[] & { epoch?: string }} Messages */

const OWN = "party-chat-own-messages";

/** @type {Set<string>} */
const own = new Set(readOwn());

/**
 * A message that this page is about to send.
 * @param {string} user
 * @param {string} body
 * @returns {Message}
 */
export function newMessage(user, body) {
  const id = randomId();
  own.add(id);
  keepOwn();
  return { id, user, body, role: "user" };
}

/**
 * Whether this tab sent the message: two people may have one name.
 * @param {string} id
 */
export function isMine(id) {
  return own.has(id);
}

/**
 * The messages with one more, or with one changed.
 * @param {Messages} messages
 * @param {Message} message
 * @returns {Messages}
 */
export function add(messages, message) {
  return merge(messages, [message], messages.epoch);
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
  history(messages, { messages: said, epoch }) {
    const same = messages.epoch === epoch;
    const kept = messages.filter((each) => same || each.place === undefined);
    return merge(kept, said, epoch);
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
    return change(messages, id, { status: "failed", error: message });
  },
};

/**
 * Put messages in, each id once, in the order of their places in the room's
 * log; what has no place yet comes last.
 * @param {Messages} messages
 * @param {Message[]} more
 * @param {string | undefined} epoch
 * @returns {Messages}
 */
function merge(messages, more, epoch) {
  const byId = new Map(messages.map((each) => [each.id, each]));
  for (const message of more) byId.set(message.id, message);
  const sorted = [...byId.values()].sort((a, b) => rank(a) - rank(b));
  return Object.assign(sorted, { epoch });
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
  return merge(messages, more, messages.epoch);
}

/** `crypto.randomUUID` is missing on plain http, as on a hall's network. */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** @returns {string[]} */
function readOwn() {
  try {
    return JSON.parse(sessionStorage.getItem(OWN) ?? "[]");
  } catch {
    return [];
  }
}

function keepOwn() {
  try {
    sessionStorage.setItem(OWN, JSON.stringify([...own]));
  } catch {
    // Without storage, a refresh forgets which messages were one's own.
  }
}
