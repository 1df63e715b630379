import type { Context, Hono } from "hono";
import { z } from "zod";
import { FolioError, issuesOf } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import type { SagaStatusName } from "../core/saga.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { SagaAnswer, SagaRequestOptions, SagaStatus } from "../runtime/sagas.ts";
import { readJson } from "./body.ts";
import { readCommandHeaders } from "./command_headers.ts";
import { json, problem } from "./problem.ts";
import { limitParameter, readQuery } from "./request.ts";
import { listSagas, sagaStatusNames } from "./saga_list.ts";
import { sagaView } from "./saga_view.ts";
import { traceparentFor } from "./tracing.ts";

/** Sagas: start, look, signal, cancel, and go on with one that is stuck. */
export function sagaRoutes(app: Hono, runtime: Runtime): void {
  const { sagas } = runtime;

  app.get("/sagas", async (c) => {
    const query = readQuery(c, {
      name: z.string().min(1).max(64).optional(),
      status: z.enum(sagaStatusNames).optional(),
      after: z.string().min(1).max(1_000).optional(),
      limit: limitParameter(runtime.limits),
    });
    return json(200, await listSagas(runtime, query));
  });

  app.post("/sagas/:name/:id", async (c) => {
    const { name, id, headers, options, waitMs } = readRequest(c, runtime);
    const input = await readJson(c, runtime);
    checkFits(sagas.definition(name).input, input, `saga ${name}`);
    const answer = await sagas.start(name, id, input, options);
    if (!answer.ok && !await isSame(runtime, name, id, input)) {
      const detail = `${name}/${id} was started with another input`;
      const error = new FolioError("already-started", detail, { saga: name, id });
      return problem(error, headersOf(answer, headers));
    }
    // Looking at its steps costs more than starting it: only for whom wants to know.
    const status = waitMs > 0 || !answer.ok ? await sagas.ended(name, id, waitMs) : undefined;
    if (waitMs > 0 && status && isEnd(status)) return json(200, sagaView(status), headersOf(answer, headers));
    const now = answer.ok ? answer.reply.status : "running";
    return accepted(answer, status?.status ?? now, { name, id, headers });
  });

  app.get("/sagas/:name/:id", async (c) => {
    readQuery(c, {});
    const { name, id } = c.req.param();
    const { prefersWait, waitMs } = readCommandHeaders(c.req.header(), runtime.limits, runtime.clock.now());
    const status = prefersWait && waitMs > 0
      ? await sagas.ended(name, id, waitMs)
      : await sagas.status(name, id);
    if (!status) throw notStarted(name, id);
    return json(200, sagaView(status), { etag: `"${status.version}"` });
  });

  app.post("/sagas/:name/:id/signals/:signal", async (c) => {
    const { name, id, headers, options } = readRequest(c, runtime);
    const signal = c.req.param("signal");
    const payload = await readJson(c, runtime);
    const { signals } = sagas.definition(name);
    const schema = signals?.get(signal);
    if (signals && !schema) {
      throw new FolioError("unknown-signal", `Saga ${name} takes no signal "${signal.slice(0, 64)}"`, {
        saga: name,
        signal: signal.slice(0, 64),
      });
    }
    if (schema) checkFits(schema, payload, `signal ${signal} of saga ${name}`);
    return taken(await sagas.signal(name, id, signal, payload, options), { name, id, headers });
  });

  app.post("/sagas/:name/:id/cancel", async (c) => {
    const { name, id, headers, options } = readRequest(c, runtime);
    const { reason } = checkFits(Cancel, await readJson(c, runtime), `cancel of ${name}`);
    return taken(await sagas.cancel(name, id, reason, options), { name, id, headers });
  });

  app.post("/sagas/:name/:id/retry", async (c) => {
    const { name, id, headers, options } = readRequest(c, runtime);
    checkFits(z.strictObject({}), await readJson(c, runtime), `retry of ${name}`);
    return taken(await sagas.retry(name, id, options), { name, id, headers });
  });
}

