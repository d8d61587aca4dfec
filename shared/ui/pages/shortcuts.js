// A key outside text fields presses the button that has it in `data-key`.
(() => {
  /** @param {any} event */
  function onKeyDown({ key, target, ctrlKey, metaKey, altKey }) {
    if (ctrlKey || metaKey || altKey) return;
    if (target.matches?.("input, textarea")) return;
    const button = document.querySelector(`[data-key~="${CSS.escape(key)}"]`);
    /** @type {any} */ (button)?.click();
  }

  addEventListener("keydown", onKeyDown);
})();
