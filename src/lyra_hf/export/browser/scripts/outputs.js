/** What a model's outputs mean: probabilities of classes, numbers with a unit, columns of a table. */

const REGRESSION = "regression";
const ONE_CLASS = "single_label_classification";

/**
 * What a model gives for some rows, one behind the other.
 *
 * @typedef {object} Results
 * @property {Float32Array} logits
 * @property {Float32Array} [spread] Of an ensemble, the standard deviation over its members.
 * @property {Float32Array} [lower] Of a regression with intervals, the lower ends of those of 90 %.
 * @property {Float32Array} [upper] Their upper ends.
 * @property {?Float64Array} offsets Of a head per residue, where each row's positions begin.
 */

/** Which arrays of `Results` a model gives. */
export function arraysOf(model) {
  return ["logits", ...(model.ensemble_size > 1 ? ["spread"] : []), ...(model.intervals ? ["lower", "upper"] : [])];
}

export function isRegression(model) {
  return model.problem_type === REGRESSION;
}

export function isOneClass(model) {
  return model.problem_type === ONE_CLASS;
}

/** Probabilities of one row of logits. */
export function probabilities(model, logits) {
  if (!isOneClass(model)) return Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)));
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** The log-odds (natural) of one output of a row of logits: of a class against all the others. */
export function logOdds(model, logits, output) {
  if (!isOneClass(model)) return logits[output];
  const others = Array.from(logits).filter((_, index) => index !== output);
  const most = Math.max(...others);
  return logits[output] - most - Math.log(others.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
}

/** What a heat map compares: the number itself of a regression, of classes the log-odds. */
export function comparable(model, logits, output) {
  return isRegression(model) ? logits[output] : logOdds(model, logits, output);
}

/** What `comparable` is, for a legend or a column. */
export function comparableName(model, output) {
  return isRegression(model) ? model.outputs[output] : `log-odds of ${model.outputs[output]}`;
}

/** The output that is shown first: of two classes the second, of several the likeliest, else the first. */
export function firstOutput(model, logits) {
  if (!isOneClass(model)) return 0;
  return model.outputs.length === 2 ? 1 : argmax(logits);
}

export function argmax(values) {
  return values.indexOf(Math.max(...values));
}

/** One row of the outputs of several. */
export function rowOf(values, row, width) {
  return values.subarray(row * width, (row + 1) * width);
}

/**
 * The columns that `lyra-hf predict` adds, for rows of outputs.
 *
 * @param {object} model
 * @param {Results} results
 * @returns {Map<string, (row: number) => string|number>} Each column's name, and what gives its value in a row.
 */
export function columnsOf(model, { logits, spread, lower, upper }) {
  const width = model.outputs.length;
  const columns = new Map();
  if (isRegression(model)) {
    const numbers = { prediction: logits, lower, upper, sd: spread };
    for (const [title, values] of Object.entries(numbers)) {
      if (!values) continue;
      model.outputs.forEach((name, index) => {
        columns.set(width === 1 ? title : `${title}_${name}`, (row) => values[row * width + index]);
      });
    }
    return columns;
  }
  const chances = (row) => probabilities(model, rowOf(logits, row, width)).map(Math.fround);
  if (isOneClass(model)) {
    columns.set("label", (row) => model.outputs[argmax(chances(row))]);
    columns.set("score", (row) => Math.max(...chances(row)));
    return columns;
  }
  columns.set("label", (row) => model.outputs.filter((_, index) => chances(row)[index] > 0.5).join(";"));
  model.outputs.forEach((name, index) => columns.set(`score_${name}`, (row) => chances(row)[index]));
  return columns;
}
