// Requests to the gateway; every failure becomes an Error whose message a person can use.

export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function ask(method, path, body, accept = "application/json") {
  const headers = { Accept: accept };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, "the gateway is away; try again when it is back");
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => null);
    throw new Problem(answer.status, problem?.detail ?? `the gateway answered ${answer.status}`);
  }
  if (accept !== "application/json") return answer.text();
  return answer.status === 204 ? null : answer.json();
}

/** `/api/v1/devices/default/pump-1/desired/power` from its parts, each escaped. */
export const path = (...parts) => "/api/v1/" + parts.map(encodeURIComponent).join("/");

export function devicePath(collection, id, ...rest) {
  const slash = id.indexOf("/");
  return path(collection, id.slice(0, slash), id.slice(slash + 1), ...rest);
}
