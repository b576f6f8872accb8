/** The part of the page that shows every single mutant. */

import { byId, fillSelect, say, toggle } from "./dom.js";
import { save } from "./downloads.js";
import { drawLegend, heatView } from "./heatmap.js";
import { Mutants } from "./mutants.js";
import { counted, percent, several, short, signed } from "./numbers.js";
import { columnsOf, comparable, comparableName, firstOutput, isRegression, probabilities, rowOf } from "./outputs.js";
import { Urgency } from "./session.js";
import { Strips } from "./strips.js";
import { writeCsv } from "./tables.js";

const UNASKED_LETTERS = 400; // up to this length mutants are computed without being asked for
const UNASKED_WORK = 4e6; // letters of all mutants and members
const MOST_LETTERS = 2000;
const BETWEEN_DRAWINGS = 200; // milliseconds, while mutants come in
const COLOURED_SHARE = 0.98; // of the mutants have a colour of their own
const EXTREMES = 3;
const HINT = "Point at a cell, or move with the arrow keys.";

export class MutantsPanel {
  constructor(session, onFault) {
    this.session = session;
    this.onFault = onFault;
    this.strips = new Strips(byId("heat-map"));
    this.chosen = null; // the output that was chosen by hand
    byId("mutants-output").addEventListener("change", (event) => {
      this.chosen = event.target.value;
      this.#compare();
    });
    byId("mutants-side").addEventListener("change", () => this.#begin());
    byId("mutants-start").addEventListener("click", () => this.#compute());
    byId("mutants-download").addEventListener("click", () => this.#download());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawLegend(byId("legend")));
  }

  /** Show the mutants of a sequence that has been scored. */
  show(model, alphabet, parts, wildType, signal) {
    if (model !== this.model) this.chosen = null;
    Object.assign(this, { model, alphabet, parts, wildType, outer: signal });
    toggle("mutants-part", true);
    toggle("mutants-side", model.pair_input);
    toggle("mutants-output-label", model.outputs.length > 1);
    fillSelect(byId("mutants-output"), model.outputs, this.chosen ?? model.outputs[firstOutput(model, wildType.logits)]);
    this.#begin();
  }

  clear() {
    this.running?.abort();
    this.mutants = null;
    this.strips.clear();
    toggle("mutants-part", false);
  }

  #begin() {
    this.running?.abort();
    const side = this.model.pair_input ? Number(document.querySelector("input[name=side]:checked").value) : 0;
    const letters = this.parts.reduce((sum, part) => sum + part.length, 0);
    const isLong = letters > MOST_LETTERS;
    this.mutants = isLong ? null : new Mutants(this.alphabet, this.parts, side);
    toggle("heat", false);
    toggle("mutants-download", false);
    toggle("mutants-progress", isLong);
    toggle("mutants-bar", !isLong);
    toggle("mutants-ask", false);
    if (isLong) {
      say("mutants-text", `Mutants are shown for sequences of up to ${counted(MOST_LETTERS)} letters.`);
      return;
    }
    const count = this.mutants.list.length;
    const work = count * letters * this.model.ensemble_size;
    if (letters <= UNASKED_LETTERS && work <= UNASKED_WORK) this.#compute();
    else {
      say("mutants-start", `Predict all ${counted(count)} mutants`);
      toggle("mutants-ask", true);
    }
  }

  async #compute() {
    const running = new AbortController();
    this.running = running;
    this.outer.addEventListener("abort", () => running.abort(), { once: true });
    const { model, mutants } = this;
    const count = mutants.list.length;
    let done = 0;
    this.isComputed = new Uint8Array(count);
    this.results = null;
    this.nextCompare = 0;
    toggle("mutants-ask", false);
    toggle("mutants-progress", true);
    const tell = () => {
      byId("mutants-bar").value = done / count;
      say("mutants-text", `${counted(done)} of ${counted(count)} predictions`);
    };
    tell();
    try {
      this.results = await this.session.predict(model, mutants.rows(), {
        urgency: Urgency.MUTANTS,
        signal: running.signal,
        onBatch: (rows, results) => {
          done += rows.length;
          rows.forEach((row) => {
            this.isComputed[row] = 1;
          });
          this.results = results;
          tell();
          if (performance.now() < this.nextCompare) return;
          this.#compare();
          this.nextCompare = performance.now() + BETWEEN_DRAWINGS;
        },
      });
    } catch (error) {
      if (!running.signal.aborted) this.onFault(error);
      return;
    }
    toggle("mutants-progress", false);
    toggle("mutants-download", true);
    this.#compare();
  }

  /** Changes of the chosen output against the wild type, and what is shown of them. */
  #compare() {
    const { model, mutants, results } = this;
    if (!mutants || !results) return;
    const output = model.outputs.indexOf(byId("mutants-output").value);
    const width = model.outputs.length;
    const start = comparable(model, this.wildType.logits, output);
    this.changes = Float64Array.from(mutants.list, (_, row) =>
      this.isComputed[row] ? comparable(model, rowOf(results.logits, row, width), output) - start : NaN,
    );
    const { limit, isCut } = colourLimit(this.changes);
    toggle("heat", true);
    drawLegend(byId("legend"));
    say("legend-low", limit ? `${isCut ? "\u2264 " : ""}${signed(-limit)}` : "");
    say("legend-high", limit ? `${isCut ? "\u2265 " : ""}${signed(limit)}` : "");
    say("legend-text", `Change of ${comparableName(model, output)} from the unchanged sequence; a dot marks its letters.`);
    byId("heat-map").setAttribute("aria-label", `Heat map of ${several(mutants.list.length, "single mutant")}`);
    this.strips.show(heatView(mutants, this.changes, limit, (cursor) => this.#read(cursor, output)));
    if (!this.strips.cursor) say("heat-readout", HINT);
    this.#tellExtremes(output);
  }

  #read(cursor, output) {
    if (!cursor) {
      say("heat-readout", HINT);
      return;
    }
    const row = this.mutants.at(cursor.position, cursor.row);
    if (row < 0) {
      const value = this.#value(this.wildType.logits, output);
      say("heat-readout", `${this.mutants.symbols[cursor.position]}${cursor.position + 1} unchanged: ${value}`);
    } else say("heat-readout", this.#sentence(row, output));
  }

  /** "A24G: 12.3 (-4.5)"; of classes the probability, and the change of its log-odds. */
  #sentence(row, output) {
    const name = this.mutants.name(this.mutants.list[row]);
    if (!this.isComputed[row]) return `${name}: not computed yet`;
    const value = this.#value(rowOf(this.results.logits, row, this.model.outputs.length), output);
    const kind = isRegression(this.model) ? "" : "log-odds ";
    return `${name}: ${value} (${kind}${signed(this.changes[row])})`;
  }

  #value(logits, output) {
    return isRegression(this.model) ? short(logits[output]) : percent(probabilities(this.model, logits)[output]);
  }

