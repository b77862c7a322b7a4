// Asking a value of a device: a switch where there are two choices, a small form otherwise.

import { ask, devicePath } from "./api.js";
import { button, make, makeSvg, mark, say } from "./dom.js";

const BOOLEAN = ["false", "true"];
const PENCIL = "M2 14l.8-3.6L11 2.2l2.8 2.8-8.2 8.2zM9.4 3.8l2.8 2.8";

export class Control {
  constructor(device, property) {
    this.device = device;
    this.property = property;
    this.element = make("span.control");
    this.wrong = make("span.wrong");
    this.wrong.setAttribute("role", "alert");
    this.choices = property.choices.length ? property.choices : property.kind === "boolean" ? BOOLEAN : [];
    if (this.choices.length === 2) this.makeSwitch();
    else this.makeForm();
    this.element.append(this.wrong);
  }

  draw(property) {
    this.property = property;
    if (!this.switch) return;
    const wanted = property.desired || property.reported;
    mark(this.switch, "aria-checked", String(wanted === this.choices[1]));
  }

  makeSwitch() {
    this.switch = button("", () => this.send(this.isOn() ? this.choices[0] : this.choices[1]), "button.switch");
    this.switch.setAttribute("role", "switch");
    this.switch.setAttribute("aria-label", `Ask ${this.property.name} of ${this.device}: ${this.choices[1]}`);
    this.switch.append(make("span.knob"));
    this.element.append(this.switch);
  }

  get asking() {
    return this.form?.isConnected || this.wrong.textContent !== "";
  }

  isOn() {
    return this.switch.getAttribute("aria-checked") === "true";
  }

  makeForm() {
    this.open = button(makeSvg("svg", { viewBox: "0 0 16 16" }, makeSvg("path", { d: PENCIL })), () => this.toggle(true), "button.set");
    this.open.setAttribute("aria-label", `Set ${this.property.name} of ${this.device}`);
    this.open.setAttribute("aria-expanded", "false");
    this.element.append(this.open);
  }

  toggle(shown) {
    mark(this.open, "aria-expanded", String(shown));
    this.open.hidden = shown;
    this.form?.remove();
    say(this.wrong, "");
    if (!shown) {
      this.open.focus();
      return;
    }
    this.form = make("form.ask", this.field(), button("Ask", () => {}, "button.primary"));
    this.form.lastChild.type = "submit";
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(this.input.value);
    });
    this.form.addEventListener("keydown", (event) => event.key === "Escape" && this.toggle(false));
    this.wrong.before(this.form);
    this.input.focus();
  }

  field() {
    const { name, kind, minimum, maximum, desired, reported } = this.property;
    if (this.choices.length) {
      this.input = make("select", ...this.choices.map((choice) => make("option", choice)));
    } else {
      this.input = make("input");
      const numeric = ["int", "integer", "float", "double"].includes(kind);
      this.input.type = numeric ? "number" : "text";
      if (numeric) this.input.step = kind.startsWith("int") ? "1" : "any";
      if (numeric) this.input.required = true;
      mark(this.input, "min", numeric ? minimum : null);
      mark(this.input, "max", numeric ? maximum : null);
    }
    this.input.value = desired || reported || this.choices[0] || "";
    this.input.setAttribute("aria-label", `${name} asked of ${this.device}`);
    return this.input;
  }

  async send(value) {
    mark(this.element, "aria-busy", "true");
    say(this.wrong, "");
    try {
      await ask("PUT", devicePath("devices", this.device, "desired", this.property.name), { value });
      if (this.form) this.toggle(false);
    } catch (problem) {
      say(this.wrong, problem.message);
    } finally {
      mark(this.element, "aria-busy", null);
    }
  }
}
