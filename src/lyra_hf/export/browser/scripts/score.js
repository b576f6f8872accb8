/** The score of one sequence, as the page shows it. */

import { element } from "./dom.js";
import { percent, rough, several, short } from "./numbers.js";
import { isOneClass, isRegression, probabilities } from "./outputs.js";

/**
 * The elements that show a score.
 *
 * @param {object} model
 * @param {Results} results Of one sequence.
 * @param {number} positions Of a head per residue, how many residues were scored.
 */
export function scoreElements(model, results, positions) {
  if (model.head === "residue") {
    return [element("p", {}, `${several(positions, "residue")} scored; their values are below.`)];
  }
  return isRegression(model) ? numbers(model, results) : bars(model, results);
}

/** Each number with its unit, and what is known of how sure it is: a line each below it. */
function numbers(model, { logits, spread, lower, upper }) {
  return model.outputs.map((name, index) => {
    const notes = [];
    if (lower) notes.push(`${short(lower[index])} to ${short(upper[index])}, the 90\u00a0% prediction interval`);
    if (spread) notes.push(spreadNote(model, spread[index]));
    return element(
      "div",
      { class: model.outputs.length === 1 ? "number" : "number several" },
      element("p", {}, element("strong", {}, short(logits[index])), " ", element("span", { class: "unit" }, name)),
      ...notes.map((note) => element("p", { class: "quiet" }, note)),
    );
  });
}

function spreadNote(model, value) {
  return `\u00b1 ${rough(value)}, the standard deviation over the ensemble's ${model.ensemble_size} members`;
}

/** A bar for each class; of classes that exclude each other the likeliest first. */
function bars(model, { logits }) {
  const chances = probabilities(model, logits);
  const order = model.outputs.map((_, index) => index);
  if (isOneClass(model)) order.sort((one, other) => chances[other] - chances[one]);
  const lines = order.map((index, place) => {
    const bar = element("span", { class: "bar", "aria-hidden": "true" }, element("span"));
    bar.firstChild.style.width = `${100 * chances[index]}%`;
    const isFirst = isOneClass(model) ? place === 0 : chances[index] > 0.5;
    return element(
      "li",
      { class: isFirst ? "chosen" : "" },
      element("span", { class: "name" }, model.outputs[index]),
      bar,
      element("span", { class: "share" }, percent(chances[index])),
    );
  });
  const note =
    model.ensemble_size > 1 ? `probabilities, from the mean logits of ${model.ensemble_size} members` : "probabilities";
  return [element("ol", { class: "bars" }, ...lines), element("p", { class: "quiet" }, note)];
}
