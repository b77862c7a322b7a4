// Why something was decided: the gateway's lines, each marked as a condition that held, one that did not, or a result.

import { Chain } from "./chain.js";
import { make, say } from "./dom.js";
import { plain } from "./format.js";

const MARKS = { "✓": "held", "✗": "failed", "→": "led" };

export class Why {
  constructor(label = "Why") {
    this.lines = make("ul");
    this.chain = new Chain();
    this.element = make("details.why", make("summary", label), this.lines, this.chain.element);
    this.chain.show("");
  }

  /** What is being read does not change under the reader. */
  get held() {
    return this.element.open;
  }

  /** The lines, the cause as it is told, and the cause whose whole chain may be asked for. */
  show(text, cause, asked = "") {
    const said = text.split("\n").filter(Boolean);
    if (cause) said.push(`cause ${cause}`);
    const source = said.join("\n");
    this.element.hidden = !source;
    if (source === this.source) return;
    this.source = source;
    this.chain.show(asked);
    this.lines.replaceChildren(...said.map(line));
  }
}

function line(text) {
  const [first] = text;
  const element = make("li");
  say(element, plain(text));
  element.className = MARKS[first] ?? (text.startsWith("cause ") ? "cause" : "came");
  return element;
}
