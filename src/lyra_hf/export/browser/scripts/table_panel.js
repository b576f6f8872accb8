/** The part of the page that scores a table. */

import { byId, element, fillSelect, say, toggle } from "./dom.js";
import { save } from "./downloads.js";
import { Rows } from "./inputs.js";
import { counted, several, short } from "./numbers.js";
import { Urgency } from "./session.js";
import { WorkerClient } from "./worker_client.js";

const LONGEST_SHOWN = 60; // letters of a cell
const VALUES_SHOWN = 6; // of a cell that holds a list

export class TablePanel {
  constructor(session) {
    this.session = session;
    this.worker = new WorkerClient("table_worker.js", () => toggle("table-ready", false)); // it held the table
    this.reads = 0;
    byId("file").addEventListener("change", (event) => {
      if (event.target.files.length) this.#read(event.target.files[0]);
      event.target.value = ""; // the same file can be chosen again
    });
    byId("table-start").addEventListener("click", () => this.#score());
    byId("table-cancel").addEventListener("click", () => this.running.abort());
    byId("table-download").addEventListener("click", () => save(this.csv, this.csvName));
    for (const kind of ["dragover", "dragleave", "drop"]) {
      document.addEventListener(kind, (event) => this.#drag(event));
    }
  }

  /** Another model: its results are not those of the one before. */
  useModel(model) {
    this.#stop();
    this.model = model;
    toggle("table-result", false);
    toggle("pair-column-label", model.pair_input);
    say("table-fault", "");
  }

  #drag(event) {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    byId("drop").classList.toggle("over", event.type === "dragover");
    if (event.type === "drop" && event.dataTransfer.files.length) this.#read(event.dataTransfer.files[0]);
  }

  async #read(file) {
    this.#stop();
    this.reads += 1;
    const read = this.reads;
    toggle("table-ready", false);
    toggle("table-result", false);
    say("table-fault", "");
    try {
      const table = await this.worker.ask({ kind: "read", file });
      if (read !== this.reads) return; // another file has been chosen meanwhile
      this.table = { ...table, name: file.name };
    } catch (error) {
      if (read === this.reads) this.#fail(error);
      return;
    }
    const { names, rows } = this.table;
    fillSelect(byId("column"), names, "sequence");
    fillSelect(byId("pair-column"), names, names.find((name) => name !== byId("column").value));
    say("table-about", `${file.name}: ${several(rows, "row")}, ${several(names.length, "column")}.`);
    say("table-start", `Score ${several(rows, "sequence")}`);
    toggle("table-ready", true);
    byId("table-start").focus({ preventScroll: true });
    byId("table-ready").scrollIntoView({ block: "nearest" });
  }

  async #score() {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    const { model } = this;
    const columns = [byId("column").value, ...(model.pair_input ? [byId("pair-column").value] : [])];
    const total = this.table.rows;
    let done = 0;
    const tell = () => {
      byId("table-bar").value = done / total;
      say("table-text", `${counted(done)} of ${counted(total)}`);
    };
    say("table-fault", "");
    tell();
    this.#isRunning(true);
    try {
      const { ids, offsets } = await this.worker.ask({ kind: "encode", model, columns });
      running.signal.throwIfAborted();
      const results = await this.session.predict(model, new Rows(ids, offsets), {
        urgency: Urgency.TABLE,
        signal: running.signal,
        onBatch: (rows) => {
          done += rows.length;
          tell();
        },
      });
      const written = await this.worker.ask({ kind: "write", model, results });
      running.signal.throwIfAborted();
      this.#show(written);
    } catch (error) {
      if (!running.signal.aborted) this.#fail(error);
      else if (running === this.running) say("table-fault", "Cancelled; nothing was written.");
    }
    if (running === this.running) this.#isRunning(false);
  }

  /** End what is under way without a word: something else was asked for. */
  #stop() {
    this.running?.abort();
    this.running = null;
    this.#isRunning(false);
  }

  #isRunning(isRunning) {
    toggle("table-progress", isRunning);
    toggle("table-cancel", isRunning);
    toggle("table-start", !isRunning);
    if (isRunning) toggle("table-result", false);
  }

  #show({ csv, names, shown, size }) {
    this.csv = csv;
    this.csvName = `${this.table.name.replace(/(\.[^.]*)?(\.gz)?$/i, "")}-${this.model.name}.csv`;
    const isWhole = shown.length === size;
    say("table-done", `${several(size, "sequence")} scored${isWhole ? "." : `; the first ${shown.length} are:`}`);
    const kinds = shown[0].map((value) => (typeof value === "number" ? "figure" : "text"));
    const head = names.map((name, index) => element("th", { scope: "col", class: kinds[index] }, name));
    const rows = shown.map((row) =>
      element("tr", {}, ...row.map((value, index) => element("td", { class: kinds[index] }, brief(value)))),
    );
    byId("table").replaceChildren(element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
    toggle("table-result", true);
  }

  #fail(error) {
    say("table-fault", error.message);
  }
}

/** A cell as the page shows it; the file has it whole. */
function brief(value) {
  if (typeof value === "number") return short(value);
  if (Array.isArray(value)) {
    const words = value.slice(0, VALUES_SHOWN).map(brief);
    return words.join(", ") + (value.length > VALUES_SHOWN ? ", \u2026" : "");
  }
  return value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}\u2026` : value;
}
