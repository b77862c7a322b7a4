// A rule's diagram, rebuilt from its SVG: shapes, text and geometry pass, everything else stays behind. So no diagram
// can bring a script, a link or a style of its own, and every diagram wears the page's colours.

import { make, makeSvg, mark, say } from "./dom.js";

const TAGS = new Set(
  "svg g defs marker path rect circle ellipse line polyline polygon text tspan title desc".split(" "),
);
const ATTRIBUTES = new Set(
  `viewBox d x y x1 y1 x2 y2 dx dy cx cy r rx ry width height points transform text-anchor dominant-baseline
   data-state data-from data-to data-edge marker-end marker-start markerWidth markerHeight refX refY orient markerUnits
   stroke-dasharray`.split(/\s+/),
);
const LOCAL = /^url\(#[\w-]+\)$/;
const DEPTH = 12;
const MARGIN = 12;
const HEAD = 11;
const LARGEST = 1.1;
const SMALLEST = 0.7;
const TAKEN = 2500;

let made = 0;

/** The drawing, or `null` if `source` is not SVG. */
export function diagram(source) {
  if (!source.trimStart().startsWith("<svg")) return null;
  const parsed = new DOMParser().parseFromString(source, "image/svg+xml").documentElement;
  if (parsed.localName !== "svg") return null;
  made += 1;
  const drawn = rebuild(parsed, `d${made}-`, 0);
  for (const head of drawn.querySelectorAll("marker")) fix(head);
  drawn.removeAttribute("width");
  drawn.removeAttribute("height");
  mark(drawn, "role", "img");
  return drawn;
}

function rebuild(source, prefix, depth) {
  const copy = makeSvg(source.localName);
  for (const { name, value } of source.attributes) {
    if (name === "id") copy.setAttribute("id", prefix + value);
    else if (name.startsWith("marker-")) LOCAL.test(value) && copy.setAttribute(name, value.replace("#", `#${prefix}`));
    else if (ATTRIBUTES.has(name)) copy.setAttribute(name, value);
  }
  for (const child of source.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) copy.append(child.data);
    else if (child.nodeType === Node.ELEMENT_NODE && TAGS.has(child.localName) && depth < DEPTH) {
      copy.append(rebuild(child, prefix, depth + 1));
    }
  }
  return copy;
}

/** A head of an arrow stays as it is when its line is drawn thicker. */
function fix(head) {
  mark(head, "markerUnits", "userSpaceOnUse");
  for (const side of ["markerWidth", "markerHeight"]) mark(head, side, HEAD);
}

/** Cut the empty border away. Only a drawing that is shown can be measured. */
export function crop(drawing) {
  const { x, y, width, height } = drawing.getBBox();
  if (!width || !height) return;
  const [w, h] = [width + 2 * MARGIN, height + 2 * MARGIN].map(Math.ceil);
  mark(drawing, "viewBox", `${Math.floor(x) - MARGIN} ${Math.floor(y) - MARGIN} ${w} ${h}`);
  drawing.style.maxWidth = `${Math.round(w * LARGEST)}px`;
  drawing.style.minWidth = `${Math.round(w * SMALLEST)}px`; // smaller, nobody could read it: its place scrolls
}

/** Light the states that machines are in, each with how many there are: `counts` by state. */
export function light(drawing, counts) {
  for (const element of drawing.querySelectorAll("[data-state]")) {
    const count = counts.get(element.dataset.state) ?? 0;
    element.toggleAttribute("data-lit", count > 0);
    const shape = element.querySelector(":scope > rect");
    if (shape) badge(element, shape, count);
  }
}

function badge(element, shape, count) {
  let found = element.querySelector(":scope > .badge");
  if (!found && !count) return;
  if (!found) {
    const x = Number(shape.getAttribute("x")) + Number(shape.getAttribute("width")) - 14; // labels of ways begin beyond
    const y = Number(shape.getAttribute("y"));
    const number = makeSvg("text", { x, y, "text-anchor": "middle", "dominant-baseline": "central" });
    found = makeSvg("g", { class: "badge" }, makeSvg("circle", { cx: x, cy: y, r: 10 }), number);
    element.append(found);
  }
  mark(found, "display", count ? null : "none");
  say(found.lastChild, count > 99 ? "99+" : String(count));
}

/** Show for a moment that the way from one state to another was taken. */
export function take(drawing, from, to) {
  for (const way of drawing.querySelectorAll("[data-from]")) {
    if (way.dataset.from !== from || way.dataset.to !== to) continue;
    way.setAttribute("data-taken", "");
    setTimeout(() => way.removeAttribute("data-taken"), TAKEN);
  }
}

export const written = (mermaid) => make("pre.quiet", mermaid);
