// The page: one live stream in, each part shows what concerns it.

import { Alarms } from "./alarms.js";
import { Cameras } from "./cameras.js";
import { Cloud } from "./cloud.js";
import { Detail } from "./detail.js";
import { Devices } from "./devices.js";
import { Events } from "./events.js";
import { setNow } from "./format.js";
import { Header } from "./header.js";
import { showHints } from "./hints.js";
import { Live } from "./live.js";
import { askForToken, useLink } from "./login.js";
import { Rules } from "./rules.js";
import { Sql } from "./sql.js";

const header = new Header();
const devices = new Devices((id) => detail.open(id));
const detail = new Detail(devices);
const parts = [header, new Alarms(), devices, detail, new Cameras(), new Rules(), new Cloud(), new Events(), new Sql()];

function show(view) {
  setNow(view.now);
  for (const part of parts) part.show(view);
  showHints(view);
}

function connection(state, retryAt) {
  header.connection(state, retryAt);
  if (state === "locked") askForToken(() => live.join());
}

const live = new Live(show, connection);
await useLink();
live.join();
