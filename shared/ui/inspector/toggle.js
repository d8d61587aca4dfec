// Switch the inspector on and off; it is not loaded before it is wanted.
import { load, save } from "../user/tab_storage.js";

const STORAGE_KEY = "party-chat-wire";

let isOn =
  new URLSearchParams(location.search).has("wire") || load(STORAGE_KEY) !== "";

/** Remove the parameter: a reload would switch the inspector on again. */
function removeFromAddress() {
  const address = new URL(location.href);
  address.searchParams.delete("wire");
  history.replaceState(history.state, "", address);
}

/** @param {boolean} wanted @param {boolean} focus */
async function toggle(wanted, focus) {
  isOn = wanted;
  save(STORAGE_KEY, isOn ? "on" : "");
  if (!isOn) removeFromAddress();
  const inspector = await import("./inspector.js");
  // Another key may have been pressed while it was loading.
  if (isOn) inspector.open(() => toggle(false, false), focus);
  else inspector.close();
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

/** Listen for Alt+W, and open the inspector if it is on already. */
export async function startInspector() {
  addEventListener("keydown", onAlt("KeyW", () => toggle(!isOn, true)));
  if (isOn) await toggle(true, false);
}
