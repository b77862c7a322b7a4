// The whole chain of causes, asked for when somebody wants to see it: from the input over each rule to what that led to.

import { ask, path } from "./api.js";
import { button, make, mark, say } from "./dom.js";
import { at, fully, plain, short } from "./format.js";

export class Chain {
  constructor() {
    this.steps = make("ol.chain");
    this.wrong = make("p.wrong");
    this.open = button("The whole chain", () => this.fetch(), "button.quiet");
    this.element = make("div", this.open, this.wrong, this.steps);
  }

  /** `cause` is what to ask about; empty where there is nothing. */
  show(cause) {
    this.element.hidden = !cause;
    if (cause === this.cause) return;
    this.cause = cause;
    this.open.hidden = false;
    this.steps.replaceChildren();
    say(this.wrong, "");
  }

  async fetch() {
    const asked = this.cause;
    mark(this.open, "aria-busy", true);
    try {
      const { steps } = await ask("GET", path("why", asked));
      if (asked !== this.cause) return;
      this.steps.replaceChildren(...branches(steps, -1));
      this.open.hidden = true;
      say(this.wrong, "");
    } catch (problem) {
      say(this.wrong, problem.message);
    } finally {
      mark(this.open, "aria-busy", false);
    }
  }
}

/** Those that the step at this place led to, each with its own; -1 for those that an input led to. */
function branches(steps, place) {
  return steps.flatMap((step, number) => (step.led_by === place ? [branch(steps, step, number)] : []));
}

function branch(steps, step, number) {
  const time = make("time.quiet", at(step.at));
  mark(time, "title", `${fully(step.at)} · ${step.cause}${step.topic ? ` · ${step.topic}` : ""}`);
  const head = make("p", make("strong", plain(step.came)), " ", time);
  const rule = make("p.quiet", `${short(step.rule)} · ${short(step.instance)}`);
  const lines = make("ul", ...step.conditions.map(condition), decision(step), ...step.effects.map(effect));
  const element = make("li", head, rule, lines);
  const led = branches(steps, number);
  if (led.length) element.append(make("ol", ...led));
  mark(element, "data-asked", step.asked);
  return element;
}

const condition = ({ holds, text }) => make(holds ? "li.held" : "li.failed", `${holds ? "✓" : "✗"} ${plain(text)}`);

function decision({ chosen, before, after }) {
  const moved = before === after ? ` in ${before}` : `: ${before} → ${after}`;
  return make("li.led", `→ ${chosen || "nothing"}${moved}`);
}

const effect = ({ text, became }) => make("li.led", `→ ${plain(text)}${became ? ` (${became})` : ""}`);
