// Simulate pages without a browser: the real modules for messages and delivery,
// with sockets, timers and storage that a test controls. Each line of JSON on
// stdin is a step; the answer is a line of JSON on stdout.
import { createInterface } from "node:readline";

const UI = new URL("../../shared/ui/", import.meta.url);
const { add, receive } = await import(new URL("messages/messages.js", UI));
const { firstSeq } = await import(new URL("messages/merge.js", UI));

globalThis.WebSocket = { CONNECTING: 0, OPEN: 1 };

// Remove the jitter, so that each run takes the same time.
Math.random = () => 0.5;

/** Timers that run only when a test advances them. */
class Clock {
  now = 0;
  last = 0;
  timers = new Map();

  start(act, after, again) {
    this.timers.set(++this.last, { act, at: this.now + after, again });
    return this.last;
  }

  advance(by) {
    const end = this.now + by;
    const due = () =>
      [...this.timers].filter(([, { at }]) => at <= end)
        .sort(([, a], [, b]) => a.at - b.at)[0];
    for (let next; (next = due()); ) {
      const [id, timer] = next;
      this.now = timer.at;
      if (timer.again) timer.at += timer.again;
      else this.timers.delete(id);
      timer.act();
    }
    this.now = end;
  }
}

class Storage {
  kept = new Map();
  getItem = (key) => this.kept.get(key) ?? null;
  setItem = (key, text) => void this.kept.set(key, text);
  removeItem = (key) => void this.kept.delete(key);
}

/** The part of a PartySocket that the sender uses. */
class Socket extends EventTarget {
  name = "chatroom";
  room = "hello-world";
  readyState = WebSocket.CONNECTING;
  sent = [];

  send(data) {
    if (this.readyState !== WebSocket.OPEN) throw Error("It is not open.");
    this.sent.push(JSON.parse(data));
  }

  open() {
    this.readyState = WebSocket.OPEN;
    this.dispatchEvent(new Event("open"));
  }

  close(code) {
    this.readyState = WebSocket.CONNECTING;
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }

  reconnect() {
    this.close(1000);
  }

  receive(frame) {
    const data = JSON.stringify(frame);
    this.dispatchEvent(new MessageEvent("message", { data }));
  }
}

let loads = 0;

class Page {
  storage = new Storage();

  /** Load the modules, and connect them as `room.js` does. */
  async load() {
    this.clock = new Clock();
    this.messages = [];
    this.requested = [];
    this.sender = await import(new URL(`delivery/sender.js?${++loads}`, UI));
    this.socket = new Socket();
    this.socket.addEventListener("open", ({ target }) => {
      this.sender.flush(target);
    });
    this.socket.addEventListener("message", ({ data }) => {
      this.messages = receive(this.messages, data);
    });
  }

  say(message) {
    this.sender.send(this.socket, message);
    this.messages = add(this.messages, message);
  }

  /** Scroll to the first message. */
  scroll() {
    const first = firstSeq(this.messages);
    if (!first || !this.sender.openRoom()) return false;
    this.requested.push(first);
    return true;
  }

  shown() {
    return this.messages.map((message) => {
      const { id, seq } = message;
      const waits = seq === undefined && this.sender.isWaiting(id);
      const status = message.status ?? (waits ? "sending" : "sent");
      return { ...message, status };
    });
  }
}

const steps = {
  load: (page) => page.load(),
  open: (page) => page.socket.open(),
  close: (page, code) => page.socket.close(code),
  receive: (page, frames) => frames.forEach((each) => page.socket.receive(each)),
  say: (page, message) => page.say(message),
  retry: (page, id) => page.sender.retry(id),
  remove: (page, id) => page.sender.remove(id),
  scroll: (page) => page.scroll(),
  requested: (page) => page.requested.splice(0),
  advance: (page, by) => page.clock.advance(by),
  shown: (page) => page.shown(),
  stored: (page) => [...page.storage.kept.values()],
};

const pages = new Map();
/** @type {Page} */
let current;

globalThis.setTimeout = (act, after) => current.clock.start(act, after);
globalThis.setInterval = (act, each) => current.clock.start(act, each, each);
globalThis.clearTimeout = (id) => current.clock.timers.delete(id);
globalThis.clearInterval = globalThis.clearTimeout;
Object.defineProperty(globalThis, "sessionStorage", {
  get: () => current.storage,
});

// Errors of listeners, which a browser would show in its console.
const thrown = [];
process.on("uncaughtException", (error) => thrown.push(error));

async function answer({ page, step, given }) {
  if (step === "leave") return pages.delete(page) && {};
  if (!pages.has(page)) pages.set(page, new Page());
  current = pages.get(page);
  const value = await steps[step](current, given);
  await new Promise(setImmediate);
  if (thrown.length) throw thrown.shift();
  const { socket } = current;
  const open = socket.readyState === WebSocket.OPEN;
  return { value, open, sent: socket.sent.splice(0) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = await answer(JSON.parse(line)).catch((error) => ({
    error: error.stack,
  }));
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
