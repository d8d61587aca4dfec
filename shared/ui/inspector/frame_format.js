// Format a frame for the inspector: its size, and one line of text.

/** @typedef {string | Blob | ArrayBufferLike | ArrayBufferView} Data */

/** Characters of a frame that are kept. */
const MAX_LENGTH = 20_000;

/** Bytes that are shown of a frame that cannot be decoded. */
const MAX_HEX_BYTES = 32;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Return the bytes of a frame's payload.
 * @param {Data} data
 */
export function sizeOf(data) {
  if (typeof data === "string") return encoder.encode(data).length;
  return data instanceof Blob ? data.size : data.byteLength;
}

/** @param {string} text */
export function formatText(text) {
  return truncate(formatJson(text));
}

/** @param {Exclude<Data, string>} data */
export async function formatBinary(data) {
  const bytes = await bytesOf(data);
  try {
    const { decode } = await import("@msgpack/msgpack");
    return truncate(JSON.stringify(decode(bytes), bytesAsHex));
  } catch {
    return hex(bytes);
  }
}

/**
 * Return JSON formatted anew, and other text as it is.
 * @param {string} text
 * @param {number} [indent] spaces for each level; none: on one line
 */
export function formatJson(text, indent) {
  try {
    return JSON.stringify(JSON.parse(text), null, indent);
  } catch {
    return text;
  }
}

/** @param {Exclude<Data, string>} data */
async function bytesOf(data) {
  if (data instanceof Blob) return new Uint8Array(await data.arrayBuffer());
  if (!ArrayBuffer.isView(data)) return new Uint8Array(data);
  // A copy, as the page may reuse the buffer.
  const { buffer, byteOffset, byteLength } = data;
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}

/** @param {string} _ @param {unknown} value */
function bytesAsHex(_, value) {
  return value instanceof Uint8Array ? hex(value) : value;
}

/** @param {Uint8Array} bytes */
function hex(bytes) {
  const start = [...bytes.subarray(0, MAX_HEX_BYTES)];
  const pairs = start.map((byte) => byte.toString(16).padStart(2, "0"));
  return pairs.join(" ") + (bytes.length > MAX_HEX_BYTES ? " …" : "");
}

/** @param {string} text */
function truncate(text) {
  if (text.length <= MAX_LENGTH) return text;
  // A slice alone would keep the whole text in memory.
  const start = decoder.decode(encoder.encode(text.slice(0, MAX_LENGTH)));
  return `${start}… (only the first ${MAX_LENGTH} characters are shown)`;
}
