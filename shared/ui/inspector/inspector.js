// Add the inspector to the page, and remove it.
import { html } from "htm/preact";
import { render } from "preact";
import { loadStyle } from "../pages/load_style.js";
import { INSPECTOR_KEY } from "../pages/mount.js";
import { save } from "../user/tab_storage.js";
import { Panel } from "./panel.js";

/** @type {HTMLElement | undefined} */
let panel;
/** @type {Element | null} */
let focusedBefore;

await loadStyle(new URL("inspector.css", import.meta.url).href);

/**
 * Open the panel, or close it; a reload keeps that.
 * @param {boolean} focus whether to focus the panel, as after a key
 */
export function toggle(focus) {
  if (panel) close(panel);
  else open(focus);
  save(INSPECTOR_KEY, panel ? "on" : "");
}

/** @param {boolean} focus */
function open(focus) {
  focusedBefore = focus ? document.activeElement : null;
  panel = document.createElement("section");
  panel.id = "inspector";
  panel.tabIndex = -1;
  panel.setAttribute("aria-label", "Wire");
  document.body.append(panel);
  render(html`<${Panel} turnOff=${() => toggle(false)} />`, panel);
  if (focus) panel.focus();
}

/** @param {HTMLElement} element */
function close(element) {
  const hadFocus = element.contains(document.activeElement);
  const next = focusedBefore?.isConnected
    ? focusedBefore
    : document.getElementById("main");
  render(null, element);
  element.remove();
  panel = undefined;
  removeFromAddress();
  if (hadFocus) /** @type {HTMLElement} */ (next).focus();
}

/** Remove the parameter: a reload would open the inspector again. */
function removeFromAddress() {
  const address = new URL(location.href);
  address.searchParams.delete("wire");
  history.replaceState(history.state, "", address);
}
