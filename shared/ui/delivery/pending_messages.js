// What waits for the server's word: sent a few at a time, and again.
/** @typedef {import("../messages/messages.js").Message} Message */
/** @typedef {import("./sender.js").Socket} Socket */
/** @typedef {{ name: string, room?: string }} Place */

/** Milliseconds without an answer, after which a connection is a dead one. */
const PATIENCE = 5000;

/** Messages that may be on their way at once. */
const MOST_FLYING = 10;

/** Frames that may go without a pause. */
const AT_ONCE = 10;

/** Milliseconds: the server takes more than that, unless it is told not to. */
const PAUSE = 200;

/** Where a tab keeps what was not acknowledged: it outlives a reload. */
const KEY = "party-chat-unsent";

/** Messages that are kept there. */
const MAX_KEPT = 200;

/** The messages of one socket, until each is acknowledged. */
export class Outbox {
  /** @param {Socket} socket */
  constructor(socket) {
    this.socket = socket;
    this.messages = new Map(recall(socket).map((each) => [each.id, each]));
    /** @type {Set<string>} */
    this.flying = new Set();
    /** @type {Set<string>} what was kept, and may be on its way again */
    this.seen = new Set();
    this.epoch = "";
    this.pace = new Pace(() => this.pump());
    this.older = 0;
    this.expecting = 0;
    this.pause = 0;
    /** Whether it is a room's, which has told its history. */
    this.isRoom = false;
    socket.addEventListener("open", () => this.pump());
  }

  /** @param {Message} message to send after all others */
  put(message) {
    this.messages.delete(message.id);
    this.messages.set(message.id, message);
    keep(this.socket, this.messages);
    this.pump();
  }

  /** @param {string[]} ids of messages that need no more */
  drop(...ids) {
    const known = ids.filter((id) => this.messages.delete(id));
    if (known.length) this.land(known);
  }

  /** @param {string} epoch of the room: it forgets all when it has another */
  begin(epoch) {
    if (epoch !== this.epoch) this.seen.clear();
    this.epoch = epoch;
  }

  /**
   * What a room shows is kept there; what flies will be answered all the same.
   * @param {Message[]} messages
   */
  see(messages) {
    const ids = messages.map(({ id }) => id);
    const mine = ids.filter((id) => this.messages.has(id));
    for (const id of mine) this.seen.add(id);
    this.drop(...mine.filter((id) => !this.flying.has(id)));
  }

  /** @param {string} id of a message that was refused @param {string} error */
  fail(id, error) {
    const message = this.messages.get(id);
    if (!message) return;
    this.messages.set(id, { ...message, status: "failed", error });
    this.land([id]);
  }

  /** The id of the message that has waited longest for its answer. */
  get oldest() {
    return this.flying.values().next().value;
  }

  /**
   * Send a message again after some time, and nothing else before it.
   * @param {string} id
   * @param {number} seconds
   */
  defer(id, seconds) {
    clearTimeout(this.pause);
    // Those who were refused together are not to come back in step.
    const delay = seconds * 1000 * (1 + Math.random() / 4);
    this.pause = setTimeout(() => {
      this.pause = 0;
      this.pump();
    }, delay);
    this.land([id]);
  }

  /**
   * Ask for the messages before a sequence number; return whether it was sent.
   * @param {number} seq
   */
  ask(seq) {
    const open = this.socket.readyState === WebSocket.OPEN;
    if (open) this.older = seq;
    this.pump();
    return open;
  }

  /** Send what may go now. */
  pump() {
    if (this.pause || this.socket.readyState !== WebSocket.OPEN) return;
    if (this.older && this.pace.left) {
      this.transmit({ type: "older", before: this.older });
      this.older = 0;
    }
    for (const message of this.messages.values()) {
      if (!this.mayFly(message)) continue;
      this.flying.add(message.id);
      this.transmit({ type: "message", message });
    }
    if (this.flying.size) {
      this.expecting ||= setTimeout(() => this.socket.reconnect(), PATIENCE);
    }
  }

  /** @param {Message} message */
  mayFly({ id, status }) {
    const space = this.pace.left && this.flying.size < MOST_FLYING;
    return space && !status && !this.flying.has(id);
  }

  /** @param {object} frame */
  transmit(frame) {
    this.socket.send(JSON.stringify(frame));
    this.pace.take();
  }

  /** @param {string[]} ids that were answered */
  land(ids) {
    for (const id of ids) this.flying.delete(id);
    clearTimeout(this.expecting);
    this.expecting = 0;
    keep(this.socket, this.messages);
    this.pump();
  }

  /** The socket is closed: what was on its way may be lost. */
  end() {
    this.pace.reset();
    this.older = 0;
    this.flying.clear();
    clearTimeout(this.expecting);
    this.expecting = 0;
  }
}

/** How fast a page sends: some frames at once, then one after each pause. */
class Pace {
  /** @param {() => void} onMore what to do when more may go */
  constructor(onMore) {
    this.onMore = onMore;
    this.left = AT_ONCE;
    this.timer = 0;
  }

  take() {
    this.left -= 1;
    this.timer ||= setInterval(() => this.refill(), PAUSE);
  }

  refill() {
    this.left += 1;
    if (this.left === AT_ONCE) this.reset();
    this.onMore();
  }

  /** Begin again, as on a new connection. */
  reset() {
    this.left = AT_ONCE;
    clearInterval(this.timer);
    this.timer = 0;
  }
}

/** @param {Place} place */
function key({ name, room }) {
  return `${KEY}:${name}/${room}`;
}

/**
 * What was not acknowledged in a room when the page was left.
 * @param {Place} place
 * @returns {Message[]}
 */
function recall(place) {
  try {
    return JSON.parse(sessionStorage.getItem(key(place)) ?? "[]");
  } catch {
    return [];
  }
}

/** @param {Place} place @param {Map<string, Message>} messages */
function keep(place, messages) {
  try {
    const text = JSON.stringify([...messages.values()].slice(-MAX_KEPT));
    if (messages.size) sessionStorage.setItem(key(place), text);
    else sessionStorage.removeItem(key(place));
  } catch {
    // Without storage, it lasts as long as the page.
  }
}
