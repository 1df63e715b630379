/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { frame, type LiveStreams } from "../http/live.ts";
import { countDeadLetters } from "../runtime/browse.ts";
import { AlertsInShort } from "./alert_parts.tsx";
import { pathOf } from "./api.ts";
import type { Console, ConsoleEnv } from "./context.tsx";
import { page } from "./page.tsx";
import { milliseconds, num, Table } from "./parts.tsx";

const charts = [
  ["rates", "Commands ended", "per second"],
  ["latency", "Latency of commands", "ms"],
  ["queued", "Messages that wait", "messages"],
  ["lag", "Behind the log", "events"],
  ["dead", "Dead letters", "messages"],
  ["events", "Events recorded", "per second"],
] as const;

/** How it goes: alerts, numbers, and the last minutes as charts. */
export function overviewPages(app: Hono<ConsoleEnv>, console: Console, live: LiveStreams): void {
  const { runtime, samples } = console;

  app.get("/", async (c) => {
    const dead = await countDeadLetters(runtime);
    const now = samples.list().at(-1);
    const queues = [...queuesOf(console)].sort(([, a], [, b]) => b - a);
    const followers = [...runtime.projections?.list() ?? [], ...runtime.reactors?.list() ?? []];
    const behind = Math.max(0, ...followers.map(({ lagEvents }) => lagEvents));
    const stuck = await stuckSagas(console);
    return await page(
      c,
      { title: "Overview" },
      (
        <>
          <section id="alerts" data-live aria-label="Alerts">
            <AlertsInShort alerts={c.get("alerts")} />
            {!runtime.isReady && <p class="notice failed">Commands are not taken now.</p>}
          </section>
          <section id="tiles" class="tiles" data-live aria-label="Numbers">
            <Tile
              name="Commands / s"
              value={now ? (now.done + now.rejected + now.failed).toFixed(1) : "–"}
              href="/console/messages"
            />
            <Tile
              name="Latency p99"
              value={now?.p99Ms == null ? "–" : milliseconds(now.p99Ms)}
              href="/console/messages"
            />
            <Tile
              name="Waiting"
              value={String(queues.reduce((sum, [, depth]) => sum + depth, 0))}
              href="/console/messages?status=waiting"
            />
            <Tile
              name="Most behind"
              value={`${behind} ${behind === 1 ? "event" : "events"}`}
              href="/console/projections"
            />
            <Tile
              name="Dead letters"
              value={String(dead)}
              href="/console/dead-letters"
              isBad={dead > 0}
            />
            <Tile
              name="Stuck sagas"
              value={String(stuck)}
              href="/console/sagas?status=stuck"
              isBad={stuck > 0}
            />
          </section>
          <section class="charts" aria-label="The last minutes">
            {charts.map(([id, name, unit]) => (
              <figure class="card">
                <figcaption>
                  {name} <span class="muted">{unit}</span>
                </figcaption>
                <div
                  class="chart"
                  data-chart={id}
                  role="img"
                  aria-label={`${name}, ${unit}, over the last minutes`}
                >
                </div>
              </figure>
            ))}
          </section>
          {runtime.metrics === undefined && (
            <p class="empty">This runtime was made without metrics: nothing is charted.</p>
          )}
          <section id="queues" data-live>
            <h2>What waits</h2>
            <Table
              caption="What waits, by type"
              heads={["Type", num("Messages")]}
              empty="Nothing waits."
              rows={queues.map(([type, depth]) => [type, <a href={queueHref(type)}>{depth}</a>])}
            />
          </section>
        </>
      ),
    );
  });

  app.get("/samples", (c) => c.json({ samples: samples.list() }));

  app.get("/live", () => {
    let reached = samples.list().at(-1)?.at ?? 0;
    return live.respond({
      subscribe: (wake) => samples.watch(wake),
      reached: () => String(reached),
      next() {
        const news = samples.list().filter(({ at }) => at > reached);
        reached = news.at(-1)?.at ?? reached;
        return Promise.resolve(
          news.map((sample) => frame({ id: String(sample.at), type: "sample", data: sample })),
        );
      },
    });
  });
}

function Tile(
  { name, value, href, isBad = false }: { name: string; value: string; href: string; isBad?: boolean },
) {
  return (
    <a class={`tile ${isBad ? "bad" : ""}`} href={href}>
      <span class="muted">{name}</span>
      <strong>{value}</strong>
    </a>
  );
}

function queuesOf({ runtime }: Console): Map<string, number> {
  const depths = new Map<string, number>();
  for (const shard of runtime.shards) {
    for (const [type, { depth }] of shard.queues()) depths.set(type, depth + (depths.get(type) ?? 0));
  }
  return depths;
}

async function stuckSagas({ runtime }: Console): Promise<number> {
  const limit = runtime.limits.pageItemsMax;
  const pages = await Promise.all(
    [...runtime.registry.sagas.keys()].map((saga) => runtime.sagas.list(saga, { status: "stuck", limit })),
  );
  return pages.reduce((sum, { sagas }) => sum + sagas.length, 0);
}

function queueHref(type: string): string {
  return `/console${pathOf(["messages"], { status: "waiting", type })}`;
}
