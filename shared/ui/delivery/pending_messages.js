// The queue of one socket's messages: a few are in flight at a time, and each
// stays until it is acknowledged.
import { load, save } from "../user/tab_storage.js";

/** @typedef {import("../messages/messages.js").Message} Message */
/** @typedef {import("./sender.js").Socket} Socket */

/** Milliseconds without an answer, after which the page reconnects. */
const ACK_TIMEOUT = 5000;
const MAX_IN_FLIGHT = 10;

/** Messages that the tab keeps over a reload. */
const MAX_STORED = 200;

/** Frames that may be sent at once. */
const MAX_TOKENS = 10;

/** Milliseconds for one more token: the server's default allows more. */
const REFILL_INTERVAL = 200;

export class PendingMessages {
  /** @param {Socket} socket */
  constructor(socket) {
    this.socket = socket;
    this.storageKey = `party-chat-unsent:${socket.name}/${socket.room}`;
    /** @type {Message[]} */
    const unsent = JSON.parse(load(this.storageKey) || "[]");
    this.messages = new Map(unsent.map((each) => [each.id, each]));
    /** @type {Set<string>} ids that were sent on this connection */
    this.inFlight = new Set();
    /** @type {Set<string>} ids that the room has, and may be in flight again */
    this.confirmed = new Set();
    /** The log's epoch, once a history has come: this is a chat room. */
    this.epoch = "";
    this.rateLimiter = new RateLimiter(() => this.flush());
    this.ackTimer = 0;
    this.retryTimer = 0;
    socket.addEventListener("open", () => this.flush());
  }

  /** @param {Message} message to send after all others */
  add(message) {
    this.messages.delete(message.id);
    this.messages.set(message.id, message);
    this.save();
    this.flush();
  }

  save() {
    const last = [...this.messages.values()].slice(-MAX_STORED);
    save(this.storageKey, last.length ? JSON.stringify(last) : "");
  }

  /** @param {string[]} ids of messages that are acknowledged or given up */
  remove(...ids) {
    const known = ids.filter((id) => this.messages.delete(id));
    if (known.length) this.resolve(known);
  }

  /** @param {string} epoch of the room: a new one has none of the messages */
  setEpoch(epoch) {
    if (epoch !== this.epoch) this.confirmed.clear();
    this.epoch = epoch;
  }

  /**
   * Note which messages the room has: those in flight wait for their answer.
   * @param {Message[]} messages
   */
  confirm(messages) {
    const ids = messages.map(({ id }) => id);
    const pending = ids.filter((id) => this.messages.has(id));
    for (const id of pending) this.confirmed.add(id);
    this.remove(...pending.filter((id) => !this.inFlight.has(id)));
  }

  /** @param {string} id of a refused message @param {string} error */
  markFailed(id, error) {
    const message = this.messages.get(id);
    if (!message) return;
    this.messages.set(id, { ...message, status: "failed", error });
    this.resolve([id]);
  }

  get oldestInFlight() {
    return this.inFlight.values().next().value;
  }

  /**
   * Send a message again after a delay, and nothing before that.
   * @param {string} id
   * @param {number} seconds
   */
  retryLater(id, seconds) {
    clearTimeout(this.retryTimer);
    // Jitter: pages that were refused together do not retry together.
    const delay = seconds * 1000 * (1 + Math.random() / 4);
    this.retryTimer = setTimeout(() => {
      this.retryTimer = 0;
      this.flush();
    }, delay);
    this.resolve([id]);
  }

  /** Send all that may be sent now. */
  flush() {
    if (this.retryTimer || this.socket.readyState !== WebSocket.OPEN) return;
    for (const message of this.messages.values()) {
      if (!this.canSend(message)) continue;
      this.inFlight.add(message.id);
      this.transmit({ type: "message", message });
    }
    if (this.inFlight.size) {
      this.ackTimer ||= setTimeout(() => this.socket.reconnect(), ACK_TIMEOUT);
    }
  }

  /** @param {Message} message */
  canSend({ id, status }) {
    if (!this.rateLimiter.tokens || this.inFlight.size >= MAX_IN_FLIGHT) return;
    return !status && !this.inFlight.has(id);
  }

  /** @param {object} frame */
  transmit(frame) {
    this.socket.send(JSON.stringify(frame));
    this.rateLimiter.consume();
  }

  /** @param {string[]} ids that were answered */
  resolve(ids) {
    for (const id of ids) this.inFlight.delete(id);
    this.stopAckTimer();
    this.save();
    this.flush();
  }

  /** Forget what is in flight: the connection is closed. */
  reset() {
    this.rateLimiter.reset();
    this.inFlight.clear();
    this.stopAckTimer();
  }

  stopAckTimer() {
    clearTimeout(this.ackTimer);
    this.ackTimer = 0;
  }
}

/** A token bucket that keeps a page below the server's rate limit. */
class RateLimiter {
  /** @param {() => void} onRefill called when there is a token again */
  constructor(onRefill) {
    this.onRefill = onRefill;
    this.tokens = MAX_TOKENS;
    this.timer = 0;
  }

  consume() {
    this.tokens -= 1;
    this.timer ||= setInterval(() => this.refill(), REFILL_INTERVAL);
  }

  refill() {
    this.tokens += 1;
    if (this.tokens === MAX_TOKENS) this.reset();
    this.onRefill();
  }

  /** Fill the bucket, as the server does for a new connection. */
  reset() {
    this.tokens = MAX_TOKENS;
    clearInterval(this.timer);
    this.timer = 0;
  }
}
