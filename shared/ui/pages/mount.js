// Mount a page's component on the page that the server has sent. The inspector
// and the QR code are not loaded before they are wanted.
import { html, render } from "htm/preact";
import { Account } from "../user/account.js";
import { load } from "../user/tab_storage.js";

/** The path of the app in its PUBLIC_URL, such as "/app"; mostly "". */
export const { root = "" } = document.documentElement.dataset;

/** Whether the inspector is open, over a reload. */
export const INSPECTOR_KEY = "party-chat-wire";

/** @param {string} id */
function elementById(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * Return a listener for Alt and a key, by the key's physical position.
 * @param {string} key
 * @param {() => void} action
 */
export function onAlt(key, action) {
  /** @param {KeyboardEvent} event */
  return (event) => {
    const { code, altKey, ctrlKey, metaKey, repeat } = event;
    if (code !== key || !altKey || ctrlKey || metaKey) return;
    event.preventDefault();
    if (!repeat) action();
  };
}

/** @param {boolean} focus whether to focus the panel, as after a key */
async function toggleInspector(focus) {
  (await import("../inspector/inspector.js")).toggle(focus);
}

async function toggleInvitation() {
  (await import("./invitation.js")).toggle();
}

/**
 * Render a page's component, with the page's JSON data as its props.
 * @param {import("preact").ComponentType<any>} Page
 */
export async function mount(Page) {
  elementById("show-invitation")?.addEventListener("click", toggleInvitation);
  addEventListener("keydown", onAlt("KeyW", () => toggleInspector(true)));
  const isInAddress = new URLSearchParams(location.search).has("wire");
  if (isInAddress || load(INSPECTOR_KEY)) {
    // It may fail to load: the page works without it.
    await toggleInspector(false).catch(() => {});
  }
  const data = JSON.parse(elementById("data").textContent || "{}");
  render(html`<${Account} />`, elementById("account"));
  render(html`<${Page} ...${data} />`, elementById("page"));
}
