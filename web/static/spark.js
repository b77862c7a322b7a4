// Lines of the recent past: sloped for what flows, in steps for what is set or counted.

import { makeSvg } from "./dom.js";

const WIDTH = 100;
const HEIGHT = 24;
const MARGIN = 2;

export class Spark {
  constructor() {
    this.area = makeSvg("path", { class: "area" });
    this.line = makeSvg("path", { class: "line" });
    this.element = makeSvg(
      "svg",
      { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      this.area,
      this.line,
    );
  }

  /** `kind` is the property's: a boolean lies between off and on, an integer holds its value until the next. */
  draw(numbers, kind = "float") {
    const boolean = kind === "boolean";
    const level = scale(boolean ? [0, 1] : numbers);
    const line = boolean || kind.startsWith("int") ? steps(numbers, level) : slopes(numbers, level);
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", line ? `${line}V${HEIGHT}H0Z` : "");
  }
}

/** The height of a number in the drawing. */
function scale(numbers) {
  let low = Infinity;
  let high = -Infinity;
  for (const number of numbers) {
    if (number < low) low = number;
    if (number > high) high = number;
  }
  const span = high - low;
  return (number) => (HEIGHT - MARGIN - (span ? (number - low) / span : 0.5) * (HEIGHT - 2 * MARGIN)).toFixed(1);
}

function slopes(numbers, level) {
  const step = WIDTH / (numbers.length - 1);
  return numbers.map((number, at) => `${at ? "L" : "M"}${(at * step).toFixed(1)} ${level(number)}`).join("");
}

function steps(numbers, level) {
  const step = WIDTH / numbers.length;
  const held = (number, at) => `${at ? "V" : "M0 "}${level(number)}H${((at + 1) * step).toFixed(1)}`;
  return numbers.map(held).join("");
}
