import { Hono } from "hono";
import { errorMessage, FolioError } from "../core/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { actorRoutes } from "./actor_routes.ts";
import { deadLetterRoutes } from "./dead_letter_routes.ts";
import { healthRoutes } from "./health_routes.ts";
import { LiveStreams } from "./live.ts";
import { logRoutes } from "./log_routes.ts";
import { messageRoutes } from "./message_routes.ts";
import { openApiDocument } from "./openapi.ts";
import { json, problem } from "./problem.ts";
import { readQuery } from "./request.ts";
import { guard } from "./security.ts";

/** How the app meets its clients. */
export interface AppOptions {
  /** What clients must send as `Authorization: Bearer`; without one, only this machine's own requests get in. */
  readonly token?: string | undefined;
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
export function createApp(runtime: Runtime, options: AppOptions = {}): Hono {
  const app = new Hono();
  const live = new LiveStreams(runtime.clock, runtime.limits);
  runtime.draining.subscribe(() => live.end());

  app.onError((error, c) => {
    if (error instanceof FolioError) return problem(error);
    runtime.log("error", "Request failed", { path: c.req.path, error: errorMessage(error) });
    return problem(error);
  });
  app.use(async (c, next) => {
    const { url } = c.req;
    if (url.includes("%")) checkPercentEncoding(url);
    await next();
  });
  app.use(guard(options.token));
  actorRoutes(app, runtime, live);
  logRoutes(app, runtime, live);
  messageRoutes(app, runtime);
  deadLetterRoutes(app, runtime);
  healthRoutes(app, runtime);
  const document = openApiDocument(runtime.registry);
  app.get("/openapi.json", (c) => {
    readQuery(c, {});
    return json(200, document);
  });
  refuseOtherMethods(app);
  app.notFound((c) =>
    problem(new FolioError("not-found", `There is nothing at ${c.req.path.slice(0, 200)}`, {}))
  );
  return app;
}

/** A path that cannot be decoded names nothing; Hono would pass it on as it stands. */
function checkPercentEncoding(url: string): void {
  try {
    decodeURIComponent(url.split("?", 1)[0] ?? "");
  } catch {
    throw new FolioError("malformed", "Path is not valid percent-encoded UTF-8", { name: "path" });
  }
}

/** Known paths asked with another method: 405 with `Allow`, not 404. */
function refuseOtherMethods(app: Hono): void {
  const methods = new Map<string, string[]>();
  for (const { path, method } of app.routes) {
    if (method !== "ALL") methods.set(path, [...(methods.get(path) ?? []), method]);
  }
  for (const [path, allowed] of methods) {
    app.all(
      path,
      () =>
        problem(new FolioError("method-not-allowed", `Allowed here: ${allowed.join(", ")}`, { allowed }), {
          allow: allowed.join(", "),
        }),
    );
  }
}
