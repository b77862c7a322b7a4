// One property in a card: its recent past, its value, what was asked of it, and a way to ask.

import { make, mark, say } from "./dom.js";
import { value } from "./format.js";
import { Control } from "./control.js";
import { Spark } from "./spark.js";

const SHOWN = 6;

/**
 * What a card shows unfolded: what differs, what has a value, then what could be asked, at most six, in their order.
 * `kept(name)` says what must stay: a person is writing there.
 */
export function choose(properties, kept = () => false) {
  const rank = ({ name, drifts, reported, writable }) =>
    kept(name) || drifts ? 0 : reported !== null ? 1 : writable ? 2 : 3;
  const telling = properties.filter((property) => rank(property) < 3);
  if (telling.length <= SHOWN) return telling;
  const best = new Set([...telling].sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN));
  return telling.filter((property) => best.has(property));
}

/** A reported value as a number for the trend, `NaN` for text. */
export function numeric({ reported, kind }) {
  if (kind === "boolean") return { true: 1, false: 0 }[reported] ?? NaN;
  return reported === null || reported === "" ? NaN : Number(reported);
}

export class Row {
  constructor(device, property) {
    this.spark = null;
    this.number = make("span.value");
    this.unit = make("span.unit");
    this.trend = make("dd.trend");
    this.asked = make("dd.asked");
    this.control = property.writable ? new Control(device, property) : null;
    const act = this.control ? make("dd.act", this.control.element) : null;
    const name = make("dt", property.name);
    name.title = property.name;
    this.element = make("div.property", name, this.trend, make("dd.now", this.number, this.unit), act, this.asked);
  }

  /** True while somebody asks a value here. */
  get busy() {
    return this.control?.asking ?? false;
  }

  draw(property) {
    say(this.number, value(property.reported, property.kind));
    mark(this.number, "title", property.reported);
    say(this.unit, property.reported === null ? "" : property.unit);
    say(this.asked, property.drifts ? `asked ${value(property.desired, property.kind)} ${property.unit}`.trim() : "");
    this.asked.hidden = !property.drifts;
    mark(this.element, "data-drifts", property.drifts);
    this.trend.hidden = !(property.trend?.length > 1);
    if (!this.trend.hidden) {
      if (!this.spark) this.trend.append((this.spark = new Spark()).element);
      this.spark.draw(property.trend, property.kind);
    }
    this.control?.draw(property);
  }
}
