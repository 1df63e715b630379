import type { Hono } from "hono";
import { z } from "zod";
import type { Runtime } from "../runtime/runtime.ts";
import { parseBody, readJson } from "./body.ts";
import { json } from "./problem.ts";
import { limitParameter, readQuery } from "./request.ts";
import { scheduleView, timerView } from "./views.ts";

/** What will happen, and when: timers and schedules. */
export function timeRoutes(app: Hono, runtime: Runtime): void {
  const { schedules, limits } = runtime;

  app.get("/timers", async (c) => {
    const { actor, limit } = readQuery(c, {
      actor: z.string().min(1).max(1_000).optional(),
      limit: limitParameter(limits),
    });
    // One more than is shown tells whether there are more.
    const timers = await runtime.timers({ actor, limit: limit + 1 });
    return json(200, { timers: timers.slice(0, limit).map(timerView), hasMore: timers.length > limit });
  });

  app.get("/schedules", async (c) => {
    readQuery(c, {});
    return json(200, { schedules: (await schedules.list()).map(scheduleView) });
  });

  app.get("/schedules/:name", async (c) => {
    readQuery(c, {});
    return json(200, scheduleView(await schedules.get(c.req.param("name"))));
  });

  for (const action of ["pause", "resume"] as const) {
    app.post(`/schedules/:name/${action}`, async (c) => {
      readQuery(c, {});
      parseBody(z.strictObject({}), await readJson(c, runtime));
      return json(200, scheduleView(await schedules[action](c.req.param("name"))));
    });
  }
}
