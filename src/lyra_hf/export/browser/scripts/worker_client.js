/** A worker whose messages are answered: `ask` sends one and gives a promise of the answer. */

export class WorkerClient {
  #waiting = new Map();
  #next = 0;

  /** @param {string} script Its address, relative to this file. */
  constructor(script) {
    this.worker = new Worker(new URL(script, import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (data.error === undefined) resolve(data.found);
      else reject(new Error(data.error));
    };
    this.worker.onerror = (event) => {
      const error = new Error(event.message || "a script of the page could not be loaded");
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
  }

  ask(message, transfer = []) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...message, id }, transfer);
    });
  }
}
