/** Values along a sequence: a line for each output, the letters below each strip's numbers. */

import { css, themeColour } from "./colours.js";
import { AXIS_HEIGHT, drawAxis, hasCursor, letterFont } from "./strips.js";

const GUTTER = 40;
const TITLE = 17;
const PANELS = [110, 56, 46]; // pixels down, of one line, of two, of more
const LOWEST_PANEL = 30;
const GAP = 7;
const LEAST_TITLE = 220; // pixels across for a line's name

/**
 * What `Strips` shows of lines.
 *
 * @param {string[]} symbols The sequence's letters.
 * @param {Array<{title: string, values: number[], spread: ?number[], low: number, high: number}>} lines
 * @param {(value: number) => string} text A number at the axis.
 * @param {(line: object, position: number) => string} words A line's name and its value somewhere.
 * @param {(cursor: ?object) => void} read
 */
export function trackView(symbols, lines, text, words, read) {
  const panel = PANELS[lines.length - 1] ?? LOWEST_PANEL;
  const step = TITLE + panel + GAP;
  return {
    length: symbols.length,
    rows: 1,
    gutter: GUTTER,
    leastCell: 9,
    leastWidth: GUTTER + LEAST_TITLE,
    read,
    height: () => AXIS_HEIGHT + lines.length * step + 6,
    rowAt: () => 0,
    draw(context, part) {
      const colours = {
        ink: css(themeColour("--ink")),
        faint: css(themeColour("--quiet")),
        rule: css(themeColour("--rule")),
        line: css(themeColour("--accent")),
        area: css(themeColour("--accent"), 0.14),
        band: css(themeColour("--accent"), 0.3),
      };
      drawAxis(context, part, GUTTER, symbols, colours.ink, colours.faint);
      drawCursor(context, part, AXIS_HEIGHT + lines.length * step, colours.faint);
      lines.forEach((line, index) => {
        drawLine(context, part, line, { top: AXIS_HEIGHT + index * step + TITLE, panel, colours, text, words });
      });
    },
  };
}

function drawLine(context, part, line, { top, panel, colours, text, words }) {
  const width = (part.stop - part.start) * part.cell;
  const across = (position) => GUTTER + (position - part.start + 0.5) * part.cell;
  const range = line.high - line.low || 1;
  const down = (value) => top + panel * (1 - (Math.min(line.high, Math.max(line.low, value)) - line.low) / range);

  context.fillStyle = colours.ink;
  context.font = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  const title = hasCursor(part) ? words(line, part.cursor.position) : line.title;
  context.fillText(title, GUTTER, top - 5, Math.max(width, LEAST_TITLE));

  context.strokeStyle = colours.rule;
  context.lineWidth = 1;
  context.fillStyle = colours.faint;
  context.font = letterFont(10);
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const value of [line.low, line.high]) {
    const y = Math.round(down(value)) + 0.5;
    context.beginPath();
    context.moveTo(GUTTER, y);
    context.lineTo(GUTTER + width, y);
    context.stroke();
    context.fillText(text(value), GUTTER - 5, y, GUTTER - 6);
  }

  const points = [];
  // A step beyond either end of a strip, so that lines go on to where it is cut.
  for (let position = Math.max(0, part.start - 1); position < Math.min(line.values.length, part.stop + 1); position += 1) {
    points.push(position);
  }
  const trace = (value) => {
    points.forEach((position, index) => {
      if (index) context.lineTo(across(position), down(value(position)));
      else context.moveTo(across(position), down(value(position)));
    });
  };
  context.save();
  context.beginPath();
  context.rect(GUTTER, top - 3, width, panel + 6);
  context.clip();
  context.fillStyle = colours.area;
  context.beginPath();
  trace((position) => line.values[position]);
  context.lineTo(across(points.at(-1)), down(line.low));
  context.lineTo(across(points[0]), down(line.low));
  context.fill();
  if (line.spread) {
    context.fillStyle = colours.band;
    context.beginPath();
    trace((position) => line.values[position] + line.spread[position]);
    for (const position of [...points].reverse()) {
      context.lineTo(across(position), down(line.values[position] - line.spread[position]));
    }
    context.fill();
  }
  context.strokeStyle = colours.line;
  context.lineWidth = 1.6;
  context.lineJoin = "round";
  context.beginPath();
  trace((position) => line.values[position]);
  context.stroke();
  if (points.length === 1) {
    context.fillStyle = colours.line;
    context.fillRect(across(points[0]) - 2, down(line.values[points[0]]) - 2, 4, 4);
  }
  context.restore();
}

function drawCursor(context, part, bottom, colour) {
  if (!hasCursor(part)) return;
  context.strokeStyle = colour;
  context.lineWidth = 1;
  const x = Math.round(GUTTER + (part.cursor.position - part.start + 0.5) * part.cell) + 0.5;
  context.beginPath();
  context.moveTo(x, AXIS_HEIGHT);
  context.lineTo(x, bottom);
  context.stroke();
}
