// The header: who this is, how it is, what time it has; and the banner when the gateway is away.

import { arrange, byId, make, mark, say } from "./dom.js";
import { clock, duration, fully, now } from "./format.js";

const DOTS = { ok: "ok", degraded: "warn", down: "bad", off: "unknown" };

export class Header {
  constructor() {
    this.parts = new Map();
    this.state = "away";
    this.last = 0;
    this.tick();
    setInterval(() => this.tick(), 500);
  }

  show(view) {
    this.last = Date.now();
    if (view.node) {
      this.node = view.node;
      say(byId("node"), view.node.name);
      say(byId("site"), [view.node.site, view.node.version && `Gemelo ${view.node.version}`].filter(Boolean).join(" · "));
      document.title = `${view.node.name} · Gemelo`;
    }
    if (view.health) arrange(byId("parts"), view.health.parts.map((part) => this.part(part)));
  }

  part({ name, state, detail }) {
    let part = this.parts.get(name);
    if (!part) {
      part = { dot: make("span.dot"), state: make("span.unseen"), detail: make("span.detail") };
      part.element = make("li.part", part.dot, make("span", name), part.state, part.detail);
      this.parts.set(name, part);
    }
    part.dot.className = `dot ${DOTS[state]}`;
    say(part.state, `: ${state}`);
    say(part.detail, state === "ok" || state === "off" ? "" : detail);
    mark(part.element, "title", `${name}: ${state}${detail ? `, ${detail}` : ""}`);
    mark(part.element, "data-state", state);
    return part.element;
  }

  connection(state, retryAt) {
    this.state = state;
    this.retryAt = retryAt;
    document.body.toggleAttribute("data-away", state === "away" && this.last > 0);
    this.tick();
  }

  tick() {
    say(byId("clock"), clock(now()));
    if (this.node?.started) {
      say(byId("uptime"), `up ${duration(now() - this.node.started / 1000)}`);
      mark(byId("uptime"), "title", `since ${fully(this.node.started)}`);
    }
    const banner = byId("banner");
    const away = this.state === "away" && (this.last > 0 || this.retryAt);
    banner.hidden = !away;
    if (!away) {
      say(byId("away"), "");
      return;
    }
    const left = Math.max(0, Math.ceil(((this.retryAt ?? 0) - Date.now()) / 1000));
    const known = this.last ? ` You see what was known at ${clock(this.last)}.` : "";
    say(byId("away"), `The gateway is away.${known}`);
    say(byId("retry"), left ? `Trying again in ${left} s.` : "Trying again…");
  }
}
