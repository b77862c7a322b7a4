// One twin in full: both sides with times and versions, and the past of each property.

import { ask, devicePath } from "./api.js";
import { arrange, button, byId, make, say } from "./dom.js";
import { at, fully, short, value } from "./format.js";
import { Spark } from "./spark.js";

export class Detail {
  constructor(devices) {
    this.devices = devices;
    this.dialog = byId("detail");
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => (this.id = null));
  }

  open(id) {
    this.id = id;
    this.pasts = new Map();
    const title = make("h2", short(id));
    title.id = "detail-title";
    const close = button("Close", () => this.dialog.close());
    this.about = make("p.quiet");
    this.body = make("tbody");
    const columns = ["Property", "Reported", "at", "Desired", "at", "Versions", "Past"];
    const head = make("tr", ...columns.map((name) => make("th", name)));
    for (const cell of head.children) cell.scope = "col";
    const table = make("div.rows", make("table", make("thead", head), this.body));
    this.dialog.replaceChildren(make("div.heading", title, close), this.about, table);
    this.draw();
    if (!this.dialog.open) this.dialog.showModal();
    this.load();
  }

  /** An open detail stays live. */
  show() {
    this.draw();
  }

  draw() {
    const device = this.id && this.devices.get(this.id);
    if (!device) return;
    const state = [device.state, device.reason].filter(Boolean).join(": ");
    const parts = [device.id, device.model, state, `last heard of ${fully(device.seen)}`, device.description];
    say(this.about, parts.filter(Boolean).join(" · "));
    arrange(this.body, device.properties.map((property) => this.row(property)));
  }

  row(property) {
    let row = this.pasts.get(property.name);
    if (!row) {
      row = { cells: Array.from({ length: 7 }, () => make("td")) };
      row.element = make("tr", ...row.cells);
      this.pasts.set(property.name, row);
    }
    row.kind = property.kind;
    const unit = property.unit ? ` ${property.unit}` : "";
    const [name, reported, reportedAt, desired, desiredAt, versions] = row.cells;
    say(name, property.name);
    say(reported, property.reported === null ? "–" : value(property.reported, property.kind) + unit);
    say(reportedAt, at(property.reported_at));
    say(desired, property.desired === null ? "–" : value(property.desired, property.kind) + unit);
    say(desiredAt, at(property.desired_at));
    say(versions, `edge ${property.edge_version} · cloud ${property.cloud_version}`);
    row.element.toggleAttribute("data-drifts", property.drifts);
    return row.element;
  }

  async load() {
    const { id, pasts } = this;
    const load = async ([name, row]) => {
      const points = await ask("GET", `${devicePath("devices", id, "history", name)}?count=120`).catch(() => []);
      row.cells[6].replaceChildren(past(points, row.kind));
    };
    await Promise.all([...pasts].map(load));
  }
}

function past(points, kind) {
  const numbers = points.map((point) => Number(point.value));
  if (points.length > 1 && numbers.every(Number.isFinite)) {
    const spark = new Spark();
    spark.draw(numbers, kind);
    const range = `${value(String(Math.min(...numbers)), "float")} to ${value(String(Math.max(...numbers)), "float")}`;
    return make("div.past", spark.element, make("span.quiet", `${range} since ${at(points[0].at)}`));
  }
  const last = points.slice(-4).map((point) => `${point.value} (${at(point.at)})`);
  return make("span.quiet", last.join(" → ") || "nothing recorded");
}
