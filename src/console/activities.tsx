/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import type { ActivityStatus } from "../runtime/activity_status.ts";
import { countDeadLetters } from "../runtime/browse.ts";
import { pathOf } from "./api.ts";
import type { Console, ConsoleEnv } from "./context.tsx";
import { page } from "./page.tsx";
import { milliseconds, num, Status, Table, Time } from "./parts.tsx";

/** Activities of this process: what waits and runs, their limits, rates and circuits. */
export function activityPages(app: Hono<ConsoleEnv>, { runtime, samples }: Console): void {
  app.get("/activities", async (c) => {
    const activities = runtime.activities?.list() ?? [];
    // Where there is none at all, no activity has any.
    const isAnyDead = await countDeadLetters(runtime) > 0;
    const dead = await Promise.all(
      activities.map(({ name }) => isAnyDead ? countDeadLetters(runtime, { type: `activity:${name}` }) : 0),
    );
    return await page(
      c,
      { title: "Activities" },
      (
        <section id="activities" data-live>
          <Table
            caption="Activities"
            heads={[
              ...["Activity", num("Waiting"), num("Running"), num("Rate"), num("Attempts"), num("Failed")],
              ...[num("Dead"), num("p99"), "Circuit"],
            ]}
            empty="No module has an activity."
            rows={activities.map((activity, index) => {
              const { name, queued, running, attempts, failures, p99Ms } = activity;
              const definition = runtime.registry.activities.get(name);
              const rate = definition?.rateLimit;
              const type = `activity:${name}`;
              const messages = (status?: string) => `/console${pathOf(["messages"], { type, status })}`;
              return [
                <>
                  <strong>{name}</strong>
                  <Trouble circuit={activity.circuit} />
                </>,
                <a href={messages("waiting")}>{queued}</a>,
                <>
                  <a href={messages("waiting")}>{running}</a> of {definition?.concurrency.limit ?? "–"}
                </>,
                <>
                  {(samples.attemptRates.get(name) ?? 0).toFixed(1)} / s
                  {rate && <div class="muted">≤ {rate.limit} / {milliseconds(rate.perMs)}</div>}
                </>,
                <a href={messages()}>{attempts}</a>,
                <a href={messages("failed")}>{failures}</a>,
                <a href={`/console${pathOf(["dead-letters"], { type })}`}>{dead[index]}</a>,
                p99Ms === undefined ? "–" : milliseconds(p99Ms),
                activity.circuit ? <Status of={activity.circuit.state} /> : <span class="muted">none</span>,
              ];
            })}
          />
        </section>
      ),
    );
  });
}

/** Why a circuit is not closed, and when it is tried. */
function Trouble({ circuit }: { circuit: ActivityStatus["circuit"] }) {
  if (!circuit || circuit.state === "closed") return null;
  return (
    <div class="error">
      {circuit.error}
      {circuit.probeAt !== undefined && (
        <div class="muted">
          tried <Time at={circuit.probeAt} />
        </div>
      )}
    </div>
  );
}
