// The size of the text in all windows at this origin, and its buttons. This
// script is in the page itself, so that it is never painted in another size.
(() => {
  const STORAGE_KEY = "party-chat-zoom";
  const MAX_ZOOM = 1.75;

  /** @type {Record<string, any>} */
  let storage = {};
  try {
    storage = localStorage;
  } catch {
    // The browser blocks it: the size lasts as long as the page.
  }
  const stored = () => Number(storage[STORAGE_KEY]) || 1;

  function apply() {
    document.documentElement.style.cssText = `--zoom:${stored()}`;
  }

  /** @param {any} event */
  function onClick({ target }) {
    const { zoomStep } = target.dataset;
    if (!zoomStep) return;
    const zoom = Math.max(1, stored() + Number(zoomStep));
    storage[STORAGE_KEY] = Math.min(MAX_ZOOM, zoom);
    apply();
  }

  apply();
  addEventListener("storage", apply);
  addEventListener("pageshow", apply);
  addEventListener("click", onClick);
})();
