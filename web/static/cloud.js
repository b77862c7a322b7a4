// The ledger of the sync with the cloud.

import { byId, make, mark, say } from "./dom.js";
import { count, fully, since } from "./format.js";

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

export class Cloud {
  constructor() {
    this.dot = make("span.dot");
    this.sentence = make("span");
    this.sentence.setAttribute("role", "status");
    this.since = make("span.quiet");
    this.reason = make("p.reason");
    this.comfort = make("p.quiet", "The edge carries on, and keeps what the cloud must hear.");
    this.meter = make("div.meter", make("span"));
    this.meter.setAttribute("aria-hidden", "true");
    this.numbers = new Map(FIGURES.map(([name]) => [name, make("dd")]));
    const pairs = FIGURES.map(([name, label]) => make(`div.${name}`, make("dt", label), this.numbers.get(name)));
    this.list = make("dl.sums", ...pairs);
    this.element = byId("ledger");
    this.element.append(make("p.line", this.dot, this.sentence, this.since), this.reason, this.comfort, this.meter, this.list);
    setInterval(() => this.tick(), 1000);
  }

  show({ cloud }) {
    if (!cloud) return;
    this.cloud = cloud;
    mark(this.element, "data-state", cloud.state);
    this.dot.className = `dot ${{ connected: "ok", connecting: "warn", cut: "warn" }[cloud.state] ?? "unknown"}`;
    say(this.sentence, SENTENCES[cloud.state](cloud));
    say(this.reason, cloud.state === "connected" || cloud.state === "off" ? "" : cloud.reason);
    this.reason.hidden = !this.reason.textContent;
    this.comfort.hidden = cloud.state !== "cut";
    const off = cloud.state === "off";
    this.list.hidden = off;
    this.meter.hidden = off;
    for (const [name, number] of this.numbers) {
      say(number, count(cloud[name]));
      mark(number, "data-bad", (name === "lost" || name === "doubled") && cloud[name] > 0);
    }
    const total = cloud.confirmed + cloud.pending;
    this.meter.firstChild.style.width = `${total ? (cloud.confirmed / total) * 100 : 100}%`;
    this.tick();
  }

  tick() {
    const { cloud } = this;
    if (!cloud?.since || cloud.state === "off") return say(this.since, "");
    say(this.since, `for ${since(cloud.since)} · ${cloud.kind}`);
    mark(this.since, "title", `since ${fully(cloud.since)}`);
  }
}
