/** Colours of the page's theme, and a scale from one over a middle to another, even to the eye (in OKLab). */

/** The colour of a custom property of the style sheet, such as "--ink", as [r, g, b]. */
export function themeColour(name) {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

export function css([red, green, blue], opacity = 1) {
  return `rgb(${Math.round(red)} ${Math.round(green)} ${Math.round(blue)} / ${opacity})`;
}

/**
 * A diverging scale: -1 is the first colour, 0 the middle one, 1 the last.
 *
 * @returns {(share: number) => string}
 */
export function divergingScale(low, middle, high) {
  const [first, centre, last] = [low, middle, high].map(toLab);
  const steps = Array.from({ length: 257 }, (_, step) => {
    const share = step / 128 - 1;
    const end = share < 0 ? first : last;
    return css(fromLab(centre.map((value, index) => value + (end[index] - value) * Math.abs(share))));
  });
  return (share) => steps[Math.round((Math.min(1, Math.max(-1, share)) + 1) * 128)];
}

function toLab(colour) {
  const [red, green, blue] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const long = Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue);
  const medium = Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue);
  const small = Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue);
  return [
    0.2104542553 * long + 0.793617785 * medium - 0.0040720468 * small,
    1.9779984951 * long - 2.428592205 * medium + 0.4505937099 * small,
    0.0259040371 * long + 0.7827717662 * medium - 0.808675766 * small,
  ];
}

function fromLab([lightness, green, blue]) {
  const long = (lightness + 0.3963377774 * green + 0.2158037573 * blue) ** 3;
  const medium = (lightness - 0.1055613458 * green - 0.0638541728 * blue) ** 3;
  const small = (lightness - 0.0894841775 * green - 1.291485548 * blue) ** 3;
  return [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * small,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * small,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * small,
  ].map((part) => {
    const value = part <= 0.0031308 ? part * 12.92 : 1.055 * part ** (1 / 2.4) - 0.055;
    return Math.min(255, Math.max(0, value * 255));
  });
}
