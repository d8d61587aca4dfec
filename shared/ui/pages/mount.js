// Mount a page's component on the page that the server has sent.
import { html, render } from "htm/preact";
import { startInspector } from "../inspector/toggle.js";
import { Account } from "../user/account.js";

/** The path of the app in its PUBLIC_URL, such as "/app"; mostly "". */
export const { root = "" } = document.documentElement.dataset;

/** @param {string} id */
function elementById(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** Listen to the button of the QR code, whose module loads when pressed. */
function startInvitation() {
  document.getElementById("show-invitation")?.addEventListener("click", () => {
    import("./invitation.js").then(({ toggle }) => toggle()).catch(() => {});
  });
}

/**
 * Render a page's component, with the page's JSON data as its props.
 * @param {import("preact").ComponentType<any>} Page
 */
export async function mount(Page) {
  startInvitation();
  // The inspector may fail to load: the page works without it.
  await startInspector().catch(() => {});
  const data = JSON.parse(elementById("data").textContent || "{}");
  render(html`<${Account} />`, elementById("account"));
  render(html`<${Page} ...${data} />`, elementById("page"));
}
