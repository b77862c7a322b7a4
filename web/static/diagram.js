// A rule's diagram, rebuilt from its SVG: shapes, text and geometry pass, everything else stays behind. So no diagram
// can bring a script, a link or a style of its own, and every diagram wears the page's colours.

import { make, makeSvg } from "./dom.js";

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

let made = 0;

/** The drawing, or `null` if `source` is not SVG. */
export function diagram(source) {
  if (!source.trimStart().startsWith("<svg")) return null;
  const parsed = new DOMParser().parseFromString(source, "image/svg+xml").documentElement;
  if (parsed.localName !== "svg") return null;
  made += 1;
  const drawn = rebuild(parsed, `d${made}-`, 0);
  const [, , width, height] = (drawn.getAttribute("viewBox") ?? "").split(/[\s,]+/).map(Number);
  if (width && height) drawn.style.maxWidth = `${Math.round(width * 1.1)}px`;
  drawn.removeAttribute("width");
  drawn.removeAttribute("height");
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

/** Light the states that `instances` are in, each with how many there are when more than one is. */
export function light(drawing, instances) {
  const counts = new Map();
  for (const { state } of instances) counts.set(state, (counts.get(state) ?? 0) + 1);
  for (const element of drawing.querySelectorAll("[data-state]")) {
    const count = counts.get(element.dataset.state) ?? 0;
    element.toggleAttribute("data-lit", count > 0);
  }
}

export const written = (mermaid) => make("pre.quiet", mermaid);
