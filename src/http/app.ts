import { Hono } from "hono";
import { errorMessage, FolioError } from "../core/errors.ts";
import type { AlertMonitor, MetricsPage } from "../runtime/observation.ts";
import type { ReactorModels } from "../runtime/reactor_models.ts";
import type { ReadModels } from "../runtime/read_models.ts";
import type { ActivityMonitor } from "../runtime/activity_status.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { WebhookService } from "../runtime/webhooks.ts";
import { DatabaseError } from "../store/database.ts";
import { activityRoutes } from "./activity_routes.ts";
import { actorRoutes } from "./actor_routes.ts";
import { deadLetterRoutes } from "./dead_letter_routes.ts";
import { healthRoutes } from "./health_routes.ts";
import { LiveStreams } from "./live.ts";
import { loadGate } from "./load_gate.ts";
import { logRoutes } from "./log_routes.ts";
import { messageRoutes } from "./message_routes.ts";
import { openApiDocument } from "./openapi.ts";
import { observeRoutes } from "./observe_routes.ts";
import { noReadModels, projectionRoutes } from "./projection_routes.ts";
import { json, methodNotAllowed, problem } from "./problem.ts";
import { noReactors, reactorRoutes } from "./reactor_routes.ts";
import { readQuery } from "./request.ts";
import { sagaRoutes } from "./saga_routes.ts";
import { guard } from "./security.ts";
import { timeRoutes } from "./time_routes.ts";
import { traceRequests } from "./tracing.ts";
import { noWebhooks, webhookRoutes } from "./webhook_routes.ts";

/** A runtime with what follows its log, where there is such. */
export type ServedRuntime = Runtime & {
  readonly projections?: ReadModels;
  readonly reactors?: ReactorModels;
  readonly webhooks?: WebhookService;
  readonly activities?: ActivityMonitor;
  /** Of requests that get a trace, where a provider of OpenTelemetry is registered (1). */
  readonly traceRatio?: number | undefined;
  readonly metrics?: MetricsPage | undefined;
  readonly alerts?: AlertMonitor | undefined;
};

/** How the app meets its clients. */
export interface AppOptions {
  /** What clients must send as `Authorization: Bearer`; without one, only this machine's own requests get in. */
  readonly token?: string | undefined;
  /** Whether requests are refused that have come while too many others wait, `overloadMsMax`. */
  readonly shedsLoad?: boolean | undefined;
}

/**
 * A runtime as a Hono app, to be served or mounted anywhere.
 *
 * @example
 * ```ts
 * import { createApp, createRuntime } from "folio";
 *
 * await using runtime = await createRuntime({ modules: [], data: ":memory:" });
 * const app = createApp(runtime);
 * const response = await app.request("http://localhost/health/ready");
 * console.assert(response.status === 200);
 * ```
 */
export function createApp(
  runtime: ServedRuntime,
  options: AppOptions = {},
): Hono {
  const app = new Hono();
  const live = new LiveStreams(runtime.clock, runtime.limits);
  runtime.draining.subscribe(() => live.end());

  app.onError((error, c) => {
    if (error instanceof FolioError) return problem(error);
    runtime.log("error", "Request failed", { path: c.req.path.slice(0, 200), error: errorMessage(error) });
    if (error instanceof DatabaseError) {
      return problem(
        new FolioError("store-unavailable", "The store cannot be read now: try again later", {}),
      );
    }
    return problem(error);
  });
  if (options.shedsLoad) app.use(loadGate(runtime.limits.overloadMsMax));
  const guarded = guard(options.token);
  const tracing = traceRequests(runtime.traceRatio ?? 1);
  // As one: each middleware of its own costs a request one promise more.
  app.use(tracing ? (c, next) => guarded(c, () => tracing(c, next)) : guarded);
  actorRoutes(app, runtime, live);
  logRoutes(app, runtime, live);
  messageRoutes(app, runtime, runtime.activities);
  activityRoutes(app, runtime.activities);
  sagaRoutes(app, runtime);
  deadLetterRoutes(app, runtime);
  projectionRoutes(app, runtime, runtime.projections ?? noReadModels);
  timeRoutes(app, runtime);
  reactorRoutes(app, runtime, runtime.reactors ?? noReactors);
  webhookRoutes(app, runtime, runtime.webhooks ?? noWebhooks);
  healthRoutes(app, runtime);
  observeRoutes(app, runtime);
  const document = openApiDocument(runtime.registry);
  app.get("/openapi.json", (c) => {
    readQuery(c, {});
    return json(200, document);
  });
  const routes = app.routes.filter(({ method }) => method !== "ALL");
  app.notFound((c) => {
    const allowed = methodsAt(routes, c.req.path);
    if (allowed.length === 0) {
      return problem(
        new FolioError("not-found", `There is nothing at ${c.req.path.slice(0, 200)}: see /openapi.json`, {}),
      );
    }
    return methodNotAllowed(allowed);
  });
  return app;
}

/** Methods that some route takes at a path, which by another method is a 405 and not a 404. */
function methodsAt(routes: readonly { path: string; method: string }[], path: string): string[] {
  const parts = path.split("/");
  const methods = new Set<string>();
  for (const route of routes) {
    const names = route.path.split("/");
    const isHere = names.length === parts.length &&
      names.every((name, index) => (name.startsWith(":") ? parts[index] !== "" : name === parts[index]));
    if (!isHere) continue;
    methods.add(route.method);
    if (route.method === "GET") methods.add("HEAD");
  }
  return [...methods];
}
