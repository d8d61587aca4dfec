// A key outside text fields presses the button that has it in `data-key`.
(() => {
  /** @param {any} event */
  function onKeyDown({ key, target, ctrlKey, metaKey, altKey }) {
    if (ctrlKey || metaKey || altKey) return;
    if (target.matches?.("input, textarea")) return;
    const buttons = document.querySelectorAll("[data-key]");
    for (const button of /** @type {Iterable<HTMLElement>} */ (buttons)) {
      if (button.dataset.key?.includes(key)) button.click();
    }
  }

  addEventListener("keydown", onKeyDown);
})();
