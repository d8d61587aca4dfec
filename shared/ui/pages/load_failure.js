// Notices that a part of the page did not load: loads the page again, or says
// so. It is in the page itself, as a module could be what is missing.
(() => {
  const KEY = "party-chat-reloads";
  const MAX_RELOADS = 2;
  let hasFailed = false;

  /** Loads of the page in a row that failed. */
  let count = 0;

  function reload() {
    // Without a server, the browser would put its own page here.
    fetch(location.href).then(({ ok }) => (ok ? location.reload() : tell()), tell);
  }

  function tell() {
    const page = /** @type {any} */ (document.getElementById("page"));
    page.innerHTML = `<p class="noscript" role="alert">
      A part of this page did not load. <button class="primary">Try again</button></p>`;
    page.querySelector("button").onclick = reload;
  }

  // Of elements: a module script has a type, a style sheet a relation.
  /** @param {any} event */
  function fail({ target }) {
    hasFailed ||= target.type || target.rel;
  }

  addEventListener("error", fail, true);
  addEventListener("load", () => {
    try {
      count = hasFailed ? Number(sessionStorage.getItem(KEY)) + 1 : 0;
      sessionStorage.setItem(KEY, `${count}`);
    } catch {
      count = hasFailed ? Infinity : 0;
    }
    if (count > MAX_RELOADS) tell();
    else if (count) setTimeout(reload, 500 * count);
  });
})();
