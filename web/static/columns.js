// Cards in columns without holes: in order, each goes below the column that is the shortest so far. A card that grows
// or shrinks later stays where it is, so nothing jumps under the reader.

import { arrange, make } from "./dom.js";

const NARROWEST = 236;
const GAP = 12;

export class Columns {
  /** `onChange` is called when the room is for more or fewer columns than before. */
  constructor(element, onChange) {
    this.element = element;
    this.columns = [];
    new ResizeObserver(() => this.fit() && onChange()).observe(element);
    this.fit();
  }

  /** Place cards with an `element` and a `height`, an estimate in pixels. */
  place(cards) {
    const heights = this.columns.map(() => 0);
    const stacks = this.columns.map(() => []);
    for (const card of cards) {
      const at = heights.indexOf(Math.min(...heights));
      stacks[at].push(card.element);
      heights[at] += card.height + GAP;
    }
    this.columns.forEach((column, at) => arrange(column, stacks[at]));
  }

  fit() {
    const room = Math.max(1, Math.floor((this.element.clientWidth + GAP) / (NARROWEST + GAP)));
    if (room === this.columns.length) return false;
    while (this.columns.length > room) this.columns.pop();
    while (this.columns.length < room) this.columns.push(column());
    arrange(this.element, this.columns);
    return true;
  }
}

/** Columns are for the eye alone: the cards are the items of the one list around them. */
function column() {
  const element = make("div.column");
  element.setAttribute("role", "none");
  return element;
}
