// What the wire panel shows: the last rows, or those when it was paused.
import { useLayoutEffect, useMemo, useReducer } from "preact/hooks";
import { tapSockets } from "./intercept.js";

/** @typedef {import("./intercept.js").Row & { id: number }} Row */

const MOST = 500;

class Tape {
  /** @type {Row[]} */
  rows = [];
  /** @type {Row[] | undefined} what stays on the screen in a pause */
  frozen;
  missed = 0;
  count = 0;

  /** @param {import("./intercept.js").Row} row @returns {Row} */
  add(row) {
    const added = { ...row, id: this.count++ };
    this.rows.push(added);
    if (this.rows.length > MOST) this.rows.shift();
    if (this.frozen) this.missed++;
    return added;
  }

  pause() {
    this.frozen = this.frozen ? undefined : [...this.rows];
    this.missed = 0;
  }

  clear() {
    this.rows = [];
    this.frozen &&= [];
    this.missed = 0;
  }
}

/**
 * Draw at most once a frame of the screen, however much comes.
 * @param {Tape} tape
 * @param {() => void} draw
 */
function record(tape, draw) {
  let drawing = 0;
  function soon() {
    drawing ||= requestAnimationFrame(() => {
      drawing = 0;
      draw();
    });
  }
  const stop = tapSockets((row, decoded) => {
    const added = tape.add(row);
    decoded?.then((line) => {
      added.line = line;
      soon();
    });
    soon();
  });
  return () => {
    stop();
    cancelAnimationFrame(drawing);
  };
}

/** The rows to show, and the ways to hold and to empty them. */
export function useTape() {
  const tape = useMemo(() => new Tape(), []);
  const [, draw] = useReducer((/** @type {number} */ n) => n + 1, 0);
  useLayoutEffect(() => record(tape, () => draw(0)), []);
  /** @param {"pause" | "clear"} act */
  const doing = (act) => () => {
    tape[act]();
    draw(0);
  };
  const { rows, frozen, missed } = tape;
  const acts = { pause: doing("pause"), clear: doing("clear") };
  return { rows: frozen ?? rows, paused: !!frozen, missed, ...acts };
}
