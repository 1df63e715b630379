/** The routes of sagas, as OpenAPI paths. */
import type { z } from "zod";
import type { AnySaga } from "../core/saga.ts";
import { embedSchema, type JsonSchema } from "./json_schema.ts";
import { headersOf, jsonBody, parametersOf, problemsOf } from "./openapi_parts.ts";
import { sagaStatusNames } from "./saga_list.ts";

const time: JsonSchema = { type: "string", format: "date-time" };
const text: JsonSchema = { type: "string" };
const status: JsonSchema = { enum: [...sagaStatusNames, "stopped"] };
const failure: JsonSchema = {
  type: "object",
  properties: { code: text, message: text, details: {} },
  required: ["code", "message"],
};

/** Schemas of the document that these paths refer to. */
export const sagaSchemas: Record<string, JsonSchema> = {
  SagaSummary: {
    type: "object",
    description: "An instance of a saga, in a list.",
    properties: { saga: text, id: text, status, version: { type: "integer", minimum: 1 } },
    required: ["saga", "id", "status", "version"],
  },
  SagaStep: {
    type: "object",
    description: "A step of a saga, and how it was taken back.",
    properties: {
      name: text,
      kind: { enum: ["ask", "perform", "sleep", "waitFor", "child", "now", "id", "random", "version"] },
      status: { enum: ["pending", "done", "failed"] },
      attempts: { type: "integer", minimum: 0, description: "Of its message." },
      output: { description: "Once it is done." },
      error: failure,
      isTimeout: { type: "boolean", description: "No signal came in time." },
      to: { type: "string", description: "Whom it waits for." },
      messageId: { type: "string", description: "What it waits for: ask at `/messages/{id}`." },
      dueAt: time,
      compensation: {
        type: "object",
        properties: {
          status: { enum: ["pending", "done", "stuck"] },
          to: text,
          messageId: text,
          attempts: { type: "integer", minimum: 0 },
          error: failure,
        },
        required: ["status", "to", "messageId"],
      },
    },
    required: ["name", "kind", "status"],
  },
  SagaTaken: {
    type: "object",
    description: "What was asked for is on disk; what follows from it goes on.",
    properties: { saga: text, id: text, actor: text, status, messageId: text },
    required: ["saga", "id", "actor", "status", "messageId"],
  },
};

/** The whole of an instance. */
function instance(input: JsonSchema, result: JsonSchema): JsonSchema {
  return {
    type: "object",
    properties: {
      saga: text,
      id: text,
      actor: { type: "string", description: "`saga/id`: whose events are the journal." },
      version: { type: "integer", minimum: 1 },
      status,
      input,
      startedAt: time,
      deadlineAt: time,
      result: { ...result, description: "Once it is completed." },
      error: { ...failure, description: "Why it does not complete." },
      stopped: { type: "string", description: "Why its code does not fit what it has recorded." },
      steps: { type: "array", items: { $ref: "#/components/schemas/SagaStep" } },
      signals: {
        type: "array",
        description: "Those that nothing has waited for yet.",
        items: { type: "object", properties: { name: text, payload: {} }, required: ["name"] },
      },
      continued: { type: "integer", minimum: 0, description: "How often it began anew." },
    },
    required: ["saga", "id", "actor", "version", "status", "input", "steps", "signals"],
  };
}

const name = { name: "name", in: "path", required: true, description: "A saga.", schema: text };
const id = {
  name: "id",
  in: "path",
  required: true,
  description: "Of the instance: 512 bytes of UTF-8 at the most.",
  schema: { type: "string", minLength: 1 },
};
const requestHeaders = parametersOf("Idempotency-Key", "Folio-Correlation-Id", "traceparent");
const common = problemsOf(400, 401, 403, 503);
const posted = problemsOf(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503);

