/** Files of the page: read with progress, unpacked where they are gzipped. */

/**
 * The bytes of a file.
 *
 * @param {string} address
 * @param {(loaded: number) => void} onBytes Called with the bytes so far.
 * @returns {Promise<Blob>}
 */
export async function download(address, onBytes) {
  let response;
  try {
    response = await fetch(address);
  } catch {
    throw new Error(`${nameOf(address)} could not be loaded; is the network, or the page's server, there?`);
  }
  if (!response.ok) throw new Error(`${nameOf(address)} could not be loaded: the server answers ${response.status}`);
  const parts = [];
  let loaded = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    parts.push(value);
    loaded += value.length;
    onBytes(loaded);
  }
}

/** What a blob holds, unpacked if it is gzipped: a server may have unpacked it on the way. */
export async function unpacked(blob) {
  const magic = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  const isZipped = magic[0] === 0x1f && magic[1] === 0x8b;
  const stream = isZipped ? blob.stream().pipeThrough(new DecompressionStream("gzip")) : blob.stream();
  return new Response(stream).arrayBuffer();
}

/** Offer text as a file. */
export function save(content, name) {
  const link = document.createElement("a");
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: "text/csv" }));
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function nameOf(address) {
  return decodeURIComponent(new URL(address, document.baseURI).pathname.split("/").pop());
}
