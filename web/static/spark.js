// Lines of the recent past.

import { makeSvg } from "./dom.js";

const WIDTH = 100;
const HEIGHT = 24;

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

  draw(numbers) {
    const line = path(numbers);
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", line ? `${line}V${HEIGHT}H0Z` : "");
  }
}

function path(numbers) {
  if (numbers.length < 2) return "";
  let low = Infinity;
  let high = -Infinity;
  for (const number of numbers) {
    if (number < low) low = number;
    if (number > high) high = number;
  }
  const span = high - low;
  const step = WIDTH / (numbers.length - 1);
  let drawn = "";
  for (let index = 0; index < numbers.length; index += 1) {
    const part = span ? (numbers[index] - low) / span : 0.5;
    drawn += `${index ? "L" : "M"}${(index * step).toFixed(1)} ${(HEIGHT - 2 - part * (HEIGHT - 4)).toFixed(1)}`;
  }
  return drawn;
}
