import type { Hono } from "hono";
import { z } from "zod";
import { FolioError } from "../core/errors.ts";
import type { EventFailure } from "../runtime/read_models.ts";
import type { ReactorModels, ReactorStatus } from "../runtime/reactor_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { json } from "./problem.ts";
import { parseLogStart, readQuery } from "./request.ts";

/** Reactors: how they are doing, what they would send about the past, and sending it again on purpose. */
export function reactorRoutes(app: Hono, runtime: Runtime, reactors: ReactorModels): void {
  app.get("/reactors", (c) => {
    readQuery(c, {});
    return json(200, { reactors: reactors.list().map(statusView) });
  });

  app.post("/reactors/:name/replay", async (c) => {
    const { resend, from } = readQuery(c, {
      resend: z.enum(["true", "false"]).default("false"),
      from: z.string().min(1).optional(),
    });
    const name = c.req.param("name");
    const start = from === undefined ? undefined : parseLogStart(from, runtime.shards.length);
    if (resend === "false") return json(200, await reactors.rehearse(name, start));
    return json(202, statusView(await reactors.resend(name, start)), { location: "/reactors" });
  });

  app.delete("/reactors/:name/replay", async (c) => {
    readQuery(c, {});
    return json(200, statusView(await reactors.cancelReplay(c.req.param("name"))));
  });
}

/** For an app whose runtime has no reactors. */
export const noReactors: ReactorModels = {
  list: () => [],
  rehearse: (name) => Promise.reject(unknown(name)),
  resend: (name) => Promise.reject(unknown(name)),
  cancelReplay: (name) => Promise.reject(unknown(name)),
};

function statusView({ failure, replay, ...status }: ReactorStatus) {
  return {
    ...status,
    failure: failure && failureView(failure),
    replay: replay && { ...replay, failure: replay.failure && failureView(replay.failure) },
  };
}

function failureView(failure: EventFailure) {
  return { ...failure, at: new Date(failure.at).toISOString() };
}

function unknown(reactor: string): FolioError {
  return new FolioError("unknown-reactor", "There is no reactor of that name", {
    reactor: reactor.slice(0, 64),
  });
}
