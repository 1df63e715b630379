import type { Hono } from "hono";
import { z } from "zod";
import type { Runtime } from "../runtime/runtime.ts";
import { parseBody, readJson } from "./body.ts";
import { json, methodNotAllowed } from "./problem.ts";
import { limitParameter, readMessageId, readQuery } from "./request.ts";
import { deadLetterView } from "./views.ts";

const name = z.string().min(1).max(1_000);
const filter = {
  type: name.optional(),
  actor: name.optional(),
  command: name.optional(),
  error: name.optional(),
};
const which = { actor: name.optional() };

/** Also what a saga has gone on without, and will not take back. */
const force = z.boolean().default(false);
const RedriveOne = z.strictObject({ input: z.unknown().optional(), force });
const RedriveAll = z.strictObject({ ...filter, limit: z.int().min(1).max(10_000).default(1_000), force });

/** Messages that used up their attempts: look, put back, discard. */
export function deadLetterRoutes(app: Hono, runtime: Runtime): void {
  const { deadLetters, limits } = runtime;

  app.get("/dead-letters", async (c) => {
    const { after, limit, ...wanted } = readQuery(c, {
      ...filter,
      after: z.string().optional(),
      limit: limitParameter(limits),
    });
    const page = await deadLetters.list(wanted, { after, limit });
    return json(200, { deadLetters: page.deadLetters.map(deadLetterView), next: page.next });
  });

  // Not as a path of its own: beside `:id`, Hono's fast router could not be used, for any request.
  app.post("/dead-letters/:id", async (c) => {
    if (c.req.param("id") !== "redrive") return methodNotAllowed(["GET", "HEAD", "DELETE"]);
    readQuery(c, {});
    const { limit, force: isForced, ...wanted } = parseBody(RedriveAll, await readJson(c, runtime));
    return json(200, await deadLetters.redriveAll(wanted, limit, { isForced }));
  });

  app.get("/dead-letters/:id", async (c) => {
    const { actor } = readQuery(c, which);
    return json(200, deadLetterView(await deadLetters.get(readMessageId(c), actor)));
  });

  app.post("/dead-letters/:id/redrive", async (c) => {
    const { actor } = readQuery(c, which);
    const { input, force: isForced } = parseBody(RedriveOne, await readJson(c, runtime));
    const { id, actor: of } = await deadLetters.redrive(readMessageId(c), { actor, input, isForced });
    return json(202, { messageId: id, actor: of, status: "queued" }, {
      location: `/messages/${encodeURIComponent(id)}`,
    });
  });

  app.delete("/dead-letters/:id", async (c) => {
    const { actor } = readQuery(c, which);
    await deadLetters.discard(readMessageId(c), actor);
    return json(200, { messageId: readMessageId(c), discarded: true });
  });
}
