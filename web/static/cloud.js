// The ledger of the sync with the cloud.

import { byId, make, mark, say } from "./dom.js";
import { count, fully, since } from "./format.js";
import { Spark } from "./spark.js";

const SENTENCES = {
  connected: (cloud) => (cloud.pending ? "Catching up" : "In step"),
  connecting: () => "Connecting",
  cut: () => "Cut off",
  off: () => "No cloud configured",
};
const FIGURES = [
  ["pending", "waiting here"],
  ["sent", "sent"],
  ["confirmed", "confirmed"],
  ["lost", "lost"],
  ["doubled", "doubled"],
];
const BAD = new Set(["lost", "doubled"]); // told only when there are any
const PAST = 120; // seconds of what waited

export class Cloud {
  constructor() {
    this.dot = make("span.dot");
    this.sentence = make("span");
    this.sentence.setAttribute("role", "status");
    this.since = make("span.quiet");
    this.reason = make("p.reason");
    this.comfort = make("p.quiet", "The edge carries on, and keeps what the cloud must hear.");
    this.waited = [];
    this.past = new Spark();
    this.history = make("div.waited", this.past.element, make("p.quiet", "waiting here, last two minutes"));
    this.history.hidden = true;
    this.numbers = new Map(FIGURES.map(([name]) => [name, make("dd")]));
    const pairs = FIGURES.map(([name, label]) => make(`div.${name}`, make("dt", label), this.numbers.get(name)));
    this.list = make("dl.sums", ...pairs);
    this.element = byId("ledger");
    const line = make("p.line", this.dot, this.sentence, this.since);
    this.element.append(line, this.reason, this.comfort, this.list, this.history);
    setInterval(() => this.tick(), 1000);
  }

  show({ cloud }) {
    if (!cloud) return;
    cloud.state = cloud.state === "connecting" && this.cloud?.state === "cut" ? "cut" : cloud.state; // one more attempt
    if (this.cloud?.state === "cut" && cloud.state === "cut") cloud.since = this.cloud.since;
    this.cloud = cloud;
    mark(this.element, "data-state", cloud.state);
    this.dot.className = `dot ${{ connected: "ok", connecting: "warn", cut: "warn" }[cloud.state] ?? "unknown"}`;
    say(this.sentence, SENTENCES[cloud.state](cloud));
    say(this.reason, cloud.state === "connected" || cloud.state === "off" ? "" : cloud.reason);
    this.reason.hidden = !this.reason.textContent;
    this.comfort.hidden = cloud.state !== "cut";
    this.list.hidden = cloud.state === "off";
    for (const [name, number] of this.numbers) {
      say(number, count(cloud[name]));
      number.parentNode.hidden = BAD.has(name) && !cloud[name];
    }
    this.age();
  }

  tick() {
    if (!this.cloud || this.cloud.state === "off") return;
    this.waited.push(this.cloud.pending);
    if (this.waited.length > PAST) this.waited.shift();
    this.history.hidden = !(this.waited.length > 1 && Math.max(...this.waited) > 0);
    if (!this.history.hidden) this.past.draw(this.waited, "int");
    this.age();
  }

  age() {
    const { cloud } = this;
    if (!cloud?.since || cloud.state === "off") return say(this.since, "");
    say(this.since, `for ${since(cloud.since)} · ${cloud.kind}`);
    mark(this.since, "title", `since ${fully(cloud.since)}`);
  }
}
