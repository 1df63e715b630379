/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { Alerts } from "./alert_parts.tsx";
import type { Console, ConsoleEnv } from "./context.tsx";
import { page } from "./page.tsx";
import { Table, Time } from "./parts.tsx";

/** What is wrong now and what to do about it, and what was wrong lately. */
export function alertPages(app: Hono<ConsoleEnv>, { runtime }: Console): void {
  app.get("/alerts", async (c) => {
    const cleared = runtime.alerts?.cleared() ?? [];
    return await page(
      c,
      { title: "Alerts" },
      (
        <>
          <section id="alerts" data-live aria-label="Alerts that fire">
            <Alerts alerts={c.get("alerts")} />
          </section>
          <section id="cleared" data-live>
            <h2>Over</h2>
            <Table
              caption="Alerts that are over"
              heads={["Alert", "What it said", "Since", "Until"]}
              empty="None of late."
              rows={cleared.map((alert) => [
                alert.name,
                <span class="wrap">{alert.message}</span>,
                <Time at={alert.firstSeenAt} />,
                <Time at={alert.clearedAt} />,
              ])}
            />
          </section>
        </>
      ),
    );
  });
}
