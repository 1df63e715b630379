/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { type Act, AUDIT_KEY, AUDIT_TYPE } from "../core/audit.ts";
import type { Console, ConsoleEnv } from "./context.tsx";
import { page } from "./page.tsx";
import { Status, Table, Time } from "./parts.tsx";

const ACTS_SHOWN = 200;

/** What was done here, by whom and when. */
export function auditPages(app: Hono<ConsoleEnv>, { runtime }: Console): void {
  app.get("/audit", async (c) => {
    const newest = { after: 0, limit: ACTS_SHOWN, isNewest: true };
    const { events, hasMore } = await runtime.stream(AUDIT_TYPE, AUDIT_KEY, newest);
    return await page(
      c,
      { title: "Audit" },
      (
        <section id="audit" data-live>
          <Table
            caption="What was done in the console"
            heads={["When", "Who", "Action", "To what", "Outcome"]}
            empty="Nothing has been done here yet."
            rows={events.toReversed().map((event) => {
              // Events of this actor hold nothing else.
              const { who, action, target, isDone } = event.payload as Act;
              return [
                <Time at={event.at} />,
                who,
                action,
                <span class="wrap">{target}</span>,
                <Status of={isDone ? "done" : "rejected"} />,
              ];
            })}
          />
          {hasMore && <p class="muted">The newest {events.length} of {events.at(-1)?.version}.</p>}
        </section>
      ),
    );
  });
}
