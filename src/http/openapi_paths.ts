/** The routes that every server has, whatever its modules, as OpenAPI paths. */
import type { JsonSchema } from "./json_schema.ts";
import { headersOf, jsonBody, parametersOf, problemsOf } from "./openapi_parts.ts";
import { schemaOf } from "./openapi_schemas.ts";

export const object = (
  properties: Record<string, JsonSchema>,
  optional: readonly string[] = [],
): JsonSchema => ({
  type: "object",
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
});
export const listOf = (items: JsonSchema): JsonSchema => ({ type: "array", items });
export const ok = (description: string, schema: JsonSchema, headers: object = {}) => ({
  200: { description, headers, ...jsonBody(schema) },
});
export const common = problemsOf(400, 401, 403, 503);

/** A page of events, or a live stream of them. */
const force = {
  type: "boolean",
  default: false,
  description: "Also what a saga has gone on without, and will not take back (409 `saga-gone-on`).",
} as const;

const eventsResponse = (next: JsonSchema) => ({
  200: {
    description: "A page; with `Accept: text/event-stream`, a stream that goes on.",
    content: {
      "application/json": {
        schema: object({ events: listOf(schemaOf("Event")), next, hasMore: { type: "boolean" } }),
      },
      "text/event-stream": {
        schema: {
          type: "string",
          description: "`id`: where to go on, as `Last-Event-ID`. `event`: the type. `data`: the event.",
        },
      },
    },
  },
});

/** @param types The actor types that there are. */
export function genericPaths(types: readonly string[]): Record<string, object> {
  const type = {
    name: "type",
    in: "path",
    required: true,
    description: "An actor type.",
    schema: { type: "string", ...(types.length > 0 ? { enum: types } : {}) },
  };
  return { ...actorPaths(type), ...messagePaths, ...deadLetterPaths, ...machinePaths };
}

const actorPaths = (type: object) => ({
  "/actors/{type}/{key}": {
    parameters: [type, ...parametersOf("key")],
    get: {
      operationId: "readState",
      tags: ["Log"],
      summary: "An actor's state, now or at a version or time.",
      parameters: parametersOf("version", "at"),
      responses: {
        ...ok(
          "The state.",
          object({ actor: { type: "string" }, version: { type: "integer", minimum: 1 }, state: {} }),
          headersOf("ETag"),
        ),
        ...common,
        ...problemsOf(404, 500),
      },
    },
  },
  "/actors/{type}/{key}/events": {
    parameters: [type, ...parametersOf("key")],
    get: {
      operationId: "readActorEvents",
      tags: ["Log"],
      summary: "An actor's events, in pages or live.",
      parameters: [...parametersOf("limit", "Last-Event-ID"), {
        name: "after",
        in: "query",
        description: "Only those after this version.",
        schema: { type: "integer", minimum: 0, default: 0 },
      }],
      responses: { ...eventsResponse({ type: "integer", minimum: 0 }), ...common, ...problemsOf(404) },
    },
  },
});

const messagePaths = {
  "/events": {
    get: {
      operationId: "readLog",
      tags: ["Log"],
      summary: "The log across actors, in pages or live.",
      parameters: parametersOf("after", "type", "limit", "Last-Event-ID"),
      responses: {
        ...eventsResponse({ type: "string", description: "`after` of the next page." }),
        ...common,
      },
    },
  },
  "/messages/{id}": {
    parameters: parametersOf("id", "actor"),
    get: {
      operationId: "readMessage",
      tags: ["Log"],
      summary: "What became of a message.",
      responses: { ...ok("The message.", schemaOf("Message")), ...common, ...problemsOf(404, 409) },
    },
  },
  "/messages/{id}/trace": {
    parameters: parametersOf("id", "actor"),
    get: {
      operationId: "readTrace",
      tags: ["Log"],
      summary: "The tree of causes and consequences that a message is part of.",
      responses: {
        ...ok(
          "The tree.",
          object({
            correlationId: { type: "string" },
            roots: listOf(schemaOf("TraceNode")),
            isTruncated: { type: "boolean" },
          }),
        ),
        ...common,
        ...problemsOf(404, 409),
      },
    },
  },
};

