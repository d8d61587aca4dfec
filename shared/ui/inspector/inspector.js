// Add the inspector to the page, and remove it.
import { html } from "htm/preact";
import { render } from "preact";
import { loadStyle } from "../pages/load_style.js";
import { Panel } from "./panel.js";

/** @type {HTMLElement | undefined} */
let panel;
/** @type {Element | null} */
let focusedBefore;

await loadStyle(new URL("inspector.css", import.meta.url).href);

/**
 * @param {() => void} turnOff
 * @param {boolean} focus whether to focus the panel, as after a key
 */
export function open(turnOff, focus) {
  if (panel) return;
  focusedBefore = focus ? document.activeElement : null;
  panel = document.createElement("section");
  panel.id = "inspector";
  panel.tabIndex = -1;
  panel.setAttribute("aria-label", "Wire");
  document.body.append(panel);
  render(html`<${Panel} turnOff=${turnOff} />`, panel);
  if (focus) panel.focus();
}

export function close() {
  if (!panel) return;
  const hadFocus = panel.contains(document.activeElement);
  const next = focusedBefore?.isConnected
    ? focusedBefore
    : document.getElementById("main");
  render(null, panel);
  panel.remove();
  panel = undefined;
  if (hadFocus) /** @type {HTMLElement} */ (next).focus();
}
