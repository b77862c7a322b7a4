// One device as a card.

import { arrange, button, make, mark, say } from "./dom.js";
import { ago, fully, short } from "./format.js";
import { Cost } from "./cost.js";
import { choose, Row } from "./row.js";

const AWAY = new Set(["offline", "disconnected", "unknown", "unhealthy"]);
const HEAD = 44;
const LINE = 29;

export class Card {
  constructor(id, open) {
    this.visible = false;
    this.unfolded = false;
    this.device = null;
    this.rows = new Map();
    this.dot = make("span.dot");
    this.state = make("span.unseen");
    this.name = button(short(id), open, "button.name");
    this.model = make("span.model.quiet");
    this.seen = make("time.seen.quiet");
    this.list = make("dl.properties");
    const heading = make("h3", this.dot, this.name, this.state);
    this.element = make("div.card", make("div.card-head", heading, this.model, this.seen), this.list);
    this.element.dataset.id = id;
    this.element.setAttribute("role", "listitem");
  }

  take(device) {
    this.device = device;
    this.drifts = device.properties.some((property) => property.drifts);
    this.away = AWAY.has(device.state.toLowerCase());
    this.online = device.state !== "" && !this.away;
  }

  /** About how high it is drawn, in pixels. */
  get height() {
    const { properties, cost } = this.device;
    const shown = choose(properties).length;
    return HEAD + LINE * (shown + (shown < properties.length) + (cost ? 1 : 0));
  }

  draw() {
    const { device } = this;
    this.dot.className = `dot ${this.online ? "ok" : this.away ? "away" : "unknown"}`;
    const state = [device.state || "state unknown", device.reason].filter(Boolean).join(": ");
    say(this.state, `, ${state}`);
    this.dot.title = state;
    mark(this.element, "data-away", this.away);
    const [, name] = device.id.split(/\/(.*)/s);
    say(this.model, name?.startsWith(device.model) ? "" : device.model); // thermometer-1 need not say it twice
    this.tick();
    const best = choose(device.properties, (name) => this.rows.get(name)?.busy);
    const shown = this.unfolded ? device.properties : best;
    arrange(this.list, shown.map((property) => this.row(property).element));
    this.fold(device.properties.length - best.length);
    this.budget();
  }

  row(property) {
    let row = this.rows.get(property.name);
    if (!row) this.rows.set(property.name, (row = new Row(this.device.id, property)));
    row.draw(property);
    return row;
  }

  /** The button for the properties that are not shown. */
  fold(hidden) {
    if (!hidden) return this.more?.remove();
    if (!this.more) {
      this.label = make("span");
      const whose = make("span.unseen", ` properties of ${short(this.device.id)}`);
      this.more = button(make("span", this.label, whose), () => this.toggle(), "button.fold");
    }
    say(this.label, this.unfolded ? "Fewer" : `${hidden} more`);
    mark(this.more, "aria-expanded", String(this.unfolded));
    if (!this.more.isConnected) this.list.after(this.more);
  }

  toggle() {
    this.unfolded = !this.unfolded;
    this.draw();
  }

  /** Where the time goes; of a camera its own tile tells it. */
  budget() {
    const { cost, model, properties } = this.device;
    if (!cost || model === "camera") return;
    if (!this.cost) this.element.append((this.cost = new Cost()).element);
    const network = Number(properties.find((property) => property.name === "network.p50_ms")?.reported ?? 0);
    this.cost.draw({ ...cost, network });
  }

  tick() {
    say(this.seen, this.device.seen ? ago(this.device.seen) : "");
    mark(this.seen, "title", `last heard of ${fully(this.device.seen)}`);
  }
}
