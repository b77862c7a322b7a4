// One device as a card.

import { arrange, button, make, mark, say } from "./dom.js";
import { ago, fully, short, value } from "./format.js";
import { Spark } from "./spark.js";
import { Control } from "./control.js";

const AWAY = new Set(["offline", "disconnected", "unknown", "unhealthy"]);

export class Card {
  constructor(id, open) {
    this.visible = false;
    this.device = null;
    this.rows = new Map();
    this.dot = make("span.dot");
    this.state = make("span.unseen");
    this.name = button(short(id), open, "button.name");
    this.model = make("span.model.quiet");
    this.seen = make("time.seen.quiet");
    this.list = make("dl.properties");
    const heading = make("h3", this.dot, this.name, this.state);
    this.element = make("li.card", make("div.card-head", heading, this.seen), this.model, this.list);
    this.element.dataset.id = id;
  }

  take(device) {
    this.device = device;
    this.drifts = device.properties.some((property) => property.drifts);
    this.away = AWAY.has(device.state.toLowerCase());
    this.online = device.state !== "" && !this.away;
  }

  draw() {
    const { device } = this;
    this.dot.className = `dot ${this.online ? "ok" : this.away ? "away" : "unknown"}`;
    say(this.state, `, ${device.state || "state unknown"}`);
    mark(this.element, "data-away", this.away);
    say(this.model, device.model);
    this.tick();
    const rows = device.properties.map((property) => this.row(property));
    arrange(this.list, rows.map((row) => row.element));
  }

  row(property) {
    let row = this.rows.get(property.name);
    if (!row) this.rows.set(property.name, (row = new Row(this.device.id, property)));
    row.draw(property);
    return row;
  }

  tick() {
    say(this.seen, this.device.seen ? ago(this.device.seen) : "");
    mark(this.seen, "title", `last heard of ${fully(this.device.seen)}`);
  }
}

class Row {
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

  draw(property) {
    const reported = value(property.reported, property.kind);
    say(this.number, reported);
    mark(this.number, "title", property.reported);
    say(this.unit, property.reported === null ? "" : property.unit);
    say(this.asked, property.drifts ? `asked ${value(property.desired, property.kind)} ${property.unit}`.trim() : "");
    this.asked.hidden = !property.drifts;
    mark(this.element, "data-drifts", property.drifts);
    this.trend.hidden = !(property.trend?.length > 1);
    if (!this.trend.hidden) {
      if (!this.spark) this.trend.append((this.spark = new Spark()).element);
      this.spark.draw(property.trend);
    }
    this.control?.draw(property);
  }
}
