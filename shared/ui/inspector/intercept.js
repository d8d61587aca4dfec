// Observe the sockets of the page without changing their behaviour.
import { eachSocket } from "../sockets/tracked_socket.js";
import { formatBinary, formatText, sizeOf } from "./frame_format.js";

/**
 * A frame; or a socket's opening or end, which has no direction.
 * @typedef {{ at: number, party: string, line: string,
 *   direction?: "in" | "out", kind?: "text" | "binary", size?: number }} Row
 */
/** @typedef {(row: Row, decoded?: Promise<string>) => void} OnRow */

/**
 * Call `onRow` for each frame of the page; return a function to stop.
 * @param {OnRow} onRow
 */
export function interceptSockets(onRow) {
  const controller = new AbortController();
  const { signal } = controller;
  const stop = eachSocket((socket) => intercept(socket, onRow, signal));
  return () => {
    stop();
    controller.abort();
  };
}

/**
 * @param {WebSocket} socket
 * @param {OnRow} onRow
 * @param {AbortSignal} signal to stop
 */
function intercept(socket, onRow, signal) {
  const party = partyOf(socket);
  /** @param {string} line */
  const addEvent = (line) => onRow({ at: performance.now(), party, line });
  /** @param {"in" | "out"} direction @param {any} data */
  function addFrame(direction, data) {
    const at = performance.now();
    const row = { at, party, direction, size: sizeOf(data) };
    if (typeof data === "string") {
      onRow({ ...row, kind: "text", line: formatText(data) });
    } else onRow({ ...row, kind: "binary", line: "" }, formatBinary(data));
  }
  // Capture: before the page's own listeners, which may answer at once.
  const first = { capture: true, signal };
  socket.addEventListener("open", () => addEvent("opened"), first);
  socket.addEventListener("message", ({ data }) => addFrame("in", data), first);
  socket.addEventListener("close", (e) => addEvent(closeLine(e)), first);
  socket.send = (data) => {
    WebSocket.prototype.send.call(socket, data);
    if (socket.readyState === WebSocket.OPEN) addFrame("out", data);
  };
  const restore = () => Reflect.deleteProperty(socket, "send");
  signal.addEventListener("abort", restore);
}

/** @param {CloseEvent} event */
function closeLine({ code, reason }) {
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
