// Reload the page when a part of it did not load, or else show a button. This
// script is in the page itself, as any module may be what did not load.
(() => {
  const STORAGE_KEY = "party-chat-reloads";
  const MAX_RELOADS = 2;
  let hasFailed = false;

  /** Loads of the page in a row that failed. */
  let count = 0;

  function reload() {
    // Without a server, the browser would show its own error page.
    fetch(location.href).then(
      ({ ok }) => (ok ? location.reload() : showButton()), showButton);
  }

  function showButton() {
    const page = /** @type {any} */ (document.getElementById("page"));
    page.innerHTML = `<p class="warning" role="alert">
      A part of this page did not load.
      <button class="primary">Try again</button></p>`;
    page.querySelector("button").onclick = reload;
  }

  // Only elements: a module script has a type, a style sheet has a rel.
  /** @param {any} event */
  function onError({ target }) {
    hasFailed ||= target.type || target.rel;
  }

  addEventListener("error", onError, true);
  addEventListener("load", () => {
    try {
      count = hasFailed ? Number(sessionStorage.getItem(STORAGE_KEY)) + 1 : 0;
      sessionStorage.setItem(STORAGE_KEY, `${count}`);
    } catch {
      count = hasFailed ? Infinity : 0;
    }
    if (count > MAX_RELOADS) showButton();
    else if (count) setTimeout(reload, 500 * count);
  });
})();
