// sessionStorage, which outlives a reload of its tab; a browser may block it.

/**
 * Return a stored text, "" for none.
 * @param {string} key
 */
export function load(key) {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

/**
 * Store a text, or remove it if it is empty; return whether that worked.
 * @param {string} key
 * @param {string | null} text
 */
export function save(key, text) {
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
    return true;
  } catch {
    return false;
  }
}