/** What a request to a saga instance says beside its body. */
interface SagaRequest {
  readonly name: string;
  readonly id: string;
  readonly options: SagaRequestOptions;
  /** How long the end may be waited for: not at all unless it was asked for. */
  readonly waitMs: number;
  /** For the response. */
  readonly headers: Readonly<Record<string, string>>;
}

function readRequest(c: Context, runtime: Runtime): SagaRequest {
  if (c.req.url.includes("?")) readQuery(c, {});
  const { name = "", id = "" } = c.req.param();
  runtime.sagas.definition(name);
  const read = readCommandHeaders(c.req.header(), runtime.limits, runtime.clock.now());
  const { messageId, correlationId, isAsync, prefersWait } = read;
  const traceparent = traceparentFor(c, read.traceparent);
  const refused = {
    "If-Match": read.expectedVersion,
    "Folio-Delay": read.deliverAt,
    "Folio-Expires-After": read.expiresAt,
  };
  for (const [header, value] of Object.entries(refused)) {
    if (value !== undefined) {
      throw new FolioError("malformed", `${header} is for commands of actors, not for sagas`, {
        name: header,
      });
    }
  }
  return {
    name,
    id,
    options: { messageId, correlationId, traceparent },
    waitMs: prefersWait ? read.waitMs : 0,
    headers: isAsync ? { "preference-applied": "respond-async" } : {},
  };
}

function headersOf(answer: SagaAnswer, headers: SagaRequest["headers"]): Record<string, string> {
  return {
    ...headers,
    "folio-message-id": answer.messageId,
    "folio-correlation-id": answer.correlationId,
    "folio-position": answer.token,
  };
}

type Of = Pick<SagaRequest, "name" | "id" | "headers">;

/** It is on disk, and goes on. */
function accepted(answer: SagaAnswer, status: SagaStatusName, { name, id, headers }: Of): Response {
  const { actor, messageId } = answer;
  return json(202, { saga: name, id, actor, status, messageId }, {
    ...headersOf(answer, headers),
    location: `/sagas/${encodeURIComponent(name)}/${encodeURIComponent(id)}`,
  });
}

/** The answer to a signal and the like: what follows from it goes on after it. */
function taken(answer: SagaAnswer, of: Of): Response {
  if (answer.ok) return accepted(answer, answer.reply.status, of);
  const { name, id } = of;
  const { code: rejection, details } = answer.rejection;
  const error = rejection === "not-started"
    ? notStarted(name, id)
    : new FolioError("rejected", `${name}/${id} does not take this: ${rejection}`, { rejection, details });
  return problem(error, headersOf(answer, of.headers));
}

/** Whether an instance was started with an input, as it came or as its schema reads it. */
async function isSame(runtime: Runtime, name: string, id: string, input: unknown): Promise<boolean> {
  const { events: [first] } = await runtime.stream(name, id, { after: 0, limit: 1 });
  const payload: unknown = first?.payload;
  if (payload === null || typeof payload !== "object" || !("input" in payload)) return false;
  const schema = runtime.sagas.definition(name).input;
  const isEqual = (a: unknown, b: unknown) => canonicalJson(a) === canonicalJson(b);
  return isEqual(payload.input, input) || isEqual(payload.input, schema.safeParse(input).data);
}

function isEnd({ status }: SagaStatus): boolean {
  return ["completed", "failed", "cancelled", "timed-out"].includes(status);
}

function notStarted(name: string, id: string): FolioError {
  return new FolioError("no-events", `${name}/${id} was never started`, { actor: `${name}/${id}` });
}

const Cancel = z.strictObject({ reason: z.string().max(1_000).optional() });

/** @throws {FolioError} `invalid-input`, with issues as the client sent it: the message has it deeper down. */
function checkFits<Schema extends z.ZodType>(schema: Schema, body: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new FolioError("invalid-input", `Input does not fit ${what}`, { issues: issuesOf(parsed.error) });
}
