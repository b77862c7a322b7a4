// Events, newest first, repeated ones together. Alerts are also spoken.

import { byId, button, say } from "./dom.js";
import { plain } from "./format.js";
import { Occurrence, pattern } from "./occurrence.js";

const KEPT = 60;
const SPOKEN = 3000;

export class Events {
  constructor() {
    this.list = byId("event-list");
    this.occurrences = new Map();
    this.known = new Set();
    this.spoken = -Infinity;
    this.dialog = byId("picture");
    this.dialog.addEventListener("click", () => this.dialog.close());
  }

  show(view) {
    if (view.whole) {
      this.known.clear();
      this.occurrences.clear();
      this.list.replaceChildren();
    }
    const fresh = view.events.filter((event) => !this.known.has(event.id));
    for (const event of fresh) this.happen(event);
    this.forget();
    this.list.hidden = !this.occurrences.size;
    byId("no-events").hidden = !this.list.hidden;
    if (!view.whole) this.speak(fresh);
  }

  happen(event) {
    this.known.add(event.id);
    const key = pattern(event);
    let occurrence = this.occurrences.get(key);
    if (occurrence) occurrence.happen(event);
    else occurrence = new Occurrence(event, (image) => this.enlarge(image));
    this.occurrences.delete(key); // and to the end: the newest are the last
    this.occurrences.set(key, occurrence);
    this.list.prepend(occurrence.element);
  }

  forget() {
    for (const [key, occurrence] of this.occurrences) {
      if (this.occurrences.size <= KEPT) break;
      occurrence.element.remove();
      this.occurrences.delete(key);
    }
    if (this.known.size > 1000) this.known = new Set([...this.known].slice(-500));
  }

  enlarge(image) {
    const large = image.cloneNode();
    large.loading = "eager";
    this.dialog.replaceChildren(large, button("Close", () => this.dialog.close()));
    this.dialog.showModal();
  }

  /** At most one announcement in three seconds: a storm must not talk over everything else. */
  speak(fresh) {
    const loud = fresh.filter((event) => event.severity === "alert" || event.severity === "error");
    if (!loud.length || performance.now() - this.spoken < SPOKEN) return;
    this.spoken = performance.now();
    say(byId("announce"), loud.map((event) => plain(event.message)).slice(-2).join(". "));
  }
}
