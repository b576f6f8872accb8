/** A sequence laid out on canvases, one strip below another, with a cursor that mouse, finger and arrow keys move. */

const MOST_COLUMNS = 60;
const WIDEST_CELL = 30; // pixels across
const FONT = '"SFMono-Regular", ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

export function letterFont(size) {
  return `${size}px ${FONT}`;
}

/**
 * How many positions stand beside each other, and how wide each is: as many as fit, in strips of about one length.
 *
 * @param {number} length Positions in all.
 * @param {number} width Pixels that there are.
 * @param {number} leastCell Pixels that a position takes at least.
 */
export function wrap(length, width, leastCell) {
  const room = Math.max(1, Math.min(MOST_COLUMNS, Math.floor(width / leastCell)));
  const fit = room >= length || room < 5 ? room : room - (room % 5);
  const strips = Math.ceil(length / fit);
  const even = Math.ceil(length / strips);
  const columns = strips > 1 ? Math.min(fit, Math.ceil(even / 5) * 5) : length;
  return { columns, cell: Math.min(WIDEST_CELL, Math.floor(width / columns)) };
}

export class Strips {
  /**
   * @param {HTMLElement} place A focusable element; the canvases go in it.
   */
  constructor(place) {
    this.place = place;
    this.view = null;
    this.cursor = null; // {position, row}
    new ResizeObserver(() => this.#layOut(false)).observe(place);
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", () => this.draw());
    }
    place.addEventListener("keydown", (event) => this.#onKey(event));
    place.addEventListener("pointermove", (event) => this.#onPointer(event));
    place.addEventListener("pointerdown", (event) => this.#onPointer(event));
    place.addEventListener("pointerleave", () => document.activeElement === place || this.move(null));
    place.addEventListener("focus", () => this.cursor || !this.view || this.move({ position: 0, row: 0 }));
    place.addEventListener("blur", () => this.move(null));
  }

  /**
   * Show another view; the cursor stays where it was if it can.
   *
   * @param {object} view `length`; `rows`, how many the cursor moves over; `gutter`, pixels on the left; `leastCell`,
   *     pixels across a position; `height(cell)`;
   *     `rowAt(y, cell)`; `draw(context, part)`; and `read(cursor)`, called when the cursor has moved.
   */
  show(view) {
    const { cursor } = this;
    this.view = view;
    this.#layOut(true);
    if (cursor && cursor.position < view.length && cursor.row < view.rows) this.move(cursor);
    else this.cursor = null;
  }

  clear() {
    this.view = null;
    this.cursor = null;
    this.place.replaceChildren();
  }

  /** Draw when the browser next does, however often it is asked for. */
  draw() {
    if (this.pending || !this.view) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      if (!this.view) return;
      [...this.place.children].forEach((canvas, strip) => this.#drawStrip(canvas, strip));
    });
  }

  move(cursor) {
    this.cursor = cursor;
    if (this.view) this.view.read(cursor);
    this.draw();
  }

  #layOut(isNew) {
    const { view, place } = this;
    const width = place.clientWidth - 4; // a column of pixels for the focus ring
    if (!view || width <= 0) return;
    const layout = wrap(view.length, width - view.gutter, view.leastCell);
    const isSame = this.layout && layout.columns === this.layout.columns && layout.cell === this.layout.cell;
    if (isSame && !isNew) return;
    this.layout = layout;
    const strips = Math.ceil(view.length / layout.columns);
    while (place.children.length > strips) place.lastChild.remove();
    while (place.children.length < strips) {
      const canvas = document.createElement("canvas");
      canvas.setAttribute("aria-hidden", "true");
      place.append(canvas);
    }
    this.draw();
  }

  #part(strip) {
    const { columns, cell } = this.layout;
    const start = strip * columns;
    return { start, stop: Math.min(this.view.length, start + columns), cell, cursor: this.cursor };
  }

  #drawStrip(canvas, strip) {
    const part = this.#part(strip);
    const { view } = this;
    const width = Math.max(view.leastWidth ?? 0, view.gutter + (part.stop - part.start) * part.cell + 2);
    const height = view.height(part.cell);
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    view.draw(context, part);
  }

  #onPointer(event) {
    const strip = [...this.place.children].indexOf(event.target);
    if (!this.view || strip < 0) return;
    const box = event.target.getBoundingClientRect();
    const { start, stop, cell } = this.#part(strip);
    const position = start + Math.floor((event.clientX - box.left - this.view.gutter) / cell);
    const row = this.view.rowAt(event.clientY - box.top, cell);
    if (position >= start && position < stop && row >= 0 && row < this.view.rows) this.move({ position, row });
  }

  #onKey(event) {
    const { view } = this;
    if (!view || event.ctrlKey || event.metaKey || event.altKey) return;
    const { position, row } = this.cursor ?? { position: 0, row: 0 };
    const moved = {
      ArrowLeft: { position: Math.max(0, position - 1), row },
      ArrowRight: { position: Math.min(view.length - 1, position + 1), row },
      ArrowUp: { position, row: Math.max(0, row - 1) },
      ArrowDown: { position, row: Math.min(view.rows - 1, row + 1) },
      PageUp: { position: Math.max(0, position - this.layout.columns), row },
      PageDown: { position: Math.min(view.length - 1, position + this.layout.columns), row },
      Home: { position: 0, row },
      End: { position: view.length - 1, row },
      Escape: null,
    };
    if (!(event.key in moved)) return;
    event.preventDefault();
    this.move(moved[event.key]);
  }
}

/** Whether the cursor is in a strip. */
export function hasCursor({ cursor, start, stop }) {
  return Boolean(cursor) && cursor.position >= start && cursor.position < stop;
}

/** The letters of a strip along its top, with every tenth number above. */
export function drawAxis(context, part, gutter, symbols, ink, faint) {
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  for (let position = part.start; position < part.stop; position += 1) {
    const x = gutter + (position - part.start + 0.5) * part.cell;
    context.font = letterFont(Math.min(13, part.cell));
    context.fillStyle = ink;
    context.fillText(symbols[position], x, 29);
    const number = position + 1;
    const isClose = number % 10 > 7; // to the next that has its number
    if (number % 10 === 0 || (position === part.start && !isClose)) {
      context.font = letterFont(10);
      context.fillStyle = faint;
      context.fillText(String(number), x, 12);
    }
  }
}

export const AXIS_HEIGHT = 35;
