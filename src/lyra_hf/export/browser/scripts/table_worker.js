/** A worker that holds a table: reads it, encodes its sequences, and writes it with predictions. */

import { Alphabet, InputError } from "./alphabet.js";
import { unpacked } from "./downloads.js";
import { Rows, encodeInput, joined } from "./inputs.js";
import { columnsOf } from "./outputs.js";
import { freeNames, readTable, writeCsv } from "./tables.js";

const LARGEST = 200e6; // bytes; a text of so many letters is about what a browser bears
const ROWS_SHOWN = 10;

let table = null;

async function read({ file }) {
  if (file.size > LARGEST) {
    throw new InputError(`${file.name} is larger than ${LARGEST / 1e6} MB; lyra-hf predict reads files of any size`);
  }
  let bytes;
  try {
    bytes = await unpacked(file);
  } catch {
    throw new InputError(`${file.name} cannot be read; if it is gzipped, it is damaged or cut off`);
  }
  table = readTable(file.name, bytes);
  return { names: table.names, rows: table.columns[0].length };
}

function encode({ model, columns }) {
  const alphabet = new Alphabet(model);
  const chosen = columns.map((name) => table.columns[table.names.indexOf(name)]);
  const encoded = chosen[0].map((_, row) => {
    try {
      return joined(encodeInput(model, alphabet, chosen.map((column) => column[row])));
    } catch (error) {
      throw new InputError(`${table.describe(row)}: ${error.message}`);
    }
  });
  const rows = Rows.from(encoded);
  return { ids: rows.ids, offsets: rows.offsets };
}

/** The table with its predictions as CSV, and its first rows; a column that has a value per residue holds lists. */
function write({ model, results }) {
  const added = columnsOf(model, results);
  const { offsets } = results;
  const values = [...added.values()].map((value) =>
    offsets
      ? (row) => Array.from({ length: offsets[row + 1] - offsets[row] }, (_, index) => value(offsets[row] + index))
      : value,
  );
  const names = [...table.names, ...freeNames([...added.keys()], table.names)];
  const columns = [...table.columns.map((column) => (row) => column[row]), ...values];
  const size = table.columns[0].length;
  const shown = Array.from({ length: Math.min(ROWS_SHOWN, size) }, (_, row) => columns.map((column) => column(row)));
  return { csv: new Blob([writeCsv(names, columns, size)], { type: "text/csv" }), names, shown, size };
}

const ACTIONS = { read, encode, write };

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ id: data.id, found: await ACTIONS[data.kind](data) });
  } catch (error) {
    self.postMessage({ id: data.id, error: String(error?.message ?? error) });
  }
};
