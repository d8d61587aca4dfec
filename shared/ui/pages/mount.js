// Shows a page: its data comes from the JSON that the server put in it.
import { html, render } from "htm/preact";
import { startWire } from "../inspector/toggle.js";
import { Account } from "../user/account.js";

/** The path of the app itself, such as "/app" in a PUBLIC_URL; mostly "". */
export const { root = "" } = document.documentElement.dataset;

/** @param {string} id */
function slot(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * Draw a page's component, with the page's data as its props.
 * @param {import("preact").ComponentType<any>} Page
 */
export async function show(Page) {
  // Without its panel, which may not load, a page is there all the same.
  await startWire().catch(() => {});
  const data = JSON.parse(slot("data").textContent || "{}");
  render(html`<${Account} />`, slot("account"));
  render(html`<${Page} ...${data} />`, slot("page"));
}
