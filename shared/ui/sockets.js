// The sockets that this page has now, for whoever wants to look at them.

/** @typedef {(socket: WebSocket) => void} Hear */

/** @type {Set<WebSocket>} */
const sockets = new Set();

/** @type {Set<Hear>} */
const ears = new Set();

/** A socket as any other, which is known here while it lives. */
export class KnownSocket extends WebSocket {
  /** @param {string} url @param {string | string[]} [protocols] */
  constructor(url, protocols) {
    super(url, protocols);
    forgetTheClosed();
    sockets.add(this);
    for (const hear of ears) hear(this);
  }
}

function forgetTheClosed() {
  for (const socket of sockets) {
    if (socket.readyState === WebSocket.CLOSED) sockets.delete(socket);
  }
}

/**
 * Hear of each socket that there is, and of each that comes, until stopped.
 * @param {Hear} hear
 */
export function eachSocket(hear) {
  for (const socket of sockets) {
    if (socket.readyState !== WebSocket.CLOSED) hear(socket);
  }
  ears.add(hear);
  return () => void ears.delete(hear);
}

/** Whether this page has ever had one. */
export function anySockets() {
  return sockets.size > 0;
}
