// Rules: the diagram with the live states lit, and each keyed machine with what it decided last.

import { arrange, byId, make, mark, say } from "./dom.js";
import { fully, since } from "./format.js";
import { diagram, light, written } from "./diagram.js";

const SHOWN = 4;

export class Rules {
  constructor() {
    this.cards = new Map();
    setInterval(() => this.cards.forEach((card) => card.tick()), 1000);
  }

  show(view) {
    for (const rule of view.rules) {
      if (!this.cards.has(rule.name)) this.cards.set(rule.name, new RuleCard());
      this.cards.get(rule.name).show(rule);
    }
    const members = view.whole ? view.rules.map((rule) => rule.name) : view.members?.rules;
    if (members) for (const name of this.cards.keys()) if (!members.includes(name)) this.cards.delete(name);
    arrange(byId("rule-list"), [...this.cards.values()].map((card) => card.element));
    byId("no-rules").hidden = this.cards.size > 0;
    say(byId("rules-count"), this.cards.size ? `${this.cards.size} at work` : "");
  }
}

class RuleCard {
  constructor() {
    this.name = make("h3");
    this.description = make("p.quiet");
    this.figure = make("div.diagram");
    this.list = make("ul.machines");
    this.rest = make("p.quiet");
    this.rows = new Map();
    this.element = make("article.panel.rule", this.name, this.description, this.figure, this.list, this.rest);
  }

  show(rule) {
    say(this.name, rule.name);
    say(this.description, rule.description);
    if (rule.svg !== this.source) {
      this.source = rule.svg;
      this.drawing = diagram(rule.svg);
      this.figure.replaceChildren(this.drawing ?? (rule.mermaid ? written(rule.mermaid) : ""));
      if (this.drawing) mark(this.drawing, "role", "img");
    }
    const states = [...new Set(rule.instances.map((instance) => instance.state))].join(", ");
    if (this.drawing) {
      light(this.drawing, rule.instances);
      mark(this.drawing, "aria-label", `State diagram of ${rule.name}, now in: ${states || "no machine yet"}`);
    }
    const newest = [...rule.instances].sort((a, b) => b.since - a.since);
    const shown = newest.slice(0, SHOWN);
    for (const key of this.rows.keys()) if (!shown.some((instance) => instance.key === key)) this.rows.delete(key);
    arrange(this.list, shown.map((instance) => this.row(instance)));
    say(this.rest, newest.length ? others(newest.slice(SHOWN)) : "No machine yet: nothing it looks at has reported.");
    this.rest.hidden = !this.rest.textContent;
  }

  row(instance) {
    let row = this.rows.get(instance.key);
    if (!row) {
      row = { key: make("span.key"), state: make("span.state"), since: make("span.quiet"), decision: make("span.decision") };
      row.element = make("li", row.key, row.state, row.since, row.decision);
      this.rows.set(instance.key, row);
    }
    row.instance = instance;
    say(row.key, instance.key);
    say(row.state, instance.state);
    say(row.since, since(instance.since));
    mark(row.since, "title", `since ${fully(instance.since)}`);
    say(row.decision, instance.decision);
    mark(row.decision, "title", instance.cause ? `cause ${instance.cause}` : null);
    return row.element;
  }

  tick() {
    for (const row of this.rows.values()) say(row.since, since(row.instance.since));
  }
}

/** `and 6 more: 5 normal, 1 hot` */
function others(instances) {
  if (!instances.length) return "";
  const counts = new Map();
  for (const { state } of instances) counts.set(state, (counts.get(state) ?? 0) + 1);
  const parts = [...counts].map(([state, count]) => `${count} ${state}`);
  return `and ${instances.length} more: ${parts.join(", ")}`;
}
