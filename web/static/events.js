// Events, newest first, each with its cause. Alerts are also spoken.

import { path } from "./api.js";
import { byId, button, make, mark, say } from "./dom.js";
import { at, fully, short } from "./format.js";

const KEPT = 60;
const SPOKEN = 3000;

export class Events {
  constructor() {
    this.list = byId("event-list");
    this.known = new Set();
    this.spoken = -Infinity;
    this.dialog = byId("picture");
    this.dialog.addEventListener("click", () => this.dialog.close());
  }

  show(view) {
    if (view.whole) {
      this.known.clear();
      this.list.replaceChildren();
    }
    const fresh = view.events.filter((event) => !this.known.has(event.id)).slice(-KEPT);
    for (const event of fresh) {
      this.known.add(event.id);
      this.list.prepend(this.item(event));
    }
    while (this.list.childElementCount > KEPT) {
      this.known.delete(this.list.lastChild.dataset.id);
      this.list.lastChild.remove();
    }
    this.list.hidden = !this.list.childElementCount;
    byId("no-events").hidden = !this.list.hidden;
    if (!view.whole) this.speak(fresh);
  }

  item(event) {
    const message = make("p.message", event.message);
    const time = make("time", at(event.at));
    mark(time, "title", fully(event.at));
    const severity = make("span.severity", event.severity);
    const line = make("p.line.quiet", severity, make("span", short(event.object)), time);
    const item = make("li.event", line, message, this.why(event));
    item.dataset.id = event.id;
    item.dataset.severity = event.severity;
    if (event.picture) item.append(this.thumbnail(event));
    return item;
  }

  why(event) {
    if (!event.why && !event.cause) return null;
    const cause = event.cause ? make("p.quiet", "cause ", make("code", event.cause), ` · ${event.kind}`) : null;
    return make("details", make("summary", "Why"), event.why ? make("p", event.why) : null, cause);
  }

  thumbnail(event) {
    const image = make("img");
    image.loading = "lazy";
    image.alt = `Picture of: ${event.message}`;
    image.src = path("pictures", ...event.picture.split("/"));
    const open = button(image, () => this.enlarge(image), "button.thumb");
    open.setAttribute("aria-label", `Enlarge the picture of: ${event.message}`);
    return open;
  }

  enlarge(image) {
    const large = image.cloneNode();
    this.dialog.replaceChildren(large, button("Close", () => this.dialog.close()));
    this.dialog.showModal();
  }

  /** At most one announcement in three seconds: a storm must not talk over everything else. */
  speak(fresh) {
    const loud = fresh.filter((event) => event.severity === "alert" || event.severity === "error");
    if (!loud.length || performance.now() - this.spoken < SPOKEN) return;
    this.spoken = performance.now();
    say(byId("announce"), loud.map((event) => event.message).slice(-2).join(". "));
  }
}
