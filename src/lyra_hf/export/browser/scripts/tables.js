/** Tables as text: CSV, TSV, FASTA and lines are read, CSV is written. Messages name the file and the row. */

import { InputError } from "./alphabet.js";
import { exact } from "./numbers.js";

const FASTA_ENDINGS = [".fasta", ".fa", ".fna", ".faa", ".ffn"];

/** @typedef {{names: string[], columns: string[][], describe: (row: number) => string}} Table */

/**
 * Read a table, in the form that the ending of its name tells.
 *
 * @param {string} name The file's name; ".gz" at its end does not count.
 * @param {ArrayBuffer} bytes What it holds, unpacked.
 * @returns {Table}
 * @throws {InputError} It is no such table, or has no rows.
 */
export function readTable(name, bytes) {
  const text = decoded(name, bytes);
  const ending = /\.[^.]*$/.exec(name.toLowerCase().replace(/\.gz$/, ""))?.[0] ?? "";
  if (!text.trim()) throw new InputError(`${name} is empty`);
  let table;
  if (FASTA_ENDINGS.includes(ending) || text.trimStart().startsWith(">")) table = readFasta(name, text);
  else if (ending === ".txt") table = readLines(name, text);
  else if (ending === ".csv") table = readDelimited(name, text, ",");
  else if (ending === ".tsv") table = readDelimited(name, text, "\t");
  else {
    throw new InputError(
      `${name}: the ending of the name tells no form that can be read; these do: .csv .tsv .txt ` +
        `${FASTA_ENDINGS.join(" ")}, each also with .gz`,
    );
  }
  if (!table.columns[0].length) throw new InputError(`${name} has no sequences`);
  return table;
}

function decoded(name, bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes); // without a byte order mark
  } catch {
    throw new InputError(`${name} is not UTF-8 text; save the file as UTF-8`);
  }
}

/** Columns id (first word of the header line), description (the rest of it) and sequence. */
function readFasta(name, text) {
  if (!text.trimStart().startsWith(">")) {
    throw new InputError(`${name}: a FASTA file begins with a header line, '>' and a name, and this one does not`);
  }
  const [ids, descriptions, sequences] = [[], [], []];
  let parts = [];
  const finish = () => ids.length && sequences.push(parts.join(""));
  for (const line of text.split(/\r\n|\r|\n/)) {
    if (line.startsWith(">") || (!ids.length && line.trim())) {
      finish();
      parts = [];
      const [, id, description] = /^\s*>?\s*(\S*)\s*(.*?)\s*$/s.exec(line);
      ids.push(id);
      descriptions.push(description);
    } else {
      parts.push(line.replace(/[ \t\v\f]/g, ""));
    }
  }
  finish();
  const describe = (row) => `${name}, record ${row + 1}${ids[row] ? ` (${ids[row]})` : ""}`;
  return { names: ["id", "description", "sequence"], columns: [ids, descriptions, sequences], describe };
}

function readLines(name, text) {
  const lines = text.split(/\r\n|\r|\n/).map((line) => line.trim());
  return { names: ["sequence"], columns: [lines.filter(Boolean)], describe: describeRow(name) };
}

function readDelimited(name, text, delimiter) {
  const rows = delimitedRows(name, text, delimiter);
  const names = rows.shift();
  const repeated = names.find((column, index) => names.indexOf(column) !== index);
  if (repeated !== undefined) throw new InputError(`${name} has two columns named '${repeated}'; rename one of them`);
  rows.forEach((row, index) => {
    if (row.length !== names.length) {
      throw new InputError(
        `${name}, row ${index + 1}: ${row.length} ${row.length === 1 ? "column" : "columns"} where the header has ` +
          `${names.length}; a value that contains the separator must stand in quotation marks`,
      );
    }
  });
  return { names, columns: names.map((_, index) => rows.map((row) => row[index])), describe: describeRow(name) };
}

function describeRow(name) {
  return (row) => `${name}, row ${row + 1}`;
}

/** The rows of a CSV text; a quotation mark is special at the start of a value alone, and empty lines are none. */
function delimitedRows(name, text, delimiter) {
  const rows = [];
  const plain = new RegExp(`[^\\r\\n${delimiter}]*`, "y");
  let row = [];
  let place = 0;
  while (place < text.length) {
    if (!row.length && /[\r\n]/.test(text[place])) {
      place += 1;
      continue;
    }
    let value;
    if (text[place] === '"') {
      const end = closingMark(name, text, place);
      value = text.slice(place + 1, end).replaceAll('""', '"');
      place = end + 1;
    } else {
      value = "";
    }
    plain.lastIndex = place;
    value += plain.exec(text)[0];
    place = plain.lastIndex;
    row.push(value);
    if (text[place] === delimiter) {
      place += 1;
      if (place === text.length || /[\r\n]/.test(text[place])) row.push("");
      else continue;
    }
    rows.push(row);
    row = [];
    place += text[place] === "\r" && text[place + 1] === "\n" ? 2 : 1;
  }
  return rows;
}

/** The place of the mark that closes a quoted value. */
function closingMark(name, text, start) {
  let end = start + 1;
  for (;;) {
    end = text.indexOf('"', end);
    if (end < 0) {
      const line = text.slice(0, start).split(/\r\n|\r|\n/).length;
      throw new InputError(`${name}, line ${line}: a quotation mark opens a value there and is never closed`);
    }
    if (text[end + 1] !== '"') return end;
    end += 2;
  }
}

/**
 * A CSV text. Values are quoted only where they must be; numbers have the fewest digits that read back as the same.
 *
 * @param {string[]} names
 * @param {Array<(row: number) => string|number|Array>} columns What gives each column's value in a row; a list is
 *     written as JSON.
 * @param {number} size Rows.
 */
export function writeCsv(names, columns, size) {
  const lines = [names.map(quoted).join(",")];
  for (let row = 0; row < size; row += 1) {
    const line = columns.map((column) => quoted(cell(column(row)))).join(",");
    lines.push(line || '""'); // an empty line would be none
  }
  return `${lines.join("\n")}\n`;
}

function cell(value) {
  if (Array.isArray(value)) {
    return `[${value.map((item) => (typeof item === "number" ? exact(item) || "null" : JSON.stringify(item))).join(",")}]`;
  }
  return typeof value === "number" ? exact(value) : value;
}

function quoted(text) {
  return /["\r\n,]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Names for columns to add; `predicted_` goes before one that is there already. */
export function freeNames(names, taken) {
  return names.map((name) => {
    let free = name;
    while (taken.includes(free)) free = `predicted_${free}`;
    return free;
  });
}
