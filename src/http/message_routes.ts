import type { Hono } from "hono";
import { z } from "zod";
import type { ActivityMonitor } from "../runtime/activity_status.ts";
import type { ReadModels } from "../runtime/read_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { json } from "./problem.ts";
import { readMessageId, readQuery } from "./request.ts";
import { eventFollowers, traceView } from "./trace_view.ts";
import { messageView } from "./views.ts";

const which = { actor: z.string().min(1).max(1_000).optional() };

/** What became of messages, and what they led to. */
export function messageRoutes(
  app: Hono,
  runtime: Runtime & { readonly projections?: Pick<ReadModels, "list"> },
  activities: ActivityMonitor | undefined,
): void {
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
    const followersOf = eventFollowers(runtime.registry, runtime);
    const roots = trace.roots.map((root) => traceView(root, followersOf));
    return json(200, { correlationId, roots, isTruncated: trace.isTruncated });
  });
}
