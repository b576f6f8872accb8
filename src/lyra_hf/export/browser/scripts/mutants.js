/** All single mutants of a sequence. */

import { Rows, joined } from "./inputs.js";

/**
 * Single mutants in the order of positions, and at each in the order of the alphabet's letters.
 *
 * @param {Alphabet} alphabet
 * @param {Uint8Array[]} parts The ids of the sequence, of a pair of both.
 * @param {number} side Which of the two is mutated.
 */
export class Mutants {
  constructor(alphabet, parts, side) {
    this.symbols = alphabet.spell(parts[side]);
    this.letters = alphabet.letters;
    this.list = []; // {position, letter}: numbers from 0
    this.rowAt = new Int32Array(this.symbols.length * this.letters.length).fill(-1);
    this.symbols.forEach((symbol, position) => {
      this.letters.forEach((letter, index) => {
        if (letter === symbol) return;
        this.rowAt[position * this.letters.length + index] = this.list.length;
        this.list.push({ position, letter: index });
      });
    });
    this.parts = parts;
    this.side = side;
    this.ids = this.letters.map((letter) => alphabet.ids.get(letter));
  }

  /** "A24G". */
  name({ position, letter }) {
    return `${this.symbols[position]}${position + 1}${this.letters[letter]}`;
  }

  /** The number of a mutant in the list, or -1 of the wild type. */
  at(position, letter) {
    return this.rowAt[position * this.letters.length + letter];
  }

  /** The token ids of all of them. */
  rows() {
    const whole = joined(this.parts);
    const before = this.side ? this.parts[0].length : 0;
    const ids = new Uint8Array(this.list.length * whole.length);
    this.list.forEach(({ position, letter }, row) => {
      ids.set(whole, row * whole.length);
      ids[row * whole.length + before + position] = this.ids[letter];
    });
    return new Rows(ids, Float64Array.from({ length: this.list.length + 1 }, (_, row) => row * whole.length));
  }
}
