// Load a style sheet that is not in a page from the start.

/** @param {string} url */
export function loadStyle(url) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = url;
  document.head.append(link);
  return new Promise((done) => (link.onload = link.onerror = done));
}
