// Where the party server is, and how a page keeps its sockets to it.
import { settled } from "./build.js";
import { KnownSocket } from "./sockets.js";

const SUPERSEDED = 4001;

/** Options of every socket: spread them into `usePartySocket({ … })`. */
export const server = {
  WebSocket: KnownSocket,
  host: document.documentElement.dataset.partyHost || location.host,
  // partysocket guesses from the host's name, which may be any.
  protocol: /** @type {"ws" | "wss"} */ (
    location.protocol === "https:" ? "wss" : "ws"
  ),
  // Before each attempt: a page of another stage has nothing to say here.
  query: async () => (await settled(), {}),
  minReconnectionDelay: 200,
  maxReconnectionDelay: 1500,
  reconnectionDelayGrowFactor: 1.5,
  /** @param {CloseEvent} event */
  shouldReconnectOnClose: ({ code }) => code !== SUPERSEDED,
};
