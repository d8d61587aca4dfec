// The rows that the inspector shows: the last ones, or those before a pause.
import { useLayoutEffect, useMemo, useReducer } from "preact/hooks";
import { interceptSockets } from "./intercept.js";

/** @typedef {import("./intercept.js").Row & { id: number }} Row */

const MAX_ROWS = 500;

class FrameLog {
  /** @type {Row[]} */
  rows = [];
  /** @type {Row[] | undefined} the rows that are shown during a pause */
  paused;
  missed = 0;
  count = 0;

  /** @param {import("./intercept.js").Row} row @returns {Row} */
  add(row) {
    const added = { ...row, id: this.count++ };
    this.rows.push(added);
    if (this.rows.length > MAX_ROWS) this.rows.shift();
    if (this.paused) this.missed++;
    return added;
  }

  pause() {
    this.paused = this.paused ? undefined : [...this.rows];
    this.missed = 0;
  }

  clear() {
    this.rows = [];
    this.paused &&= [];
    this.missed = 0;
  }
}

/**
 * Fill a log, and render at most once per animation frame.
 * @param {FrameLog} log
 * @param {() => void} render
 */
function record(log, render) {
  let scheduled = 0;
  function schedule() {
    scheduled ||= requestAnimationFrame(() => {
      scheduled = 0;
      render();
    });
  }
  const stop = interceptSockets((row, decoded) => {
    const added = log.add(row);
    decoded?.then((line) => {
      added.line = line;
      schedule();
    });
    schedule();
  });
  return () => {
    stop();
    cancelAnimationFrame(scheduled);
  };
}

/** Return the rows to show, and functions to pause and to clear them. */
export function useFrameLog() {
  const log = useMemo(() => new FrameLog(), []);
  const [, render] = useReducer((/** @type {number} */ n) => n + 1, 0);
  useLayoutEffect(() => record(log, () => render(0)), []);
  /** @param {"pause" | "clear"} method */
  const action = (method) => () => {
    log[method]();
    render(0);
  };
  const { rows, paused, missed } = log;
  const actions = { pause: action("pause"), clear: action("clear") };
  return { rows: paused ?? rows, isPaused: !!paused, missed, ...actions };
}