/** What every server has, whatever its sagas. */
export const genericSagaPaths: Record<string, object> = {
  "/sagas": {
    get: {
      operationId: "listSagas",
      tags: ["Sagas"],
      summary: "Instances of sagas.",
      parameters: [
        { name: "name", in: "query", description: "Only of this saga.", schema: text },
        {
          name: "status",
          in: "query",
          description: "Only those.",
          schema: { type: "string", enum: [...sagaStatusNames] },
        },
        ...parametersOf("after", "limit"),
      ],
      responses: {
        200: {
          description: "A page; without `next` the last one.",
          ...jsonBody({
            type: "object",
            properties: {
              sagas: { type: "array", items: { $ref: "#/components/schemas/SagaSummary" } },
              next: text,
              hasMore: { type: "boolean" },
            },
            required: ["sagas", "hasMore"],
          }),
        },
        ...common,
        ...problemsOf(404),
      },
    },
  },
  "/sagas/{name}/{id}": {
    parameters: [name, id],
    post: startOperation("startSaga", "Start an instance.", {}, instance({}, {})),
    get: readOperation("readSaga", instance({}, {})),
  },
  "/sagas/{name}/{id}/signals/{signal}": {
    parameters: [name, id, {
      name: "signal",
      in: "path",
      required: true,
      description: "Its name.",
      schema: text,
    }],
    post: takenOperation("signalSaga", "Send an instance a signal; one that comes early is kept.", {}),
  },
  "/sagas/{name}/{id}/cancel": {
    parameters: [name, id],
    post: takenOperation("cancelSaga", "End an instance, and take back what it has done.", {
      type: "object",
      properties: { reason: { type: "string", maxLength: 1_000 } },
      additionalProperties: false,
    }),
  },
  "/sagas/{name}/{id}/retry": {
    parameters: [name, id],
    post: takenOperation("retrySaga", "Send the compensation again that a stuck instance is stuck with.", {
      type: "object",
      additionalProperties: false,
    }),
  },
};

/** The paths of one saga, with the schemas that its input, signals and result are checked by. */
export function sagaPaths(saga: AnySaga, schemas: Record<string, JsonSchema>): Record<string, object> {
  const operation = `sagas.${saga.name}`;
  const embed = (schema: z.ZodType, io: "input" | "output", name: string) =>
    embedSchema(schema, io, `${operation}.${name}`, schemas);
  const input: z.ZodType = saga.input;
  const whole = instance(
    embed(input, "input", "started"),
    saga.output ? embed(saga.output, "output", "result") : {},
  );
  const paths: Record<string, object> = {
    [`/sagas/${saga.name}/{id}`]: {
      parameters: [id],
      post: startOperation(
        `${operation}.start`,
        `Start an instance of ${saga.name}.`,
        embed(input, "input", "input"),
        whole,
        !input.safeParse({}).success,
      ),
      get: readOperation(`${operation}.read`, whole),
    },
  };
  for (const [signal, schema] of saga.signals ?? []) {
    const path = `/sagas/${saga.name}/{id}/signals/${encodeURIComponent(signal)}`;
    const signalName = signal.replaceAll(/[^\w.-]/g, (char) => `_${char.charCodeAt(0).toString(16)}`);
    paths[path] = {
      parameters: [id],
      post: takenOperation(
        `${operation}.signals.${signalName}`,
        `Tell an instance of ${saga.name}: ${signal}.`,
        embed(schema, "input", `signals.${signalName}`),
      ),
    };
  }
  return paths;
}

function startOperation(
  operationId: string,
  summary: string,
  input: JsonSchema,
  whole: JsonSchema,
  isRequired = false,
): object {
  return {
    operationId,
    tags: ["Sagas"],
    summary,
    description: "Again with the same input it is the same instance; with another input 409.",
    parameters: [...parametersOf("Prefer"), ...requestHeaders],
    requestBody: { required: isRequired, ...jsonBody(input) },
    responses: {
      200: {
        description: "With `Prefer: wait=N`: it has ended within that time, `status` says how.",
        headers: headersOf("Folio-Message-Id", "Folio-Correlation-Id", "Folio-Position"),
        ...jsonBody(whole),
      },
      202: {
        description: "It is on disk, and goes on: ask at `Location`.",
        headers: headersOf("Folio-Message-Id", "Folio-Correlation-Id", "Folio-Position", "Location"),
        ...jsonBody({ $ref: "#/components/schemas/SagaTaken" }),
      },
      ...posted,
    },
  };
}

function readOperation(operationId: string, whole: JsonSchema): object {
  return {
    operationId,
    tags: ["Sagas"],
    summary: "Its steps with their attempts and compensations; with `Prefer: wait=N` once it has ended.",
    parameters: parametersOf("Prefer"),
    responses: {
      200: { description: "The instance.", headers: headersOf("ETag"), ...jsonBody(whole) },
      ...common,
      ...problemsOf(404, 500),
    },
  };
}

function takenOperation(operationId: string, summary: string, body: JsonSchema): object {
  return {
    operationId,
    tags: ["Sagas"],
    summary,
    parameters: requestHeaders,
    requestBody: jsonBody(body),
    responses: {
      202: {
        description: "It is on disk; what follows from it goes on.",
        headers: headersOf("Folio-Message-Id", "Folio-Correlation-Id", "Folio-Position", "Location"),
        ...jsonBody({ $ref: "#/components/schemas/SagaTaken" }),
      },
      ...posted,
    },
  };
}
