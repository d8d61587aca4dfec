// Puts the wire panel onto the page, and takes it away without a trace.
import { html } from "htm/preact";
import { render } from "preact";
import { Panel } from "./panel.js";

/** @type {HTMLElement | undefined} */
let panel;
/** @type {Element | null} */
let before;

await loadStyle();

function loadStyle() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("inspector.css", import.meta.url).href;
  document.head.append(link);
  return new Promise((done) => (link.onload = link.onerror = done));
}

/**
 * @param {() => void} turnOff
 * @param {boolean} focus whether the keyboard goes there, as after a key
 */
export function open(turnOff, focus) {
  if (panel) return;
  before = focus ? document.activeElement : null;
  panel = document.createElement("section");
  panel.id = "wire";
  panel.tabIndex = -1;
  panel.setAttribute("aria-label", "Wire");
  document.body.append(panel);
  render(html`<${Panel} turnOff=${turnOff} />`, panel);
  if (focus) panel.focus();
}

export function close() {
  if (!panel) return;
  const focused = panel.contains(document.activeElement);
  const back = before?.isConnected ? before : document.getElementById("main");
  render(null, panel);
  panel.remove();
  panel = undefined;
  if (focused) /** @type {HTMLElement} */ (back).focus();
}
