/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { z } from "zod";
import { FolioError } from "../core/errors.ts";
import { pathOf, textOf } from "./api.ts";
import type { Console, ConsoleEnv } from "./context.tsx";
import { page } from "./page.tsx";
import { Behind, type Head, num, Table } from "./parts.tsx";

const ROWS_SHOWN = 200;

/** What queries of projections answer. */
export function queryPages(app: Hono<ConsoleEnv>, { runtime }: Console): void {
  app.get("/projections/:name/:query", async (c) => {
    const { name, query } = c.req.param();
    const given = Object.fromEntries(Object.entries(c.req.query()).filter(([, value]) => value !== ""));
    const fields = parametersOf(runtime.registry.projections.get(name)?.queries.get(query)?.input);
    const isAsked = Object.keys(c.req.query()).length > 0 || fields.length === 0;
    const { result, refusal } = isAsked ? await ask(name, query, given) : {};
    const status = refusal === undefined
      ? {}
      : { status: 422, notice: { kind: "failed" as const, text: refusal } };
    return await page(
      c,
      { title: `${name}: ${query}`, ...status },
      (
        <>
          {fields.length > 0 && (
            <form class="row filter" role="search">
              {fields.map((field) => (
                <label>
                  {field}
                  <input name={field} value={given[field] ?? ""} autocomplete="off" />
                </label>
              ))}
              <button type="submit">Ask</button>
            </form>
          )}
          {result && (
            <section>
              <p class="muted">
                {result.rows.length} {result.rows.length === 1 ? "row" : "rows"}
                {result.isTruncated ? ", and more" : ""}
                {result.rows.length > ROWS_SHOWN ? `, ${ROWS_SHOWN} of them below` : ""};{" "}
                <Behind events={result.lagEvents} after={result.token} /> behind the log
              </p>
              <Rows rows={result.rows.slice(0, ROWS_SHOWN)} query={query} />
            </section>
          )}
          <p>
            <a href={`/console/projections${pathOf([name])}`}>The projection {name}</a>
          </p>
        </>
      ),
    );
  });

  async function ask(name: string, query: string, input: unknown) {
    const { projections } = runtime;
    if (!projections) {
      throw new FolioError("unknown-projection", "There is none", { projection: name.slice(0, 64) });
    }
    try {
      const result = await projections.query(name, query, input, { waitMs: runtime.limits.queryWaitMsMax });
      return { result };
    } catch (error) {
      if (!FolioError.is(error, "invalid-input")) throw error;
      return { refusal: textOf({ reason: `${error.message}.`, issues: error.fields.issues }) };
    }
  }
}

function Rows({ rows, query }: { rows: readonly Readonly<Record<string, unknown>>[]; query: string }) {
  const names = Object.keys(rows[0] ?? {});
  const heads: Head[] = names.map((name) =>
    rows.every((row) => typeof row[name] === "number") ? num(name) : name
  );
  const cells = rows.map((row) => names.map((name) => <span class="wrap">{cellText(row[name])}</span>));
  return <Table caption={`Rows of ${query}`} heads={heads} empty="No rows." rows={cells} />;
}

function parametersOf(schema: z.ZodType | undefined): string[] {
  if (!schema) return [];
  return Object.keys(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }).properties ?? {});
}

function cellText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "–";
}
