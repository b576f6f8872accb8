/** Batches of rows of like length, padded to the longest of each. */

import { PAD_ID } from "./alphabet.js";

// A batch takes some tens of milliseconds, so that what is typed meanwhile need not wait.
const LETTERS_PER_BATCH = 4096;
const LEAST_LENGTH = 2; // exports are checked from two letters on

/**
 * Which rows go together: similar lengths, in order of length and else as they stand.
 *
 * @param {Rows} rows
 * @param {number} members Of the ensemble; each computes every letter.
 * @returns {Uint32Array[]} The numbers of each batch's rows.
 */
export function planBatches(rows, members) {
  const order = Uint32Array.from({ length: rows.size }, (_, row) => row);
  order.sort((one, other) => rows.length(one) - rows.length(other) || one - other);
  const most = Math.max(1, LETTERS_PER_BATCH / members);
  const batches = [];
  let start = 0;
  for (let stop = 1; stop <= order.length; stop += 1) {
    const isFull = stop < order.length && (stop - start + 1) * rows.length(order[stop]) > most;
    if (isFull || stop === order.length) {
      batches.push(order.slice(start, stop));
      start = stop;
    }
  }
  return batches;
}

/** The ids of some rows, padded: `ids` (rows x length, one behind the other) and `length`. */
export function padded(rows, chosen) {
  const length = chosen.reduce((most, row) => Math.max(most, rows.length(row)), LEAST_LENGTH);
  const ids = new Uint8Array(chosen.length * length).fill(PAD_ID);
  chosen.forEach((row, place) => ids.set(rows.row(row), place * length));
  return { ids, length };
}
