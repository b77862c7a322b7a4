// Why something was decided: the gateway's lines, each marked as a condition that held, one that did not, or a result.

import { make, say } from "./dom.js";
import { plain } from "./format.js";

const MARKS = { "✓": "held", "✗": "failed", "→": "led" };

export class Why {
  constructor(label = "Why") {
    this.lines = make("ul");
    this.element = make("details.why", make("summary", label), this.lines);
  }

  /** What is being read does not change under the reader. */
  get held() {
    return this.element.open;
  }

  show(text, cause) {
    const said = text.split("\n").filter(Boolean);
    if (cause) said.push(`cause ${cause}`);
    const source = said.join("\n");
    this.element.hidden = !source;
    if (source === this.source) return;
    this.source = source;
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
