import { createHash } from "node:crypto";
import type { Hono } from "hono";
import { z } from "zod";
import { FolioError } from "../core/errors.ts";
import type { EventFailure, ProjectionStatus, QueryResult, ReadModels } from "../runtime/read_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { json, respond } from "./problem.ts";
import { malformed, parseLogStart, readParameters, readQuery } from "./request.ts";

/** Read models: what there is, what they answer, building them anew, and the proof that they have not drifted. */
export function projectionRoutes(app: Hono, runtime: Runtime, readModels: ReadModels): void {
  app.get("/projections", (c) => {
    readQuery(c, {});
    return json(200, { projections: readModels.list().map(statusView) });
  });

  app.get("/projections/:name/:query", async (c) => {
    const { name, query } = c.req.param();
    const input = readParameters(c);
    refuseUnknown(input, runtime.registry.projections.get(name)?.queries.get(query)?.input);
    const atLeast = c.req.header("folio-at-least");
    const result = await readModels.query(name, query, input, {
      atLeast: atLeast === undefined ? undefined : runtime.parseToken(atLeast),
      waitMs: runtime.limits.queryWaitMsMax,
    });
    const etag = etagOf(result);
    const headers = { etag, "folio-position": result.token };
    if (matches(c.req.header("if-none-match"), etag)) {
      return respond(304, null, null, headers);
    }
    return json(200, result, headers);
  });

  app.post("/projections/:name/rebuild", async (c) => {
    const { check, from } = readQuery(c, {
      check: z.enum(["true", "false"]).default("false"),
      from: z.string().min(1).optional(),
    });
    const name = c.req.param("name");
    if (check === "true") {
      if (from !== undefined) throw malformed("from", "A check begins where the rows that serve begin");
      return json(200, await readModels.check(name));
    }
    const start = from === undefined ? undefined : parseLogStart(from, runtime.shards.length);
    return json(202, statusView(await readModels.rebuild(name, start)), { location: "/projections" });
  });

  app.delete("/projections/:name/rebuild", async (c) => {
    readQuery(c, {});
    return json(200, statusView(await readModels.cancelRebuild(c.req.param("name"))));
  });
}

/** As `readQuery` does. A schema that is loose on purpose takes what it likes. */
function refuseUnknown(input: Readonly<Record<string, string>>, schema: unknown): void {
  if (!(schema instanceof z.ZodObject) || schema.def.catchall !== undefined) return;
  const unknown = Object.keys(input).find((name) => !Object.hasOwn(schema.shape, name));
  if (unknown !== undefined) throw malformed(unknown, `The query has no parameter ${unknown}`);
}

/**
 * Of what was found, not of where the projection is: rows that other events have not changed are not sent
 * again, and rows that a rebuild has changed are. Weak, because the token and the lag beside them move on.
 */
function etagOf({ rows, isTruncated, isStale }: QueryResult): string {
  const text = JSON.stringify([rows, isTruncated, isStale]);
  return `W/"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
}

/** RFC 9110, 13.1.2: any of a list of tags, weak or not, or `*`. */
function matches(header: string | undefined, etag: string): boolean {
  const tags = header?.split(",").map((tag) => tag.trim().replace(/^W\//, "")) ?? [];
  return tags.includes("*") || tags.includes(etag.replace(/^W\//, ""));
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

function failureView(failure: EventFailure) {
  return { ...failure, at: new Date(failure.at).toISOString() };
}

/** For an app whose runtime has no read models. */
export const noReadModels: ReadModels = {
  list: () => [],
  query: (name) => Promise.reject(unknown(name)),
  rebuild: (name) => Promise.reject(unknown(name)),
  cancelRebuild: (name) => Promise.reject(unknown(name)),
  check: (name) => Promise.reject(unknown(name)),
};

function unknown(projection: string): FolioError {
  return new FolioError("unknown-projection", "There is no projection of that name", {
    projection: projection.slice(0, 64),
  });
}
