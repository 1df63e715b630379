import type { Hono } from "hono";
import type { Alert, AlertMonitor, MetricsPage } from "../runtime/observation.ts";
import { FolioError } from "../core/errors.ts";
import { json, respond } from "./problem.ts";
import { readQuery } from "./request.ts";
import { isoTime } from "./views.ts";

/** Metrics for Prometheus, and what an operator should know of now. */
export function observeRoutes(
  app: Hono,
  { metrics, alerts }: { metrics?: MetricsPage | undefined; alerts?: AlertMonitor | undefined },
): void {
  app.get("/metrics", async (c) => {
    // Any query is let be: scrapers add parameters of their own.
    if (!metrics) throw notObserved();
    const { contentType, text } = await metrics.page(c.req.header("accept"));
    return respond(200, text, contentType);
  });

  app.get("/alerts", (c) => {
    readQuery(c, {});
    if (!alerts) throw notObserved();
    return json(200, { alerts: alerts.list().map(alertView), cleared: alerts.cleared().map(alertView) });
  });
}

function notObserved(): FolioError {
  return new FolioError("not-found", "This runtime was made without metrics and alerts", {});
}

function alertView({ firstSeenAt, lastSeenAt, clearedAt, ...alert }: Alert) {
  return {
    ...alert,
    firstSeenAt: isoTime(firstSeenAt),
    lastSeenAt: isoTime(lastSeenAt),
    clearedAt: isoTime(clearedAt),
  };
}
