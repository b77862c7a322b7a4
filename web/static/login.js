// Who is there: trades the key of a one-time link, or a token typed by hand, for a cookie.

import { ask, path } from "./api.js";
import { byId, say } from "./dom.js";

/** If the address carries a key, use it and take it out of the address and of the history. */
export async function useLink() {
  const key = new URLSearchParams(location.hash.slice(1)).get("k");
  if (!key) return;
  history.replaceState(null, "", location.pathname);
  await ask("POST", path("login"), { key }).catch(() => {});
}

export function askForToken(onDone) {
  const dialog = byId("login");
  if (dialog.open) return;
  byId("login-form").onsubmit = async (event) => {
    event.preventDefault();
    try {
      await ask("POST", path("login"), { key: byId("key").value });
      byId("key").value = "";
      dialog.close();
      onDone();
    } catch (problem) {
      say(byId("login-state"), problem.message);
    }
  };
  dialog.showModal();
}
