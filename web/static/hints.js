// Lines to copy that connect something of one's own.

import { button, byId, make, say } from "./dom.js";

export function showHints({ hints }) {
  if (!hints.length) return;
  byId("connect").hidden = false;
  byId("hint-list").replaceChildren(...hints.map(hint));
}

function hint({ title, command }) {
  const code = make("code", command);
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(command);
      say(copy, "Copied");
    } catch {
      getSelection().selectAllChildren(code);
      say(copy, "Ctrl + C");
    }
    setTimeout(() => say(copy, "Copy"), 2000);
  });
  copy.setAttribute("aria-label", `Copy: ${title}`);
  return make("div.hint", make("h3", title), make("div.row", make("pre", code), copy));
}
