// Listens to sockets, without a change of what they do.
import { eachSocket } from "../sockets/tracked_socket.js";
import { binaryLine, sizeOf, textLine } from "./frame_format.js";

/**
 * A frame; or a socket's opening or end, which goes neither way.
 * @typedef {{ at: number, party: string, line: string,
 *   way?: "in" | "out", kind?: "text" | "binary", size?: number }} Row
 */
/** @typedef {(row: Row, decoded?: Promise<string>) => void} Note */

/**
 * Note what each socket of the page carries, until stopped.
 * @param {Note} note
 */
export function tapSockets(note) {
  /** @type {Map<WebSocket, () => void>} */
  const taps = new Map();
  const stop = eachSocket((socket) => {
    taps.set(socket, tap(socket, note, () => taps.delete(socket)));
  });
  return () => {
    stop();
    for (const untap of taps.values()) untap();
  };
}

/** @param {WebSocket} socket @param {Note} note @param {() => void} gone */
function tap(socket, note, gone) {
  const party = partyOf(socket);
  /** @param {string} line */
  const tell = (line) => note({ at: performance.now(), party, line });
  /** @param {"in" | "out"} way @param {any} data */
  function carry(way, data) {
    const row = { at: performance.now(), party, way, size: sizeOf(data) };
    if (typeof data === "string") {
      note({ ...row, kind: "text", line: textLine(data) });
    } else note({ ...row, kind: "binary", line: "" }, binaryLine(data));
  }
  const ends = new AbortController();
  // Before the page's own listeners, which may answer at once.
  const first = { capture: true, signal: ends.signal };
  socket.addEventListener("open", () => tell("opened"), first);
  socket.addEventListener("message", ({ data }) => carry("in", data), first);
  socket.addEventListener("close", (event) => {
    tell(ending(event));
    gone();
  }, first);
  socket.send = (data) => {
    WebSocket.prototype.send.call(socket, data);
    if (socket.readyState === WebSocket.OPEN) carry("out", data);
  };
  return () => {
    ends.abort();
    Reflect.deleteProperty(socket, "send");
  };
}

/** @param {CloseEvent} event */
function ending({ code, reason }) {
  return `closed · ${code} · ${reason || "no reason given"}`;
}

/** @param {WebSocket} socket */
function partyOf({ url }) {
  const path = new URL(url).pathname.replace(/^.*?\/parties\//, "");
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