  #tellExtremes(output) {
    const order = Array.from(this.changes.keys()).filter((row) => !Number.isNaN(this.changes[row]));
    order.sort((one, other) => this.changes[other] - this.changes[one]);
    const words = (rows) => rows.map((row) => this.#sentence(row, output)).join("; ");
    say("highest", words(order.slice(0, EXTREMES)));
    say("lowest", words(order.slice(-EXTREMES).reverse()));
  }

  /** Every mutant with what `lyra-hf predict` gives for it, and the change of each output. */
  #download() {
    const { model, mutants, results, wildType } = this;
    const width = model.outputs.length;
    const columns = new Map([
      ["mutant", (row) => mutants.name(mutants.list[row])],
      ["position", (row) => String(mutants.list[row].position + 1)],
      ["wild_type", (row) => mutants.symbols[mutants.list[row].position]],
      ["letter", (row) => mutants.letters[mutants.list[row].letter]],
      ...columnsOf(model, results),
    ]);
    if (model.pair_input) columns.set("mutated", () => (mutants.side ? "second" : "first"));
    const title = isRegression(model) ? "change" : "log_odds_change";
    model.outputs.forEach((name, output) => {
      const start = comparable(model, wildType.logits, output);
      const change = (row) => comparable(model, rowOf(results.logits, row, width), output) - start;
      columns.set(width === 1 ? title : `${title}_${name}`, change);
    });
    save(writeCsv([...columns.keys()], [...columns.values()], mutants.list.length), `${model.name}-mutants.csv`);
  }
}

/** The change that has the strongest colour: few that are larger must not make all the others pale. */
function colourLimit(changes) {
  const sizes = changes.filter((change) => !Number.isNaN(change)).map(Math.abs).sort();
  const limit = sizes[Math.ceil(COLOURED_SHARE * sizes.length) - 1] ?? 0;
  const most = sizes.at(-1) ?? 0;
  return limit ? { limit, isCut: most > limit } : { limit: most, isCut: false };
}
