import type { Hono } from "hono";
import { z } from "zod";
import type { ActivityMonitor } from "../runtime/activity_status.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { json } from "./problem.ts";
import { readMessageId, readQuery } from "./request.ts";
import { messageView, traceView } from "./views.ts";

const which = { actor: z.string().min(1).max(1_000).optional() };

/** What became of messages, and what they led to. */
export function messageRoutes(app: Hono, runtime: Runtime, activities: ActivityMonitor | undefined): void {
  app.get("/messages/:id", async (c) => {
    const { actor } = readQuery(c, which);
    const message = await runtime.message(readMessageId(c), actor);
    const { outcome, shard } = message;
    const headers = outcome ? { "folio-position": `${shard}.${outcome.position}` } : undefined;
    return json(200, messageView(message, activities?.running(message)), headers);
  });

  app.get("/messages/:id/trace", async (c) => {
    const { actor } = readQuery(c, which);
    const { correlationId } = await runtime.message(readMessageId(c), actor);
    const trace = await runtime.trace(correlationId);
    return json(200, { correlationId, roots: trace.roots.map(traceView), isTruncated: trace.isTruncated });
  });
}
