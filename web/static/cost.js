// Where the time of a picture goes: a bar in parts, and the same in figures.

import { arrange, make, say } from "./dom.js";

const PARTS = [
  ["network", "network"],
  ["queue_ms", "queue"],
  ["decode_ms", "decode"],
  ["infer_ms", "model"],
  ["post_ms", "rest"],
];

export class Cost {
  constructor() {
    this.bar = make("div.bar");
    this.bar.setAttribute("aria-hidden", "true");
    this.legend = make("p.figures.quiet");
    this.parts = new Map(PARTS.map(([name, label]) => [name, part(name, label)]));
    this.element = make("div.cost", this.bar, this.legend);
  }

  /** `cost` has the milliseconds of each part; a part without any is left out. */
  draw(cost) {
    const shown = [...this.parts].filter(([name]) => cost[name] >= 0.05);
    for (const [name, { strip, figure }] of shown) {
      strip.style.flexGrow = cost[name].toFixed(1);
      say(figure, cost[name].toFixed(1));
    }
    arrange(this.bar, shown.map(([, { strip }]) => strip));
    arrange(this.legend, shown.map(([, { label }]) => label));
    this.element.hidden = !shown.length;
  }
}

function part(name, label) {
  const kind = name.replace("_ms", "");
  const figure = make("span.figure");
  return { strip: make(`span.${kind}`), figure, label: make(`span.${kind}`, `${label} `, figure, " ms") };
}
