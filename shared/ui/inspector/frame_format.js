// A frame as the wire panel shows it: its size, and one line of text.

/** @typedef {string | Blob | ArrayBufferLike | ArrayBufferView} Data */

/** Characters of a frame that are kept. */
const LONGEST = 20_000;
const HEX = 32;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * How many bytes it has on the wire.
 * @param {Data} data
 */
export function sizeOf(data) {
  if (typeof data === "string") return encoder.encode(data).length;
  return data instanceof Blob ? data.size : data.byteLength;
}

/** @param {string} text */
export function textLine(text) {
  try {
    return cut(JSON.stringify(JSON.parse(text)));
  } catch {
    return cut(text);
  }
}

/** @param {Exclude<Data, string>} data */
export async function binaryLine(data) {
  const bytes = await bytesOf(data);
  try {
    const { decode } = await import("@msgpack/msgpack");
    return cut(JSON.stringify(decode(bytes), readable));
  } catch {
    return hex(bytes);
  }
}

/**
 * Over several lines, where it is JSON.
 * @param {string} line
 */
export function spread(line) {
  try {
    return JSON.stringify(JSON.parse(line), null, 2);
  } catch {
    return line;
  }
}

/** @param {Exclude<Data, string>} data */
async function bytesOf(data) {
  if (data instanceof Blob) return new Uint8Array(await data.arrayBuffer());
  if (!ArrayBuffer.isView(data)) return new Uint8Array(data);
  // A copy, as the page may write something else there.
  const { buffer, byteOffset, byteLength } = data;
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}

/** @param {string} _ @param {unknown} value */
function readable(_, value) {
  return value instanceof Uint8Array ? hex(value) : value;
}

/** @param {Uint8Array} bytes */
function hex(bytes) {
  const start = [...bytes.subarray(0, HEX)];
  const pairs = start.map((byte) => byte.toString(16).padStart(2, "0"));
  return pairs.join(" ") + (bytes.length > HEX ? " …" : "");
}

/** @param {string} text */
function cut(text) {
  if (text.length <= LONGEST) return text;
  // A mere slice would keep the whole text in memory.
  const start = decoder.decode(encoder.encode(text.slice(0, LONGEST)));
  return `${start}… (only the first ${LONGEST} characters are shown)`;
}
