// A rule: the diagram with the live states lit, what it decided last and why, and each keyed machine.

import { devicePath } from "./api.js";
import { arrange, make, mark, say } from "./dom.js";
import { ago, count, fully, plain, plural, short, since } from "./format.js";
import { crop, diagram, light, take, written } from "./diagram.js";
import { Recent } from "./recent.js";
import { Why } from "./why.js";

const SHOWN = 30;

export class Rule {
  constructor() {
    this.states = new Map();
    this.rows = new Map();
    this.name = make("h3");
    this.description = make("p.quiet");
    this.figure = make("div.diagram");
    this.large = make("a.quiet", "The whole diagram");
    this.large.target = "_blank";
    this.last = new Decision();
    this.recent = new Recent();
    this.summary = make("summary");
    this.list = make("ul");
    this.rest = make("p.quiet");
    this.machines = make("details.machines", this.summary, this.list, this.rest);
    this.tally = make("p.quiet.tally");
    this.machines.addEventListener("toggle", () => this.rule && this.tell());
    const head = make("div.rule-head", this.name, this.description, this.large);
    const more = make("div.rule-more", this.last.why.element, this.recent.element, this.machines, this.tally);
    this.element = make("article.panel.rule", head, this.figure, this.last.element, more);
  }

  show(rule) {
    this.rule = rule;
    say(this.name, short(rule.name));
    say(this.description, rule.description);
    if (rule.svg !== this.source) this.draw(rule);
    const counts = counted(rule);
    if (this.drawing) {
      light(this.drawing, counts);
      mark(this.drawing, "aria-label", `State diagram of ${short(rule.name)}, now in: ${spoken(counts)}`);
      this.follow(rule.instances);
    }
    const decided = rule.instances.filter((machine) => machine.decision);
    this.last.show(decided.reduce((a, b) => (!a || b.decided >= a.decided ? b : a), null));
    this.recent.show(rule.recent);
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    say(this.summary, total ? plural(total, "machine") : "No machine yet: nothing it looks at has reported.");
    mark(this.machines, "data-none", !total);
    say(this.tally, tallied(rule.counts));
    this.tell(total);
  }

  draw({ svg, mermaid }) {
    this.source = svg;
    this.cropped = false;
    this.drawing = diagram(svg);
    this.large.href = devicePath("detectors", this.rule.name, "diagram.svg");
    this.large.hidden = true;
    this.figure.replaceChildren(this.drawing ?? (mermaid ? written(mermaid) : ""));
  }

  /** After it is on the page. */
  settle() {
    if (!this.drawing || this.cropped) return;
    this.cropped = true;
    crop(this.drawing);
    this.large.hidden = this.figure.scrollWidth <= this.figure.clientWidth;
    this.reveal();
  }

  /** Of a drawing that is too wide for its place the part where something is. */
  reveal() {
    const lit = this.drawing.querySelector("[data-lit]")?.getBoundingClientRect();
    const { left, width } = this.figure.getBoundingClientRect();
    if (lit && !this.large.hidden) this.figure.scrollLeft += lit.left + lit.width / 2 - left - width / 2;
  }

  /** Show the ways that machines took since the last time. */
  follow(instances) {
    for (const { key, state } of instances) {
      const before = this.states.get(key);
      if (before !== undefined && before !== state) {
        take(this.drawing, before, state);
        this.reveal();
      }
      this.states.set(key, state);
    }
  }

  /** The machines one by one, when somebody looks. */
  tell(total = 0) {
    if (!this.machines.open) return;
    const newest = [...this.rule.instances].sort((a, b) => b.since - a.since).slice(0, SHOWN);
    for (const key of this.rows.keys()) if (!newest.some((machine) => machine.key === key)) this.rows.delete(key);
    arrange(this.list, newest.map((machine) => this.row(machine)));
    say(this.rest, total > newest.length ? `and ${total - newest.length} more` : "");
  }

  row(machine) {
    let row = this.rows.get(machine.key);
    if (!row) {
      row = { key: make("span.key"), state: make("span.state"), since: make("span.quiet"), decision: make("span.decision") };
      row.element = make("li", row.key, row.state, row.since, row.decision);
      this.rows.set(machine.key, row);
    }
    row.machine = machine;
    say(row.key, short(machine.key));
    say(row.state, machine.state);
    say(row.since, since(machine.since));
    mark(row.since, "title", `since ${fully(machine.since)}`);
    say(row.decision, plain(machine.decision));
    mark(row.decision, "title", machine.cause ? `cause ${machine.cause}` : null);
    return row.element;
  }

  tick() {
    this.last.tick();
    if (this.machines.open) for (const row of this.rows.values()) say(row.since, since(row.machine.since));
  }
}

/** The newest decision of a rule; it stands still while its "Why" is open. */
class Decision {
  constructor() {
    this.who = make("strong");
    this.what = make("span");
    this.when = make("time.quiet");
    this.why = new Why();
    this.element = make("p.decided", this.who, " ", this.what, " ", this.when);
    this.element.hidden = true;
    this.why.element.hidden = true;
  }

  show(machine) {
    this.element.hidden = !machine;
    if (!machine || this.why.held) return;
    this.machine = machine;
    say(this.who, short(machine.key));
    say(this.what, plain(machine.decision));
    this.why.show(machine.why, machine.cause, machine.cause);
    this.tick();
  }

  tick() {
    if (this.machine?.decided) say(this.when, ago(this.machine.decided));
  }
}

function counted({ states, instances }) {
  const counts = new Map(Object.entries(states));
  if (!counts.size) for (const { state } of instances) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}

/** `1 204 evaluations, 3 decisions, 2 without a value`, the last with its reason. */
function tallied({ evaluations = 0, decisions = 0, missing = 0, mistyped = 0, failed = 0 }) {
  if (!evaluations) return "";
  const faults = [[missing, "without a value"], [mistyped, "of another type"], [failed, "failed"]];
  const said = faults.filter(([number]) => number).map(([number, word]) => `${count(number)} ${word}`);
  return [plural(evaluations, "evaluation"), plural(decisions, "decision"), ...said].join(", ");
}

/** `hot` for one machine, `2 hot, 4 normal` for several. */
function spoken(counts) {
  const lit = [...counts].filter(([, count]) => count);
  if (lit.length === 1 && lit[0][1] === 1) return lit[0][0];
  return lit.map(([state, count]) => `${count} ${state}`).join(", ") || "no machine yet";
}
