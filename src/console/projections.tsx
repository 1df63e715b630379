/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { z } from "zod";
import { FolioError } from "../core/errors.ts";
import type { ProjectionStatus } from "../runtime/read_models.ts";
import { Act, action } from "./action.tsx";
import { pathOf, type Refusal } from "./api.ts";
import { type Console, type ConsoleContext, type ConsoleEnv, Csrf } from "./context.tsx";
import { page } from "./page.tsx";
import { Json } from "./json.tsx";
import { Behind, Facts, num, Status, StoppedAt, Table, Text, Time } from "./parts.tsx";
import { queryPages } from "./queries.tsx";
import { leftOf } from "./reactors.tsx";

const HOME = "/console/projections";

/** Projections and reactors: how far they have come, building anew, and the proof that rows have not drifted. */
export function projectionPages(app: Hono<ConsoleEnv>, console: Console): void {
  const { runtime } = console;

  app.get("/projections", (c) => {
    const reactors = runtime.reactors?.list() ?? [];
    return page(
      c,
      { title: "Projections and reactors" },
      (
        <section id="projections" data-live>
          <Table
            caption="Projections"
            heads={["Projection", "Status", num("Behind"), num("Version"), "Queries", "Build"]}
            empty="No module has a projection."
            rows={(runtime.projections?.list() ?? []).map((projection) => [
              <>
                <a href={`${HOME}${pathOf([projection.name])}`}>
                  <strong>{projection.name}</strong>
                </a>
                <StoppedAt failure={projection.failure} />
              </>,
              <Status of={projection.status} />,
              <Behind events={projection.lagEvents} after={projection.token} />,
              projection.servedVersion,
              <Queries of={projection} />,
              <Build of={projection} />,
            ])}
          />
          <h2>Reactors</h2>
          <Table
            caption="Reactors"
            heads={["Reactor", "Status", num("Behind"), "Sending again"]}
            empty="No module has a reactor."
            rows={reactors.map(({ name, status, lagEvents, failure, replay }) => [
              <>
                <a href={`/console/reactors${pathOf([name])}`}>
                  <strong>{name}</strong>
                </a>
                <StoppedAt failure={failure} />
              </>,
              <Status of={status} />,
              <Behind events={lagEvents} />,
              replay ? leftOf(replay) : "–",
            ])}
          />
        </section>
      ),
    );
  });

  app.get("/projections/:name", (c) => projectionPage(c, console));
  queryPages(app, console);
  rebuildActions(app, console);
}

/** What the API answers to a check. */
const Check = z.object({
  status: z.string(),
  rowsCompared: z.number(),
  difference: z.unknown().optional(),
  failure: z.object({ error: z.string() }).optional(),
});

interface Said {
  readonly check?: z.output<typeof Check>;
  readonly refusal?: Refusal;
}

async function projectionPage(c: ConsoleContext, { runtime }: Console, said: Said = {}): Promise<Response> {
  const { name = "" } = c.req.param();
  const projection = runtime.projections?.list().find((each) => each.name === name);
  if (!projection) {
    throw new FolioError("unknown-projection", "There is no projection of that name", {
      projection: name.slice(0, 64),
    });
  }
  const { check, refusal } = said;
  const href = `${HOME}${pathOf([name])}`;
  return await page(
    c,
    {
      title: name,
      ...refusal && { status: refusal.status, notice: { kind: "failed", text: refusal.reason } },
    },
    (
      <>
        <section id="projection" data-live>
          <Facts
            of={[
              ["Status", <Status of={projection.status} />],
              ["Behind", <Behind events={projection.lagEvents} after={projection.token} />],
              ["Version that serves", projection.servedVersion],
              ["Version of the code", projection.version],
              ["Has seen up to", <span class="name">{projection.token || "nothing"}</span>],
              ...projection.startsAfter === undefined
                ? []
                : [["Begins after", <span class="name">{projection.startsAfter}</span>] as const],
            ]}
          />
          <StoppedAt failure={projection.failure} />
          {projection.build && (
            <div class="card">
              <h2>Being built anew</h2>
              <Build of={projection} />
              <p class="muted">
                since <Time at={projection.build.startedAt} />; what is there serves until it has caught up
              </p>
              <Act to={`${href}/cancel`} label="Give up" />
            </div>
          )}
          <h2>Queries</h2>
          <Queries of={projection} />
        </section>
        {check && <Checked check={check} />}
        <div class="two even">
          <section class="card">
            <h2>Rebuild</h2>
            <form method="post" action={`${href}/rebuild`}>
              <Csrf />
              <Text name="from" label="From: a time with its zone, or a token" placeholder="the beginning" />
              <button type="submit">Rebuild…</button>
            </form>
          </section>
          <section class="card">
            <h2>Check</h2>
            <p>Replays the log beside what serves, and compares the rows.</p>
            <Act to={`${href}/check`} label="Check for drift" />
          </section>
        </div>
      </>
    ),
  );
}

function rebuildActions(app: Hono<ConsoleEnv>, console: Console): void {
  const of = (c: ConsoleContext) => {
    const { name = "" } = c.req.param();
    return { name, back: `${HOME}${pathOf([name])}`, path: ["projections", name, "rebuild"] };
  };

  action(app, console, "/projections/:name/rebuild", (c) => {
    const { name, back, path } = of(c);
    const from = c.get("form").from || undefined;
    return {
      ...{ name: "rebuild", target: name, back, done: "Being rebuilt" },
      ask: (api) => api("POST", pathOf(path, { from })),
      refused: (refusal) => projectionPage(c, console, { refusal }),
      confirm: {
        question: `Rebuild ${name} from ${
          from ?? "the whole log"
        }? Its rows go on serving until the new ones are there.`,
        label: "Rebuild",
      },
    };
  });

  action(app, console, "/projections/:name/cancel", (c) => {
    const { name, back, path } = of(c);
    return {
      ...{ name: "cancel-rebuild", target: name, back, done: "Build given up" },
      ask: (api) => api("DELETE", pathOf(path)),
    };
  });

  action(app, console, "/projections/:name/check", (c) => {
    const { name, back, path } = of(c);
    return {
      ...{ name: "check-projection", target: name, back, done: "Checked" },
      ask: (api) => api("POST", pathOf(path, { check: "true" })),
      show: (body) => projectionPage(c, console, { check: Check.parse(body) }),
      refused: (refusal) => projectionPage(c, console, { refusal }),
    };
  });
}

function Queries({ of: { name, queries } }: { of: ProjectionStatus }) {
  return (
    <ul class="inline">
      {queries.map((query) => (
        <li>
          <a href={`${HOME}${pathOf([name, query])}`}>{query}</a>
        </li>
      ))}
    </ul>
  );
}

function Build({ of: { name, build } }: { of: ProjectionStatus }) {
  if (!build) return <span class="muted">–</span>;
  return (
    <>
      <progress
        value={String(build.eventsDone)}
        max={String(Math.max(1, build.eventsTotal))}
        aria-label={`Build of ${name}`}
      />{" "}
      {build.eventsDone} of {build.eventsTotal}
      <StoppedAt failure={build.failure} />
    </>
  );
}

function Checked({ check }: { check: z.output<typeof Check> }) {
  const { status, rowsCompared, difference, failure } = check;
  return (
    <section class="card">
      <h2>What the check found</h2>
      <p role="status">
        <Status of={status} /> {rowsCompared} rows compared
      </p>
      {failure && <p class="error">{failure.error}</p>}
      {difference !== undefined && <Json value={difference} label="The first row that differs" />}
    </section>
  );
}
