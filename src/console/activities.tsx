/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import type { ActivityStatus } from "../runtime/activity_status.ts";
import { pathOf } from "./api.ts";
import { type Console, type ConsoleEnv, page } from "./page.tsx";
import { milliseconds, Status, Table, Time } from "./parts.tsx";

/** Activities of this process: what waits and runs, their limits, rates and circuits. */
export function activityPages(app: Hono<ConsoleEnv>, { runtime }: Console): void {
  app.get("/activities", async (c) => {
    const activities = runtime.activities?.list() ?? [];
    return await page(
      c,
      { title: "Activities" },
      (
        <section id="activities" data-live>
          <Table
            caption="Activities"
            heads={["Activity", "Waiting", "Running", "Rate", "Attempts", "Failed", "p99", "Circuit", "Dead"]}
            empty="No module has an activity."
            rows={activities.map((activity) => {
              const { name, queued, running, attempts, failures, p99Ms } = activity;
              const definition = runtime.registry.activities.get(name);
              const rate = definition?.rateLimit;
              const type = `activity:${name}`;
              return [
                <strong>{name}</strong>,
                <a href={`/console${pathOf(["messages"], { type, status: "queued" })}`}>{queued}</a>,
                `${running} of ${definition?.concurrency.limit ?? "–"}`,
                rate ? `${rate.limit} per ${milliseconds(rate.perMs)}` : "–",
                <a href={`/console${pathOf(["messages"], { type })}`}>{attempts}</a>,
                failures > 0
                  ? <a href={`/console${pathOf(["messages"], { type, status: "retrying" })}`}>{failures}</a>
                  : "0",
                p99Ms === undefined ? "–" : milliseconds(p99Ms),
                <Circuit circuit={activity.circuit} />,
                <a href={`/console${pathOf(["dead-letters"], { type })}`}>
                  look<span class="hidden">{` at the dead letters of ${name}`}</span>
                </a>,
              ];
            })}
          />
        </section>
      ),
    );
  });
}

function Circuit({ circuit }: { circuit: ActivityStatus["circuit"] }) {
  if (!circuit) return <span class="muted">none</span>;
  return (
    <>
      <Status of={circuit.state} />
      {circuit.probeAt !== undefined && (
        <span class="muted">
          tried <Time at={circuit.probeAt} />
        </span>
      )}
      {circuit.error !== undefined && <div class="error">{circuit.error}</div>}
    </>
  );
}
