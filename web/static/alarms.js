// Alarms that matter, the worst first, each with the commands that make sense now.

import { ask, path } from "./api.js";
import { arrange, button, byId, make, mark, say } from "./dom.js";
import { at, fully, plain, plural, short, since } from "./format.js";

const LABELS = { acknowledge: "Acknowledge", snooze: "Snooze", reset: "Reset", disable: "Disable", enable: "Enable" };
const ORDER = ["acknowledge", "snooze", "reset", "disable", "enable"];
const FIRST = { Latched: "reset", Disabled: "enable", SnoozeDisabled: "enable" };
const STATES = { SnoozeDisabled: "Snoozed" };

export class Alarms {
  constructor() {
    this.rows = new Map();
    setInterval(() => this.rows.forEach((row) => row.tick()), 1000);
  }

  show(view) {
    if (!view.alarms) return;
    const ids = view.alarms.map((alarm) => JSON.stringify([alarm.alarm, alarm.key]));
    view.alarms.forEach((alarm, place) => {
      if (!this.rows.has(ids[place])) this.rows.set(ids[place], new Row());
      this.rows.get(ids[place]).show(alarm);
    });
    for (const id of this.rows.keys()) if (!ids.includes(id)) this.rows.delete(id);
    arrange(byId("alarm-list"), ids.map((id) => this.rows.get(id).element));
    byId("alarms").hidden = !ids.length;
    const active = view.alarms.filter((alarm) => alarm.state === "Active").length;
    say(byId("alarms-count"), active ? `${plural(active, "alarm")} to acknowledge` : "");
  }
}

class Row {
  constructor() {
    this.state = make("span.state");
    this.object = make("span.object");
    this.time = make("time");
    this.message = make("p.message");
    this.note = make("p.quiet");
    this.buttons = make("div.row");
    this.wrong = make("span.wrong");
    this.wrong.setAttribute("role", "alert");
    const line = make("p.line.quiet", this.state, this.object, this.time);
    this.element = make("li.alarm", line, this.message, this.note, make("div.row", this.buttons, this.wrong));
  }

  show(alarm) {
    this.alarm = alarm;
    mark(this.element, "data-severity", alarm.severity);
    mark(this.element, "data-state", alarm.state);
    say(this.state, STATES[alarm.state] ?? alarm.state);
    say(this.object, `${short(alarm.alarm)} · ${short(alarm.key)}`);
    say(this.message, plain(alarm.message) || "never raised");
    const again = alarm.count > 1 ? `${alarm.count} times` : "";
    const late = alarm.level ? `nobody acknowledged: escalated ${plural(alarm.level, "time")}` : "";
    const by = [alarm.who && `by ${alarm.who}`, alarm.note].filter(Boolean).join(": ");
    say(this.note, [again, late, by].filter(Boolean).join(" · "));
    say(this.wrong, "");
    const sensible = ORDER.filter((command) => alarm.commands.includes(command));
    const first = sensible.filter((command) => command === (FIRST[alarm.state] ?? "acknowledge"));
    const commands = [...new Set([...first, ...sensible])];
    if (commands.join() !== this.commands) this.offer(commands); // a button that has the focus keeps it
    this.tick();
  }

  offer(commands) {
    this.commands = commands.join();
    const made = commands.map((command) => button(LABELS[command], () => this.send(command), "button.act"));
    if (commands[0] === "acknowledge" || this.alarm.state === "Latched") made[0]?.classList.add("primary");
    this.buttons.replaceChildren(...made);
    mark(this.buttons, "aria-label", `Commands to ${this.object.textContent}`);
    mark(this.buttons, "role", "group");
  }

  tick() {
    const { until, raised } = this.alarm;
    say(this.time, until ? `until ${at(until)}` : raised ? `raised ${since(raised)} ago` : "");
    mark(this.time, "title", fully(until || raised));
  }

  async send(command) {
    const { alarm, key } = this.alarm;
    mark(this.element, "aria-busy", "true");
    say(this.wrong, "");
    try {
      await ask("POST", path("alarms", ...alarm.split("/"), key, command), {});
    } catch (problem) {
      say(this.wrong, problem.message);
    } finally {
      mark(this.element, "aria-busy", null);
    }
  }
}
