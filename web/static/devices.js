// The device grid. Only cards in or near the view are drawn, and of those only what changed: a thousand devices scroll
// as smoothly as ten.

import { byId, mark, say } from "./dom.js";
import { Card } from "./card.js";
import { Columns } from "./columns.js";
import { numeric } from "./row.js";

const TREND = 60;
const FOLDS = [["(min-width: 1240px)", 30], ["(min-width: 720px)", 12], ["all", 6]]; // cards shown at first
const order = new Intl.Collator("en", { numeric: true }).compare;

export class Devices {
  constructor(openDetail) {
    this.openDetail = openDetail;
    this.cards = new Map();
    this.changed = new Set();
    this.columns = new Columns(byId("grid"), () => this.layout());
    this.all = false;
    this.scheduled = false;
    this.filters = { text: "", drift: false, away: false };
    this.seen = new IntersectionObserver((entries) => this.looked(entries), { rootMargin: "300px" });
    this.folds = FOLDS.map(([query, fold]) => [matchMedia(query), fold]);
    for (const [query] of this.folds) query.addEventListener("change", () => this.layout());
    this.listen();
    setInterval(() => this.tick(), 1000);
  }

  listen() {
    byId("filter").addEventListener("input", (event) => this.filter("text", event.target.value.trim().toLowerCase()));
    for (const [id, name] of [["only-drift", "drift"], ["only-away", "away"]]) {
      byId(id).addEventListener("click", (event) => {
        const on = !this.filters[name];
        mark(event.currentTarget, "aria-pressed", String(on));
        this.filter(name, on);
      });
    }
    byId("more").addEventListener("click", () => {
      this.all = !this.all;
      this.layout();
    });
  }

  show(view) {
    let arrived = false;
    for (const device of view.devices) {
      let card = this.cards.get(device.id);
      if (!card) {
        arrived = true;
        card = new Card(device.id, () => this.openDetail(device.id));
        this.cards.set(device.id, card);
        this.seen.observe(card.element);
      }
      card.take(continued(card.device, device));
      this.changed.add(card);
    }
    const members = view.whole ? view.devices.map((device) => device.id) : view.members?.devices;
    const left = members ? this.leave(new Set(members)) : false;
    const filtered = this.filters.text || this.filters.drift || this.filters.away;
    if (arrived || left || filtered || view.whole) this.layout();
    if (this.changed.size) this.schedule();
  }

  get(id) {
    return this.cards.get(id)?.device;
  }

  leave(members) {
    let left = false;
    for (const [id, card] of this.cards) {
      if (members.has(id)) continue;
      this.seen.unobserve(card.element);
      this.cards.delete(id);
      this.changed.delete(card);
      left = true;
    }
    return left;
  }

  filter(name, value) {
    this.filters[name] = value;
    this.layout();
  }

  wanted(card) {
    const { text, drift, away } = this.filters;
    if (drift && !card.drifts) return false;
    if (away && !card.away) return false;
    return !text || card.device.id.toLowerCase().includes(text) || card.device.model.toLowerCase().includes(text);
  }

  layout() {
    const wanted = [...this.cards.values()].filter((card) => this.wanted(card));
    wanted.sort((a, b) => order(a.device.id, b.device.id));
    const [, fold] = this.folds.find(([query]) => query.matches);
    this.columns.place(this.all ? wanted : wanted.slice(0, fold));
    const more = byId("more");
    more.hidden = wanted.length <= fold;
    mark(more, "aria-expanded", String(this.all));
    say(more, this.all ? "Show fewer" : `Show all ${wanted.length}`);
    byId("no-devices").hidden = this.cards.size > 0;
    this.count();
  }

  looked(entries) {
    for (const entry of entries) {
      const card = this.cards.get(entry.target.dataset.id);
      if (!card) continue;
      card.visible = entry.isIntersecting;
      if (card.visible) this.changed.add(card);
    }
    this.schedule();
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.scheduled = false;
    for (const card of this.changed) {
      if (!card.visible) continue;
      card.draw();
      this.changed.delete(card);
    }
    this.count();
  }

  tick() {
    for (const card of this.cards.values()) if (card.visible) card.tick();
  }

  count() {
    let online = 0;
    let drifting = 0;
    for (const card of this.cards.values()) {
      if (card.online) online += 1;
      if (card.drifts) drifting += 1;
    }
    const differing = drifting ? ` · ${drifting} ${drifting === 1 ? "differs" : "differ"} from what was asked` : "";
    say(byId("devices-count"), this.cards.size ? `${online} of ${this.cards.size} online${differing}` : "");
  }
}

/** `fresh` with the trends that the page itself continues where the gateway sends none. */
function continued(known, fresh) {
  const before = new Map((known?.properties ?? []).map((property) => [property.name, property]));
  for (const property of fresh.properties) {
    if (property.trend !== null) continue;
    const old = before.get(property.name);
    property.trend = old?.trend ?? [];
    const number = numeric(property);
    if (Number.isFinite(number) && old?.reported_at !== property.reported_at) {
      property.trend.push(number);
      if (property.trend.length > TREND) property.trend.shift();
    }
  }
  return fresh;
}
