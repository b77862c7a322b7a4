// The SQL box.

import { ask, path } from "./api.js";
import { button, byId, make, say } from "./dom.js";

const LIMIT = 200;

export class Sql {
  constructor() {
    this.query = byId("query");
    byId("sql-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    this.query.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.run();
    });
    byId("csv").addEventListener("click", () => this.download());
  }

  show({ queries }) {
    if (!queries.length) return;
    const choose = ({ query }) => {
      this.query.value = query;
      this.run();
    };
    byId("queries").replaceChildren(...queries.map((query) => button(query.title, () => choose(query), "button.chip")));
    if (!this.query.value) this.query.value = queries[0].query;
  }

  async run() {
    await this.attempt(async (query) => {
      const answer = await ask("POST", path("sql"), { query, limit: LIMIT });
      this.table(answer);
      const more = answer.truncated ? `, cut at ${LIMIT}` : "";
      return `${answer.rows.length} ${answer.rows.length === 1 ? "row" : "rows"}${more} in ${(answer.elapsed_us / 1000).toFixed(1)} ms`;
    });
  }

  async download() {
    await this.attempt(async (query) => {
      const text = await ask("POST", path("sql"), { query, limit: 10000 }, "text/csv");
      const link = make("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
      link.download = "gemelo.csv";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      return "downloaded";
    });
  }

  async attempt(action) {
    const query = this.query.value.trim();
    if (!query) return;
    const state = byId("sql-state");
    state.className = "quiet grow";
    say(state, "asking…");
    try {
      say(state, await action(query));
    } catch (problem) {
      state.className = "wrong grow";
      say(state, problem.message);
    }
  }

  table({ columns, rows }) {
    const head = make("tr", ...columns.map((name) => make("th", name)));
    for (const cell of head.children) cell.scope = "col";
    const body = rows.map((row) => make("tr", ...row.map(cell)));
    const area = byId("rows");
    area.replaceChildren(make("table", make("thead", head), make("tbody", ...body)));
    area.hidden = false;
  }
}

function cell(value) {
  if (value === null) return make("td.quiet", "null");
  if (typeof value === "number") return make("td.number", String(value));
  return make("td", typeof value === "object" ? JSON.stringify(value) : String(value));
}
