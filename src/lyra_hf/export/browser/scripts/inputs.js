/** From what was typed, or stands in a table, to rows of token ids that a model can read. */

import { Alphabet, InputError } from "./alphabet.js";

/** The letters of a typed sequence: a record of FASTA loses its header line. */
export function lettersOf(text) {
  if (!text.trimStart().startsWith(">")) return text;
  const lines = text.trimStart().split(/\r\n|\r|\n/);
  if (lines.slice(1).some((line) => line.startsWith(">"))) {
    throw new InputError("several FASTA records; drop the file below, or paste one record");
  }
  return lines.slice(1).join("\n");
}

/**
 * The token ids of one input.
 *
 * @param {object} model A model's entry in models.json.
 * @param {Alphabet} alphabet
 * @param {string[]} texts The sequence, of a pair both.
 * @returns {Uint8Array[]} The ids of each.
 * @throws {InputError} A sequence is empty, has a letter outside the alphabet, or the pair's lengths do not fit.
 */
export function encodeInput(model, alphabet, texts) {
  const parts = texts.map((text, index) => {
    try {
      return alphabet.encode(text);
    } catch (error) {
      if (model.pair_input) error.message = `${index ? "second" : "first"} sequence: ${error.message}`;
      throw error;
    }
  });
  if (parts.every((part) => part.length === 0)) throw new InputError("the sequence is empty");
  if (model.pair_input) {
    const [first, second] = parts;
    const context = model.pair_context;
    if (first.length !== second.length + 2 * context) {
      const rule = context
        ? `the first of a pair has ${context} letters more than the second on either side`
        : "aligned pairs are of equal length";
      throw new InputError(`the pair has ${first.length} and ${second.length} letters; ${rule}`);
    }
  }
  return parts;
}

/** One row of ids: of a pair the first sequence's, then the second's. */
export function joined(parts) {
  if (parts.length === 1) return parts[0];
  const ids = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let start = 0;
  for (const part of parts) {
    ids.set(part, start);
    start += part.length;
  }
  return ids;
}

/** Positions that a model sees in a row of so many ids. */
export function positionsOf(model, letters) {
  return model.pair_input ? Math.floor(letters / 2) + model.pair_context : letters;
}

/** Rows of token ids: `ids` one behind the other, `offsets` where each begins and the last one ends. */
export class Rows {
  constructor(ids, offsets) {
    this.ids = ids;
    this.offsets = offsets;
  }

  static from(rows) {
    const offsets = new Float64Array(rows.length + 1);
    rows.forEach((row, index) => {
      offsets[index + 1] = offsets[index] + row.length;
    });
    return new Rows(joined(rows.length ? rows : [new Uint8Array(0)]), offsets);
  }

  get size() {
    return this.offsets.length - 1;
  }

  length(row) {
    return this.offsets[row + 1] - this.offsets[row];
  }

  row(row) {
    return this.ids.subarray(this.offsets[row], this.offsets[row + 1]);
  }
}
