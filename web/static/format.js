// Numbers and times as a person reads them. Times from the gateway are microseconds since 1970 UTC.

let offset = 0; // the gateway's clock minus ours, in milliseconds

export function setNow(micros) {
  const fresh = micros / 1000 - Date.now();
  if (Math.abs(fresh - offset) > 250) offset = fresh;
}

export const now = () => Date.now() + offset;

const whole = new Intl.NumberFormat("en", { useGrouping: true });
export const count = (number) => whole.format(number).replaceAll(",", "\u202f");

/** A value for display: a float with more decimals than help is shortened, everything else stays as it is. */
export function value(text, kind) {
  if (text == null) return "–";
  if (kind !== "float" && kind !== "double") return text;
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) return text;
  const size = Math.abs(number);
  const decimals = size >= 100 ? 1 : size >= 1 ? 2 : 3;
  const shortened = number.toFixed(decimals);
  return shortened.length < text.length ? shortened : text;
}

export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

export const ago = (micros) => {
  if (!micros) return "never";
  const passed = now() - micros / 1000;
  return passed < 2000 ? "now" : `${duration(passed)} ago`;
};

export const since = (micros) => (micros ? duration(now() - micros / 1000) : "");

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
export const clock = (milliseconds) => time.format(milliseconds);
export const at = (micros) => (micros ? time.format(micros / 1000) : "–");
export const fully = (micros) => (micros ? day.format(micros / 1000) : "never");

export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A sentence in which devices of the default namespace go by their name alone. */
export const plain = (text) => text.replace(/(^|\s)default\//g, "$1");

/** `default/pump-1` is `pump-1` to a person. */
export const short = (id) => (id.startsWith("default/") ? id.slice(8) : id);
