// All rules.

import { arrange, byId, say } from "./dom.js";
import { Rule } from "./rule.js";

export class Rules {
  constructor() {
    this.cards = new Map();
    setInterval(() => this.cards.forEach((card) => card.tick()), 1000);
  }

  show(view) {
    for (const rule of view.rules) {
      if (!this.cards.has(rule.name)) this.cards.set(rule.name, new Rule());
      this.cards.get(rule.name).show(rule);
    }
    const members = view.whole ? view.rules.map((rule) => rule.name) : view.members?.rules;
    if (members) for (const name of this.cards.keys()) if (!members.includes(name)) this.cards.delete(name);
    arrange(byId("rule-list"), [...this.cards.values()].map((card) => card.element));
    for (const { name } of view.rules) this.cards.get(name)?.settle();
    byId("no-rules").hidden = this.cards.size > 0;
    say(byId("rules-count"), this.cards.size ? `${this.cards.size} at work` : "");
  }
}
