/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { z } from "zod";
import { errorMessage, FolioError } from "../core/errors.ts";
import { pathOf } from "./api.ts";
import { Act, type Console, type ConsoleEnv, page, perform } from "./page.tsx";
import { ActorLink, Status, Table } from "./parts.tsx";

const HOME = "/console/projections";
const ROWS_SHOWN = 200;

/** Projections and reactors: how far they have come, building anew, and what queries answer. */
export function projectionPages(app: Hono<ConsoleEnv>, console: Console): void {
  const { runtime } = console;

  app.get("/projections", async (c) => {
    const projections = runtime.projections?.list() ?? [];
    const reactors = runtime.reactors?.list() ?? [];
    return await page(
      c,
      { title: "Projections" },
      (
        <section id="projections" data-live>
          <Table
            caption="Projections"
            heads={["Projection", "Status", "Behind", "Version", "Queries", "Build"]}
            empty="No module has a projection."
            rows={projections.map(({ name, status, lagEvents, servedVersion, queries, build, failure }) => [
              <>
                <strong>{name}</strong>
                {failure && (
                  <div class="error">
                    {failure.error} at <ActorLink actor={failure.event.actor} />
                  </div>
                )}
              </>,
              <Status of={status} />,
              `${lagEvents} events`,
              servedVersion,
              <ul class="plain">
                {queries.map((query) => (
                  <li>
                    <a href={`${HOME}${pathOf([name, query])}`}>{query}</a>
                  </li>
                ))}
              </ul>,
              build
                ? (
                  <>
                    <progress
                      value={String(build.eventsDone)}
                      max={String(Math.max(1, build.eventsTotal))}
                      aria-label={`Build of ${name}`}
                    />{" "}
                    {build.eventsDone} of {build.eventsTotal}
                    {build.failure && <div class="error">{build.failure.error}</div>}
                    <Act to={`${HOME}/${name}/cancel`} label="Give up" />
                  </>
                )
                : <Act to={`${HOME}/${name}/rebuild`} label="Rebuild…" />,
            ])}
          />
          <h2>Reactors</h2>
          <Table
            caption="Reactors"
            heads={["Reactor", "Status", "Behind"]}
            empty="No module has a reactor."
            rows={reactors.map(({ name, status, lagEvents, failure }) => [
              <>
                <strong>{name}</strong>
                {failure && (
                  <div class="error">
                    {failure.error} at <ActorLink actor={failure.event.actor} />
                  </div>
                )}
              </>,
              <Status of={status} />,
              `${lagEvents} events`,
            ])}
          />
        </section>
      ),
    );
  });

  app.get("/projections/:name/:query", async (c) => {
    const { name, query } = c.req.param();
    const given = Object.fromEntries(Object.entries(c.req.query()).filter(([, value]) => value !== ""));
    const fields = fieldsOf(runtime.registry.projections.get(name)?.queries.get(query)?.input);
    const isAsked = Object.keys(c.req.query()).length > 0 || fields.length === 0;
    const { result, refusal } = isAsked ? await ask(name, query, given) : {};
    const heads = Object.keys(result?.rows[0] ?? {});
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
                {result.rows.length} rows{result.isTruncated ? ", and more" : ""}, {result.lagEvents}{" "}
                events behind the log
              </p>
              <Table
                caption={`Rows of ${query}`}
                heads={heads}
                empty="No rows."
                rows={result.rows.slice(0, ROWS_SHOWN).map((row) => heads.map((head) => textOf(row[head])))}
              />
            </section>
          )}
          <p>
            <a href={HOME}>All projections</a>
          </p>
        </>
      ),
    );
  });

  app.post("/projections/:name/rebuild", (c) => {
    const name = c.req.param("name");
    return perform(c, console, {
      ...{ method: "POST", path: pathOf(["projections", name, "rebuild"]), name: "rebuild", target: name },
      ...{ done: "Being rebuilt", back: HOME },
      confirm: {
        question: `Rebuild ${name} from the whole log? Its rows go on serving until the new ones are there.`,
        label: "Rebuild",
      },
    });
  });

  app.post("/projections/:name/cancel", (c) => {
    const name = c.req.param("name");
    return perform(c, console, {
      ...{
        method: "DELETE",
        path: pathOf(["projections", name, "rebuild"]),
        name: "cancel-rebuild",
        target: name,
      },
      ...{ done: "Build given up", back: HOME },
    });
  });

  async function ask(name: string, query: string, input: unknown) {
    const { projections } = runtime;
    if (!projections) {
      throw new FolioError("unknown-projection", "There is none", { projection: name.slice(0, 64) });
    }
    try {
      return {
        result: await projections.query(name, query, input, { waitMs: runtime.limits.queryWaitMsMax }),
      };
    } catch (error) {
      if (!FolioError.is(error, "invalid-input")) throw error;
      const issues = error.fields.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
      return { refusal: `${errorMessage(error)}. ${issues.join(". ")}` };
    }
  }
}

function fieldsOf(schema: z.ZodType | undefined): string[] {
  if (!schema) return [];
  return Object.keys(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }).properties ?? {});
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "–";
}
