import type { Hono } from "hono";
import { z } from "zod";
import type { Runtime } from "../runtime/runtime.ts";
import { isLive, lastEventId } from "./actor_routes.ts";
import { frame, type LiveStreams } from "./live.ts";
import { json } from "./problem.ts";
import { limitParameter, readQuery } from "./request.ts";
import { eventView } from "./views.ts";

const EVENTS_PER_READ = 100;

/** The log across actors, in pages and live. */
export function logRoutes(app: Hono, runtime: Runtime, live: LiveStreams): void {
  app.get("/events", async (c) => {
    const { after: text, type, limit } = readQuery(c, {
      after: z.string().default(""),
      type: z.string().min(1).max(64).optional(),
      limit: limitParameter(runtime.limits),
    });
    // `now` is the place behind everything that is on disk at this moment.
    const after = text === "now" ? runtime.positions() : runtime.parseToken(text);
    if (!isLive(c)) {
      const page = await runtime.readLog({ after, limit, type });
      const next = runtime.formatToken(page.next);
      return json(200, { events: page.events.map(eventView), next, hasMore: page.hasMore });
    }
    let reached = lastEventId(c, (id) => runtime.parseToken(id)) ?? after;
    return live.respond({
      subscribe(wake) {
        const endings = runtime.shards.map((shard) => shard.wakeups.committed.subscribe(wake));
        return () => endings.forEach((end) => end());
      },
      reached: () => runtime.formatToken(reached),
      async next() {
        const bytesMax = runtime.limits.livePageBytesMax;
        const page = await runtime.readLog({ after: reached, limit: EVENTS_PER_READ, bytesMax, type });
        reached = page.next;
        // A page of a rare type may be empty although there is more to look through.
        if (page.events.length === 0 && page.hasMore) return undefined;
        return page.events.map((event) =>
          frame({ id: event.token, type: event.type, data: eventView(event) })
        );
      },
    });
  });
}
