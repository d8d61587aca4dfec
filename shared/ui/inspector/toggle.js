// Switches the wire panel, which is not loaded until somebody asks for it.

const KEY = "party-chat-wire";

let on = new URLSearchParams(location.search).has("wire") || kept();

function kept() {
  try {
    return sessionStorage.getItem(KEY) !== null;
  } catch {
    return false;
  }
}

function keep() {
  try {
    if (on) sessionStorage.setItem(KEY, "on");
    else sessionStorage.removeItem(KEY);
  } catch {
    // Without storage, it lasts as long as the page.
  }
}

/** Else a refresh would switch it on again. */
function forgetInAddress() {
  const address = new URL(location.href);
  address.searchParams.delete("wire");
  history.replaceState(history.state, "", address);
}

/** @param {boolean} wanted @param {boolean} focus */
async function turn(wanted, focus) {
  on = wanted;
  keep();
  if (!on) forgetInAddress();
  const wire = await import("./inspector.js");
  // Another press may have come while it was loading.
  if (on) wire.open(() => turn(false, false), focus);
  else wire.close();
}

/**
 * A listener for Alt and a key, by its place on the keyboard.
 * @param {string} key
 * @param {() => void} act
 */
export function onAlt(key, act) {
  /** @param {KeyboardEvent} event */
  return (event) => {
    const { code, altKey, ctrlKey, metaKey, repeat } = event;
    if (code !== key || !altKey || ctrlKey || metaKey) return;
    event.preventDefault();
    if (!repeat) act();
  };
}

/** Alt+W switches it; what is on already is there once this resolves. */
export async function startWire() {
  addEventListener("keydown", onAlt("KeyW", () => turn(!on, true)));
  if (on) await turn(true, false);
}
