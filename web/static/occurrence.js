// One thing that happened, or the same thing again and again, as an item of the list of events.

import { path } from "./api.js";
import { button, make, mark, say } from "./dom.js";
import { at, fully, plain, short } from "./format.js";
import { Why } from "./why.js";

const TOLD = 6;

/** Events of one pattern differ in their numbers only. One with a picture is always told by itself. */
export function pattern({ id, kind, object, severity, message, picture }) {
  return picture ? id : [kind, object, severity, message.replace(/\d+([.,]\d+)?/g, "#")].join("|");
}

export class Occurrence {
  /** `enlarge(image)` is called when somebody wants to see a picture in full. */
  constructor(event, enlarge) {
    this.times = [];
    this.severity = make("span.severity", event.severity);
    this.object = make("span.object", short(event.object));
    this.again = make("span.again");
    this.time = make("time");
    this.message = make("p.message");
    this.why = new Why();
    this.before = make("p.quiet");
    this.why.element.append(this.before);
    const line = make("p.line.quiet", this.severity, this.object, this.again, this.time);
    this.element = make("li.event", line, make("div.told", this.message, this.why.element));
    this.element.dataset.severity = event.severity;
    if (event.picture) this.element.append(thumbnail(event, enlarge));
    this.happen(event);
  }

  happen(event) {
    this.times.unshift(event.at);
    say(this.message, plain(event.message));
    say(this.time, at(event.at));
    mark(this.time, "title", fully(event.at));
    const { length } = this.times;
    say(this.again, length > 1 ? `${length} times` : "");
    this.why.show(event.why, event.cause && `${event.cause} · ${event.kind}`, event.why && event.id);
    const before = this.times.slice(1, 1 + TOLD).map(at).join(", ");
    if (before) this.why.element.hidden = false;
    say(this.before, before && `before: ${before}${length > 1 + TOLD ? " …" : ""}`);
  }
}

function thumbnail({ picture, message }, enlarge) {
  const image = make("img");
  image.loading = "lazy";
  image.alt = `Picture of: ${message}`;
  image.src = path("pictures", ...picture.split("/"));
  const open = button(image, () => enlarge(image), "button.thumb");
  open.setAttribute("aria-label", `Enlarge the picture of: ${message}`);
  image.addEventListener("error", () => open.remove()); // its time is over
  return open;
}
