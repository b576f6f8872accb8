/** The letters of a model: which token id each character is read as, and what is wrong with a sequence. */

export const PAD_ID = 0;
export const UNK_ID = 1;

/** Something that whoever uses the page can mend; its message is one line for them. */
export class InputError extends Error {}

export class Alphabet {
  /** @param {object} description `letters`, `vocabulary`, `foldings`, `white_space` and `alphabet` of a model. */
  constructor(description) {
    this.name = description.alphabet;
    this.letters = [...description.letters];
    const tokens = Object.entries(description.vocabulary).sort((one, other) => one[1] - other[1]);
    this.symbols = tokens.map(([token]) => token); // by token id
    const codes = tokens.slice(UNK_ID + 1 + this.letters.length).map(([token]) => token);
    this.spelled = description.letters + (codes.length ? `, ambiguity codes ${codes.join("")}` : "");
    this.ids = new Map(tokens.slice(UNK_ID + 1));
    for (const [spelling, symbol] of Object.entries(description.foldings)) {
      this.ids.set(spelling, description.vocabulary[symbol]);
    }
    this.blanks = new Set(description.white_space);
  }

  /**
   * Token ids of a sequence, without its white space.
   *
   * @param {string} text
   * @returns {Uint8Array}
   * @throws {InputError} A character is not in the alphabet.
   */
  encode(text) {
    const ids = new Uint8Array(text.length);
    let size = 0;
    let position = 0;
    for (const character of text) {
      position += 1;
      const id = this.ids.get(character);
      if (id !== undefined) ids[size++] = id;
      else if (!this.blanks.has(character)) {
        throw new InputError(
          `the letter '${character}' at position ${position} is not in the ${this.name} alphabet (${this.spelled})`,
        );
      }
    }
    return ids.slice(0, size);
  }

  /** The symbols of token ids, as an array of one-letter texts. */
  spell(ids) {
    return Array.from(ids, (id) => this.symbols[id]);
  }
}
