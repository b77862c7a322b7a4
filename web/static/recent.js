// The last decisions of a rule, the newest first, each with its reason when somebody asks.

import { arrange, make, mark, say } from "./dom.js";
import { at, fully, plain, short } from "./format.js";
import { Why } from "./why.js";

export class Recent {
  constructor() {
    this.rows = new Map();
    this.list = make("ul");
    this.element = make("details.recent", make("summary", "Last decisions"), this.list);
    this.element.addEventListener("toggle", () => this.tell());
  }

  show(decisions) {
    this.decisions = decisions;
    this.element.hidden = decisions.length < 2;
    this.tell();
  }

  tell() {
    if (!this.element.open) return;
    const shown = this.decisions.map((decision) => this.row(decision));
    for (const [id, row] of this.rows) if (!shown.includes(row) && !row.why.held) this.rows.delete(id);
    arrange(this.list, [...new Set([...shown, ...this.rows.values()])].map((row) => row.element));
  }

  row({ key, at: time, cause, decision, why }) {
    const id = `${key} ${time} ${cause} ${decision}`;
    let row = this.rows.get(id);
    if (row) return row;
    row = { why: new Why() };
    const when = make("time.quiet", at(time));
    mark(when, "title", fully(time));
    const what = make("span.decision");
    say(what, plain(decision));
    row.why.show(why, cause, cause);
    row.element = make("li", make("span.key", short(key)), when, what, row.why.element);
    this.rows.set(id, row);
    return row;
  }
}
