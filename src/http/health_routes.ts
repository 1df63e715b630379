import type { Hono } from "hono";
import type { ReactorStatus } from "../runtime/reactor_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { json } from "./problem.ts";

/** For whoever decides whether to restart this process, or to send it requests. */
export function healthRoutes(app: Hono, runtime: Runtime & { reactors?: { list(): ReactorStatus[] } }): void {
  app.get("/health/live", () => json(200, { status: "live" }));

  app.get("/health/ready", () => {
    const shards = runtime.shards.map((shard) => ({
      shard: shard.number,
      isServing: shard.isServing,
      messagesWaiting: shard.depth,
    }));
    const status = runtime.isDraining ? "draining" : runtime.isReady ? "ready" : "not-ready";
    return json(
      runtime.isReady ? 200 : 503,
      { status, shards, reactors: runtime.reactors?.list() ?? [] },
      runtime.isReady ? {} : { "retry-after": "2" },
    );
  });
}
