/** A worker whose messages are answered: `ask` sends one and gives a promise of the answer. */

export class WorkerClient {
  #waiting = new Map();
  #next = 0;
  #worker = null;

  /**
   * @param {string} script Its address, relative to this file.
   * @param {() => void} onBroken Called when the worker, with what it held, is lost; what is asked next is asked of a
   *     new one.
   */
  constructor(script, onBroken) {
    this.script = script;
    this.onBroken = onBroken;
    this.#start();
  }

  ask(message, transfer = []) {
    if (!this.#worker) this.#start();
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...message, id }, transfer);
    });
  }

  #start() {
    const worker = new Worker(new URL(this.script, import.meta.url), { type: "module" });
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (data.error === undefined) resolve(data.found);
      else reject(new Error(data.error));
    };
    worker.onerror = (event) => {
      if (worker === this.#worker) this.#lose(event.message);
    };
  }

  /** Answer all that waits: a script that did not load never will. */
  #lose(message) {
    this.#worker.terminate();
    this.#worker = null;
    this.onBroken();
    const error = new Error(
      message || `${this.script} could not be loaded; is the network, or the page's server, there?`,
    );
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