const filter = ["type", "actor", "command", "error"] as const;
const bodyProblems = problemsOf(408, 413, 415, 422);

const deadLetterPaths = {
  "/dead-letters": {
    get: {
      operationId: "listDeadLetters",
      tags: ["Operations"],
      summary: "Messages that used up their attempts.",
      parameters: parametersOf(...filter, "after", "limit"),
      responses: {
        ...ok(
          "A page; without `next` the last one.",
          object({
            ...{ deadLetters: listOf(schemaOf("DeadLetter")) },
            ...{ next: { type: "string" }, hasMore: { type: "boolean" } },
          }, ["next"]),
        ),
        ...common,
      },
    },
  },
  "/dead-letters/redrive": {
    post: {
      operationId: "redriveDeadLetters",
      tags: ["Operations"],
      summary: "Put all dead letters of a filter back into their mailboxes.",
      requestBody: jsonBody({
        type: "object",
        properties: {
          ...Object.fromEntries(filter.map((name) => [name, { type: "string", minLength: 1 }])),
          limit: { type: "integer", minimum: 1, maximum: 10_000, default: 1_000 },
          force,
        },
        additionalProperties: false,
      }),
      responses: {
        ...ok(
          "How many.",
          {
            type: "object",
            properties: {
              redriven: { type: "integer", minimum: 0 },
              passedOver: { type: "integer", description: "Those that sagas have gone on without." },
              hasMore: { type: "boolean" },
            },
            required: ["redriven", "hasMore"],
          },
        ),
        ...common,
        ...bodyProblems,
      },
    },
  },
  "/dead-letters/{id}": {
    parameters: parametersOf("id", "actor"),
    get: {
      operationId: "readDeadLetter",
      tags: ["Operations"],
      summary: "A dead letter with its input and history.",
      responses: { ...ok("The dead letter.", schemaOf("DeadLetter")), ...common, ...problemsOf(404, 409) },
    },
    delete: {
      operationId: "discardDeadLetter",
      tags: ["Operations"],
      summary: "Take a dead letter off the list.",
      responses: {
        ...ok("It is off.", object({ messageId: { type: "string" }, discarded: { const: true } })),
        ...common,
        ...problemsOf(404, 409),
      },
    },
  },
  "/dead-letters/{id}/redrive": {
    parameters: parametersOf("id", "actor"),
    post: {
      operationId: "redriveDeadLetter",
      tags: ["Operations"],
      summary: "Put a dead letter back into its mailbox.",
      requestBody: jsonBody({
        type: "object",
        properties: { input: { description: "Instead of the input it has." }, force },
        additionalProperties: false,
      }),
      responses: {
        202: { $ref: "#/components/responses/Accepted" },
        ...common,
        ...bodyProblems,
        ...problemsOf(404, 409, 429),
      },
    },
  },
};

const readiness = object({
  status: { enum: ["ready", "not-ready", "draining"] },
  shards: listOf(object({
    shard: { type: "integer", minimum: 0 },
    isServing: { type: "boolean" },
    messagesWaiting: { type: "integer", minimum: 0 },
  })),
});

const machinePaths = {
  "/health/live": {
    get: {
      operationId: "isLive",
      tags: ["Operations"],
      summary: "Whether the process answers.",
      security: [],
      responses: ok("It does.", object({ status: { const: "live" } })),
    },
  },
  "/health/ready": {
    get: {
      operationId: "isReady",
      tags: ["Operations"],
      summary: "Whether commands are taken.",
      security: [],
      responses: {
        ...ok("They are.", readiness),
        503: { description: "They are not.", headers: headersOf("Retry-After"), ...jsonBody(readiness) },
      },
    },
  },
  "/openapi.json": {
    get: {
      operationId: "readOpenApi",
      tags: ["Operations"],
      summary: "This document.",
      responses: { ...ok("An OpenAPI document.", { type: "object" }), ...problemsOf(400, 401, 403) },
    },
  },
};
