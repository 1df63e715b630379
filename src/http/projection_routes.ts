import type { Hono } from "hono";
import { FolioError } from "../core/errors.ts";
import type { ProjectionFailure, ProjectionStatus, ReadModels } from "../runtime/read_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { json } from "./problem.ts";
import { readParameters, readQuery } from "./request.ts";

/** Read models: what there is, what they answer, and building them anew. */
export function projectionRoutes(app: Hono, runtime: Runtime, readModels: ReadModels): void {
  app.get("/projections", (c) => {
    readQuery(c, {});
    return json(200, { projections: readModels.list().map(statusView) });
  });

  app.get("/projections/:name/:query", async (c) => {
    const { name, query } = c.req.param();
    const input = readParameters(c);
    const atLeast = c.req.header("folio-at-least");
    const result = await readModels.query(name, query, input, {
      atLeast: atLeast === undefined ? undefined : runtime.parseToken(atLeast),
      waitMs: runtime.limits.queryWaitMsMax,
    });
    const etag = `"${result.token}"`;
    const headers = { etag, "folio-position": result.token };
    if (c.req.header("if-none-match") === etag && !result.isStale) {
      return new Response(null, { status: 304, headers });
    }
    return json(200, result, headers);
  });

  app.post("/projections/:name/rebuild", async (c) => {
    readQuery(c, {});
    return json(202, statusView(await readModels.rebuild(c.req.param("name"))), { location: "/projections" });
  });

  app.delete("/projections/:name/rebuild", async (c) => {
    readQuery(c, {});
    return json(200, statusView(await readModels.cancelRebuild(c.req.param("name"))));
  });
}

function statusView(status: ProjectionStatus) {
  const { failure, build } = status;
  return {
    ...status,
    failure: failure && failureView(failure),
    build: build && {
      ...build,
      startedAt: new Date(build.startedAt).toISOString(),
      failure: build.failure && failureView(build.failure),
    },
  };
}

function failureView(failure: ProjectionFailure) {
  return { ...failure, at: new Date(failure.at).toISOString() };
}

/** For an app whose runtime has no read models. */
export const noReadModels: ReadModels = {
  list: () => [],
  query: (name) => Promise.reject(unknown(name)),
  rebuild: (name) => Promise.reject(unknown(name)),
  cancelRebuild: (name) => Promise.reject(unknown(name)),
};

function unknown(projection: string): FolioError {
  return new FolioError("unknown-projection", "There is no projection of that name", {
    projection: projection.slice(0, 64),
  });
}
