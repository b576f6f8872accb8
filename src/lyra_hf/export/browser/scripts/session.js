/** Runs models in a few workers: batches of the most urgent request first, none of one that is aborted. */

import { planBatches, padded } from "./batches.js";
import { download, unpacked } from "./downloads.js";
import { positionsOf } from "./inputs.js";
import { counted } from "./numbers.js";
import { arraysOf } from "./outputs.js";
import { WorkerClient } from "./worker_client.js";

const RUNTIME = "runtime/ort-wasm-simd-threaded.wasm.gz";
const MOST_WORKERS = 4;

/** What is computed first. */
export const Urgency = { SCORE: 0, MUTANTS: 1, TABLE: 2 };

export class Session {
  #requests = []; // those with batches that nobody has begun, the most urgent first
  #files = new Map(); // address -> promise of its bytes
  #sizes = new Map(); // address -> [loaded, total]

  /** @param {(loaded: number, total: number) => void} onLoading Called while files are loaded. */
  constructor(runtimeBytes, onLoading) {
    this.runtimeBytes = runtimeBytes;
    this.onLoading = onLoading;
    const count = Math.min(MOST_WORKERS, Math.max(1, (navigator.hardwareConcurrency || 2) - 1));
    // All at once: a worker that is needed later must not depend on the network.
    this.workers = Array.from({ length: count }, newWorker);
  }

  /** Load the runtime and a model, and make one worker ready for it. */
  async prepare(model) {
    await this.#ready(this.workers[0], model);
  }

  /**
   * Run a model on rows of token ids.
   *
   * @param {object} model Its entry in models.json.
   * @param {Rows} rows
   * @param {object} options `urgency`; `signal`, an AbortSignal; `onBatch`, called with the numbers of the rows done.
   * @returns {Promise<Results>} The outputs of the rows, one behind the other; of a head per residue those of all their
   *     positions, which begin at `offsets`. The arrays are `onBatch`'s second argument too, and fill up.
   */
  predict(model, rows, { urgency, signal, onBatch = () => {} }) {
    const width = model.outputs.length;
    const offsets = model.head === "residue" ? residueOffsets(model, rows) : null;
    const total = (offsets ? offsets[rows.size] : rows.size) * width;
    const results = { offsets };
    for (const name of arraysOf(model)) results[name] = new Float32Array(total);
    const batches = planBatches(rows, model.ensemble_size);
    return new Promise((resolve, reject) => {
      let left = batches.length;
      if (!left) resolve(results);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      const done = (chosen, found) => {
        place(found, results, chosen, width);
        onBatch(chosen, results);
        left -= 1;
        if (!left) resolve(results);
      };
      this.#requests.push({ model, rows, batches, begun: 0, urgency, signal, done, failed: reject });
      this.#requests.sort((one, other) => one.urgency - other.urgency); // stable: else in the order of asking
      this.#work();
    });
  }

  /** Give each worker that is free the next batch. */
  #work() {
    for (const worker of this.workers.filter(({ isBusy }) => !isBusy)) {
      this.#requests = this.#requests.filter(
        ({ signal, begun, batches }) => !signal.aborted && begun < batches.length,
      );
      if (!this.#requests.length) return;
      const [request] = this.#requests;
      this.#run(worker, request, request.batches[request.begun]);
      request.begun += 1;
    }
  }

  async #run(worker, request, chosen) {
    const { model, rows, signal } = request;
    worker.isBusy = true;
    try {
      await this.#ready(worker, model);
      if (!signal.aborted) {
        const found = await ask(worker, model, padded(rows, chosen));
        if (!signal.aborted) request.done(chosen, found);
      }
    } catch (error) {
      request.begun = request.batches.length; // its other batches are not begun
      request.failed(error);
    } finally {
      worker.isBusy = false;
      this.#work();
    }
  }

  /** A worker with the runtime and a model; what failed is tried again when it is asked for again. */
  #ready(worker, model) {
    if (!worker.started) {
      worker.started = this.#file(RUNTIME, this.runtimeBytes).then((runtime) =>
        worker.client.ask({ kind: "start", runtime }),
      );
      worker.started.catch(() => {
        worker.started = null;
      });
    }
    if (!worker.models.has(model.name)) {
      const opened = Promise.all([this.#file(model.file, model.bytes), worker.started]).then(([bytes]) =>
        worker.client.ask({ kind: "open", name: model.name, bytes }),
      );
      worker.models.set(model.name, opened);
      opened.catch(() => worker.models.delete(model.name));
    }
    return worker.models.get(model.name);
  }

  #file(address, bytes) {
    if (!this.#files.has(address)) {
      const told = (loaded) => {
        this.#sizes.set(address, [loaded, Math.max(loaded, bytes)]);
        const sizes = [...this.#sizes.values()];
        this.onLoading(
          sizes.reduce((sum, [part]) => sum + part, 0),
          sizes.reduce((sum, [, whole]) => sum + whole, 0),
        );
      };
      told(0);
      const url = address.split("/").map(encodeURIComponent).join("/");
      const content = download(url, told).then(unpacked);
      content.catch(() => this.#files.delete(address));
      this.#files.set(address, content);
    }
    return this.#files.get(address);
  }
}

/** A worker, and what it has been given: the runtime once `started` is fulfilled, and models. */
function newWorker() {
  const worker = { isBusy: false, started: null, models: new Map() };
  worker.client = new WorkerClient("model_worker.js", () => {
    worker.started = null;
    worker.models.clear();
  });
  return worker;
}

/** What a worker computes of a batch. */
async function ask(worker, model, { ids, length }) {
  try {
    return await worker.client.ask({ kind: "run", name: model.name, ids, length }, [ids.buffer]);
  } catch (error) {
    throw new Error(`${model.name} could not compute ${counted(length)} letters in this browser (${error.message})`);
  }
}

function residueOffsets(model, rows) {
  const offsets = new Float64Array(rows.size + 1);
  for (let row = 0; row < rows.size; row += 1) {
    offsets[row + 1] = offsets[row] + positionsOf(model, rows.length(row));
  }
  return offsets;
}

/** Put a batch's outputs where they belong, without those of padding. */
function place(found, results, chosen, width) {
  const { offsets } = results;
  for (const [name, values] of Object.entries(found)) {
    chosen.forEach((row, index) => {
      if (offsets) {
        const start = index * (values.length / chosen.length);
        const size = (offsets[row + 1] - offsets[row]) * width;
        results[name].set(values.subarray(start, start + size), offsets[row] * width);
      } else {
        results[name].set(values.subarray(index * width, (index + 1) * width), row * width);
      }
    });
  }
}
