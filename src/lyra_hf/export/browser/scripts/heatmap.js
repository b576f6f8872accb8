/** The heat map of single mutants: positions across, letters down, colour for the change. */

import { css, divergingScale, themeColour } from "./colours.js";
import { AXIS_HEIGHT, drawAxis, hasCursor, letterFont } from "./strips.js";

const GUTTER = 22;
const LEGEND_STEPS = 256;

/** The colours of the present theme. */
export function heatColours() {
  return divergingScale(themeColour("--lower"), themeColour("--same"), themeColour("--higher"));
}

/**
 * What `Strips` shows of mutants.
 *
 * @param {Mutants} mutants
 * @param {Float64Array} changes For each mutant, NaN where it is not computed yet.
 * @param {number} limit The change whose colour is the strongest, either way.
 * @param {(cursor: ?object) => void} read
 */
export function heatView(mutants, changes, limit, read) {
  const rows = mutants.letters.length;
  const cellHeight = (cell) => (rows > 8 ? Math.min(cell, 16) : Math.min(cell + 4, 26));
  return {
    length: mutants.symbols.length,
    rows,
    gutter: GUTTER,
    leastCell: 13,
    read,
    height: (cell) => AXIS_HEIGHT + rows * cellHeight(cell) + 2,
    rowAt: (y, cell) => Math.floor((y - AXIS_HEIGHT) / cellHeight(cell)),
    draw(context, part) {
      const colours = { scale: heatColours(), ink: css(themeColour("--ink")), faint: css(themeColour("--quiet")) };
      const tall = cellHeight(part.cell);
      drawAxis(context, part, GUTTER, mutants.symbols, colours.ink, colours.faint);
      drawLetters(context, mutants, tall, colours.ink);
      for (let position = part.start; position < part.stop; position += 1) {
        for (let letter = 0; letter < rows; letter += 1) {
          const box = [GUTTER + (position - part.start) * part.cell, AXIS_HEIGHT + letter * tall, part.cell - 1, tall - 1];
          drawCell(context, box, mutants.at(position, letter), changes, limit, colours);
        }
      }
      drawCursor(context, part, tall, colours.ink);
    },
  };
}

function drawLetters(context, mutants, tall, ink) {
  context.font = letterFont(Math.min(12, tall));
  context.fillStyle = ink;
  context.textAlign = "center";
  context.textBaseline = "middle";
  mutants.letters.forEach((letter, row) => context.fillText(letter, GUTTER / 2, AXIS_HEIGHT + (row + 0.5) * tall));
}

function drawCell(context, [x, y, width, height], row, changes, limit, { scale, ink, faint }) {
  if (row < 0) {
    // The wild type: a dot on the colour of no change.
    context.fillStyle = scale(0);
    context.fillRect(x, y, width, height);
    context.fillStyle = ink;
    context.beginPath();
    context.arc(x + width / 2, y + height / 2, Math.min(width, height) / 6 + 0.6, 0, 2 * Math.PI);
    context.fill();
  } else if (Number.isNaN(changes[row])) {
    context.strokeStyle = faint;
    context.globalAlpha = 0.25;
    context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
    context.globalAlpha = 1;
  } else {
    context.fillStyle = scale(limit ? changes[row] / limit : 0);
    context.fillRect(x, y, width, height);
  }
}

function drawCursor(context, part, tall, ink) {
  const { cursor } = part;
  if (!hasCursor(part)) return;
  context.strokeStyle = ink;
  context.lineWidth = 2;
  const x = GUTTER + (cursor.position - part.start) * part.cell;
  context.strokeRect(x - 0.5, AXIS_HEIGHT + cursor.row * tall - 0.5, part.cell, tall);
}

/** The bar of colours from the greatest decrease to the greatest increase. */
export function drawLegend(canvas) {
  canvas.width = LEGEND_STEPS; // the style sheet says how large it is
  canvas.height = 1;
  const context = canvas.getContext("2d");
  const scale = heatColours();
  for (let x = 0; x < canvas.width; x += 1) {
    context.fillStyle = scale((2 * x) / (canvas.width - 1) - 1);
    context.fillRect(x, 0, 1, 1);
  }
}
