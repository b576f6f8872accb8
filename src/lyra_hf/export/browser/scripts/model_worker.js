/** A worker that runs models: it gets the runtime and each model once, then batches. */

import * as ort from "../runtime/ort.wasm.bundle.min.js";
import { PAD_ID } from "./alphabet.js";

const sessions = new Map();

async function open(name, bytes) {
  sessions.set(name, await ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] }));
}

async function run({ name, ids, length }) {
  const shape = [ids.length / length, length];
  const outputs = await sessions.get(name).run({
    input_ids: new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), shape),
    attention_mask: new ort.Tensor("int64", BigInt64Array.from(ids, (id) => (id === PAD_ID ? 0n : 1n)), shape),
  });
  const copies = Object.entries(outputs).map(([name, output]) => [name, Float32Array.from(output.data)]);
  for (const output of Object.values(outputs)) output.dispose();
  return Object.fromEntries(copies);
}

self.onmessage = async ({ data }) => {
  try {
    if (data.kind === "start") {
      ort.env.wasm.numThreads = 1; // several workers, not several threads: those need special headers of the server
      ort.env.wasm.wasmBinary = data.runtime;
      ort.env.logLevel = "error";
    } else if (data.kind === "open") {
      await open(data.name, data.bytes);
    } else {
      const found = await run(data);
      self.postMessage({ id: data.id, found }, Object.values(found).map(({ buffer }) => buffer));
      return;
    }
    self.postMessage({ id: data.id });
  } catch (error) {
    self.postMessage({ id: data.id, error: String(error?.message ?? error) });
  }
};
