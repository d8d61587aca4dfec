// The wire panel's face: its buttons, and a row for each frame.
import { html } from "htm/preact";
import { Component } from "preact";
import { useEffect, useState } from "preact/hooks";
import { hue } from "../chat/hue.js";
import { useFollow } from "../messages/auto_scroll.js";
import { anySockets } from "../sockets/tracked_socket.js";
import { spread } from "./frame_format.js";
import { useTape } from "./frame_log.js";
import { onAlt } from "./toggle.js";

/** @typedef {import("./frame_log.js").Row} Row */

/** Characters of a frame that its row has room for. */
const SHORT = 400;

/** @param {{ turnOff: () => void }} props */
export function Panel({ turnOff }) {
  const { rows, paused, missed, pause, clear } = useTape();
  const { box, scrolled } = useFollow(rows, false);
  usePauseKey(pause);
  return html`
    <div class="wire-head">
      <h2>Wire</h2>
      <p>${paused && `${missed} more`}</p>
      <button type="button" onClick=${pause} title="Alt+P"
        aria-keyshortcuts="Alt+P" aria-pressed=${paused ? "true" : "false"}>
        Pause
      </button>
      <button type="button" onClick=${clear}>Clear</button>
      <button type="button" onClick=${turnOff} title="Alt+W"
        aria-keyshortcuts="Alt+W">Close</button>
    </div>
    <div class="wire-rows" ref=${box} onScroll=${scrolled} tabindex="0"
      role="group" aria-label="Frames">
      <ol>${rows.map((row) => html`
        <${Item} key=${row.id} row=${row} line=${row.line} />
      `)}</ol>
      ${!rows.length && html`<${Nothing} />`}
    </div>
  `;
}

/** @param {() => void} pause */
function usePauseKey(pause) {
  useEffect(() => {
    const press = onAlt("KeyP", pause);
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

function Nothing() {
  const words = anySockets()
    ? "Nothing has come or gone yet."
    : "This page has no sockets.";
  return html`<p class="wire-nothing">${words}</p>`;
}

/**
 * A row stays as it is: among 500, only what is new costs anything.
 * @extends Component<{ row: Row, line: string }>
 */
class Item extends Component {
  /** @param {{ line: string }} next */
  shouldComponentUpdate({ line }) {
    return line !== this.props.line;
  }

  /** @param {{ row: Row, line: string }} props */
  render({ row, line }) {
    const { at, party, way, kind, size } = row;
    return html`
      <li class=${way} style=${{ "--hue": hue(party) }}>
        <p>
          <span>${(at / 1000).toFixed(3)}</span>
          <${Way} way=${way} />
          <b dir="auto">${party}</b>
          <span>${way ? `${size?.toLocaleString("en")} B ${kind}` : line}</span>
        </p>
        ${way && html`<${Frame} line=${line} />`}
      </li>
    `;
  }
}

/** @param {{ way: Row["way"] }} props */
function Way({ way }) {
  const arrow = way && (way === "in" ? "↓" : "↑");
  return html`
    <i aria-hidden="true">${arrow}</i>
    <span class="unseen">${way}</span>
  `;
}

/** @param {{ line: string }} props */
function Frame({ line }) {
  const [open, setOpen] = useState(false);
  /** @param {any} event */
  const toggle = ({ currentTarget }) => setOpen(currentTarget.open);
  return html`
    <details onToggle=${toggle}>
      <summary>${line.slice(0, SHORT)}</summary>
      ${open && html`<pre>${spread(line)}</pre>`}
    </details>
  `;
}
