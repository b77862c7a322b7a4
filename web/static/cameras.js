// Camera tiles: the newest picture, with the boxes that belong to it drawn over it.

import { devicePath } from "./api.js";
import { Cost } from "./cost.js";
import { arrange, byId, make, mark, say } from "./dom.js";
import { count, short } from "./format.js";

export class Cameras {
  constructor() {
    this.tiles = new Map();
  }

  show(view) {
    for (const camera of view.cameras) {
      if (!this.tiles.has(camera.id)) this.tiles.set(camera.id, new Tile(camera.id));
      this.tiles.get(camera.id).show(camera);
    }
    const members = view.whole ? view.cameras.map((camera) => camera.id) : view.members?.cameras;
    if (members) for (const id of this.tiles.keys()) if (!members.includes(id)) this.tiles.delete(id);
    arrange(byId("camera-list"), [...this.tiles.values()].map((tile) => tile.element));
    byId("no-cameras").hidden = this.tiles.size > 0;
  }
}

class Tile {
  constructor(id) {
    this.id = id;
    this.shown = 0;
    this.loading = false;
    this.image = make("img");
    this.image.alt = `Camera ${short(id)}: no picture yet`;
    this.boxes = make("div.boxes");
    this.boxes.setAttribute("aria-hidden", "true");
    this.frame = make("div.frame", this.image, this.boxes);
    this.dot = make("span.dot");
    this.name = make("h3", this.dot, short(id));
    this.state = make("p.reason");
    this.rates = make("span.quiet");
    this.cost = new Cost();
    const head = make("div.camera-head", this.name, this.rates);
    this.element = make("figure.panel.camera", this.frame, make("figcaption", head, this.state, this.cost.element));
  }

  show(camera) {
    this.camera = camera;
    const well = ["", "ok", "online", "running"].includes(camera.state);
    this.dot.className = `dot ${well ? "ok" : "away"}`;
    say(this.state, well ? "" : [camera.state, camera.reason].filter(Boolean).join(": "));
    this.state.hidden = well;
    say(this.rates, `${camera.fps.toFixed(1)} fps · ${count(camera.skipped)} skipped`);
    this.cost.draw(camera);
    if (camera.width && camera.height) this.frame.style.aspectRatio = `${camera.width} / ${camera.height}`;
    if (camera.picture !== this.shown) this.load();
  }

  /** One picture at a time: while it loads, newer ones replace each other. */
  async load() {
    if (this.loading || !this.camera.picture || document.hidden) return;
    this.loading = true;
    const { camera } = this;
    const next = new Image();
    next.src = `${devicePath("cameras", this.id, "latest.jpg")}?version=${camera.picture}`;
    try {
      await next.decode();
      this.image.replaceWith(next);
      this.image = next;
      this.overlay(camera);
    } catch {
      mark(this.frame, "data-empty", true);
    } finally {
      this.shown = camera.picture;
      this.loading = false;
    }
    if (this.camera.picture !== this.shown) this.load();
  }

  overlay(camera) {
    mark(this.frame, "data-empty", null);
    arrange(this.boxes, camera.boxes.map(box));
    const seen = camera.boxes.map((found) => found.label).join(", ") || "nothing found";
    this.image.alt = `Camera ${short(this.id)}: ${seen}`;
  }
}

function box({ label, score, x, y, w, h, track }) {
  const element = make("div.box", make("span", `${label}${track === null ? "" : ` #${track}`} ${Math.round(score * 100)} %`));
  const part = (number) => `${Math.max(0, Math.min(1, number)) * 100}%`;
  element.style.left = part(x);
  element.style.top = part(y);
  element.style.width = part(w);
  element.style.height = part(h);
  if (y < 0.08) element.classList.add("low");
  return element;
}
