// Where the party server is, and how a page keeps its sockets to it.
import { opened } from "../delivery/sender.js";
import { settled } from "../pages/live_reload.js";
import { eachSocket, KnownSocket, rested } from "./tracked_socket.js";

/** @typedef {import("../delivery/sender.js").Socket} Socket */

const SUPERSEDED = 4001;

/** Milliseconds and attempts without a socket, after which a page says so. */
const PATIENCE = 4000;
const MIN_ATTEMPTS = 3;

/** Of this page's own host and scheme, unless PARTY_HOST says another. */
const parties = new URL(
  document.documentElement.dataset.parties ?? "/parties",
  location.href,
);

/** Names this page in its attempts to connect: a copy of it has its `_pk`. */
const page = Math.random();
let attempts = 0;

/** When this page tried to connect since a socket was open. @type {number[]} */
const times = [];

eachSocket((socket) =>
  socket.addEventListener("open", () => (times.length = 0)),
);

/** Begin an attempt: the server has just answered a request. */
function begin() {
  const now = performance.now();
  times.push(now);
  if (times.length <= MIN_ATTEMPTS || now - times[0] < PATIENCE) return;
  import("./blocked.js").then(({ showBlocked }) => showBlocked(), () => {});
}

/** Options of every socket: spread them into `usePartySocket({ … })`. */
export const server = {
  WebSocket: KnownSocket,
  host: parties.host,
  prefix: parties.pathname.slice(1),
  // partysocket guesses from the host's name, which may be any.
  protocol: /** @type {"ws" | "wss"} */ (
    parties.protocol.replace("http", "ws").slice(0, -1)
  ),
  // Before each attempt: a page of another stage has nothing to say here.
  query: async () => {
    await rested();
    await settled();
    begin();
    // The server refuses one that comes after a later one of the same page.
    return { attempt: `${page}-${++attempts}` };
  },
  // A handshake takes two round trips, which are slow on a crowded network.
  connectionTimeout: 10_000,
  // While there is no server, `settled` waits for it: these are for one that
  // takes no more, and not from all pages in step.
  minReconnectionDelay: 200 + 50 * Math.random(),
  maxReconnectionDelay: 10_000,
  reconnectionDelayGrowFactor: 1.5,
  /** @param {Event} event */
  onOpen: ({ target }) => opened(/** @type {Socket} */ (target)),
  /** @param {CloseEvent} event */
  shouldReconnectOnClose: ({ code }) => code !== SUPERSEDED,
};
