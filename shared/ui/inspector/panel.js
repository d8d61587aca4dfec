// The inspector's panel: its buttons, and a row for each frame.
import { html } from "htm/preact";
import { Component } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useAutoScroll } from "../messages/auto_scroll.js";
import { onAlt } from "../pages/mount.js";
import { hasSockets } from "../sockets/tracked_socket.js";
import { hue } from "../user/user.js";
import { formatJson } from "./frame_format.js";
import { useFrameLog } from "./frame_log.js";

/** @typedef {import("./frame_log.js").Row} Row */

/** Characters of a frame that its summary shows. */
const SUMMARY_LENGTH = 400;

const ARROWS = { in: "↓", out: "↑", "": "" };

/** @param {{ turnOff: () => void }} props */
export function Panel({ turnOff }) {
  const { rows, isPaused, missed, pause, clear } = useFrameLog();
  const { box, onScroll } = useAutoScroll(rows, false);
  useEffect(() => {
    const onKeyDown = onAlt("KeyP", pause);
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
  return html`
    <div class="inspector-head">
      <h2>Wire</h2>
      <p>${isPaused && `${missed} more`}</p>
      <button type="button" onClick=${pause} title="Alt+P"
        aria-keyshortcuts="Alt+P" aria-pressed=${isPaused}>
        Pause
      </button>
      <button type="button" onClick=${clear}>Clear</button>
      <button type="button" onClick=${turnOff} title="Alt+W"
        aria-keyshortcuts="Alt+W">Close</button>
    </div>
    <div class="inspector-rows" ref=${box} onScroll=${onScroll} tabindex="0"
      role="group" aria-label="Frames">
      <ol>${rows.map((row) => html`
        <${RowItem} key=${row.id} row=${row} line=${row.line} />
      `)}</ol>
      ${!rows.length && html`<${EmptyState} />`}
    </div>
  `;
}

function EmptyState() {
  const words = hasSockets()
    ? "Nothing has come or gone yet."
    : "This page has no sockets.";
  return html`<p class="inspector-empty">${words}</p>`;
}

/**
 * A row is rendered once, and again when its frame has been decoded.
 * @extends Component<{ row: Row, line: string }>
 */
class RowItem extends Component {
  /** @param {{ line: string }} next */
  shouldComponentUpdate({ line }) {
    return line !== this.props.line;
  }

  /** @param {{ row: Row, line: string }} props */
  render({ row, line }) {
    const { at, party, direction, kind, size } = row;
    const description = `${size?.toLocaleString("en")} B ${kind}`;
    return html`
      <li class=${direction} style=${{ "--hue": hue(party) }}>
        <p>
          <span>${(at / 1000).toFixed(3)}</span>
          <i aria-hidden="true">${ARROWS[direction ?? ""]}</i>
          <span class="visually-hidden">${direction}</span>
          <b dir="auto">${party}</b>
          <span>${direction ? description : line}</span>
        </p>
        ${direction && html`<${Frame} line=${line} />`}
      </li>
    `;
  }
}

/** @param {{ line: string }} props */
function Frame({ line }) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef(/** @type {any} */ (null));
  // The end of an opened frame would be below the edge of the panel.
  useLayoutEffect(() => {
    if (isOpen) box.current.scrollIntoView({ block: "nearest" });
  }, [isOpen]);
  return html`
    <details ref=${box} onToggle=${() => setOpen(box.current.open)}>
      <summary><span>${line.slice(0, SUMMARY_LENGTH)}</span></summary>
      ${isOpen && html`<pre>${formatJson(line, 2)}</pre>`}
    </details>
  `;
}
