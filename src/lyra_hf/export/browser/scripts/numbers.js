/** Numbers as text: short ones for people, exact ones for files. */

const MINUS = "\u2212";

/** A number in about four digits. */
export function short(value) {
  if (!Number.isFinite(value)) return "not a number";
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-4)) return value.toExponential(2).replaceAll("-", MINUS);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4;
  const text = value.toFixed(Math.min(digits, 4));
  return /^-?0\.?0*$/.test(text) ? "0" : text.replace("-", MINUS);
}

/** How far something is spread, in about two digits. */
export function rough(value) {
  return value > 0 && value < 1e5 && value >= 1e-4 ? String(Number(value.toPrecision(2))) : short(value);
}

/** A change, with its sign. */
export function signed(value) {
  const text = short(value);
  return value > 0 && text !== "0" ? `+${text}` : text;
}

/** A share in percent. */
export function percent(value) {
  const text = (100 * value).toFixed(1);
  if (value > 0 && text === "0.0") return "< 0.1 %";
  if (value < 1 && text === "100.0") return "> 99.9 %";
  return `${text} %`;
}

/** The fewest digits that read back as the same 32-bit number; nothing for what is no number. */
export function exact(value) {
  if (!Number.isFinite(value)) return "";
  const single = Math.fround(value);
  for (let digits = 1; digits < 9; digits += 1) {
    const text = single.toPrecision(digits);
    if (Math.fround(Number(text)) === single) return String(Number(text));
  }
  return String(Number(single.toPrecision(9)));
}

/** The least of 0.01, 0.02, 0.05, 0.1, ... 1 that is not below a share. */
export function ceiling(share) {
  return [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].find((step) => share <= step) ?? 1;
}

/** Whole numbers with separators. */
export function counted(number) {
  return number.toLocaleString("en");
}

export function size(bytes) {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e3)} kB`;
}

/** "1 sequence", "2 sequences". */
export function several(number, noun) {
  return `${counted(number)} ${noun}${number === 1 ? "" : "s"}`;
}
