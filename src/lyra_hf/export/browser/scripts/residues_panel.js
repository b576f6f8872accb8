/** The part of the page that shows the values along a sequence. */

import { byId, fillSelect, say, toggle } from "./dom.js";
import { save } from "./downloads.js";
import { ceiling, percent, rough, short } from "./numbers.js";
import { columnsOf, isOneClass, isRegression, probabilities, rowOf } from "./outputs.js";
import { Strips } from "./strips.js";
import { writeCsv } from "./tables.js";
import { trackView } from "./track.js";

const ALL = "all outputs";
const MANY_VALUES = 1000; // of so many, one output is shown first rather than all
const HINT = "Point at a residue, or move with the arrow keys.";

export class ResiduesPanel {
  constructor() {
    this.strips = new Strips(byId("track"));
    this.chosen = null; // what was chosen by hand
    byId("residues-output").addEventListener("change", (event) => {
      this.chosen = event.target.value;
      this.#draw();
    });
    byId("residues-download").addEventListener("click", () => this.#download());
  }

  /** Show the outputs of a sequence's residues. */
  show(model, alphabet, parts, results) {
    const isOther = model !== this.model;
    Object.assign(this, { model, results, symbols: alphabet.spell(parts[0]) });
    this.lines = linesOf(model, results, this.symbols.length);
    const names = this.lines.map((line) => line.title);
    const first = names.length * this.symbols.length > MANY_VALUES ? names[0] : ALL;
    if (isOther) this.chosen = null;
    fillSelect(byId("residues-output"), [ALL, ...names], this.chosen ?? first);
    toggle("residues-output-label", names.length > 1);
    toggle("residues-part", true);
    this.#draw();
  }

  clear() {
    this.strips.clear();
    toggle("residues-part", false);
  }

  #draw() {
    const chosen = byId("residues-output").value;
    const lines = this.lines.filter((line) => chosen === ALL || line.title === chosen);
    const text = isRegression(this.model) ? short : (value) => `${Math.round(100 * value)}%`;
    byId("track").setAttribute("aria-label", `Values along the sequence: ${lines.map((line) => line.title).join(", ")}`);
    this.#reserve(lines);
    say("track-note", noteOf(this.model));
    this.strips.show(trackView(this.symbols, lines, text, this.#words.bind(this), (cursor) => this.#read(cursor, lines)));
  }

  #read(cursor, lines) {
    if (!cursor) {
      say("track-readout", HINT);
      return;
    }
    const { position } = cursor;
    // Of several lines the values alone, or there would be more to read than one can take in.
    const words =
      lines.length > 1
        ? lines.map((line) => this.#value(line, position)).join("; ")
        : this.#words(lines[0], position);
    say("track-readout", `${this.symbols[position]}${position + 1}: ${words}`);
  }

  /** Give the readout the room that values take, or what it names would move when they come. */
  #reserve(lines) {
    const { style } = byId("track-readout");
    style.minHeight = "";
    this.#read({ position: this.symbols.length - 1 }, lines);
    style.minHeight = `${byId("track-readout").offsetHeight}px`;
    say("track-readout", HINT);
  }

  /** "disorder 81.2 %". */
  #value(line, position) {
    const value = line.values[position];
    return `${line.title} ${isRegression(this.model) ? short(value) : percent(value)}`;
  }

  /** With the members' deviation and the interval, where there are such. */
  #words(line, position) {
    const deviation = line.spread ? ` \u00b1 ${rough(line.spread[position])}` : "";
    const interval = line.lower ? ` (90\u00a0%: ${short(line.lower[position])} to ${short(line.upper[position])})` : "";
    return `${this.#value(line, position)}${deviation}${interval}`;
  }

  /** A row for each residue, with the columns that `lyra-hf predict` adds. */
  #download() {
    const columns = new Map([
      ["position", (row) => String(row + 1)],
      ["letter", (row) => this.symbols[row]],
      ...columnsOf(this.model, this.results),
    ]);
    const text = writeCsv([...columns.keys()], [...columns.values()], this.symbols.length);
    save(text, `${this.model.name}-residues.csv`);
  }
}

/** A line for each output; of two classes for the second alone, as the first is what is left to one. */
function linesOf(model, { logits, spread, lower, upper }, size) {
  const width = model.outputs.length;
  const rows = Array.from({ length: size }, (_, row) => rowOf(logits, row, width));
  const chances = isRegression(model) ? rows : rows.map((row) => probabilities(model, row));
  const outputs = model.outputs.map((title, index) => ({ title, index }));
  const each = (array, index) => array && rows.map((_, row) => array[row * width + index]);
  const shown = isOneClass(model) && width === 2 ? outputs.slice(1) : outputs;
  return shown.map(({ title, index }) => {
    const values = chances.map((row) => row[index]);
    if (!isRegression(model)) return { title, values, spread: null, low: 0, high: ceiling(Math.max(...values)) };
    return {
      title,
      values,
      spread: each(spread, index),
      lower: each(lower, index),
      upper: each(upper, index),
      low: Math.min(0, ...values),
      high: Math.max(0, ...values),
    };
  });
}

function noteOf(model) {
  if (!isRegression(model)) return "Probabilities.";
  if (model.ensemble_size === 1) return "";
  return `Lines are means, bands the standard deviation over the ensemble's ${model.ensemble_size} members.`;
}
