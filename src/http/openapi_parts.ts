/** Parts of the OpenAPI document that do not depend on the modules. */
import type { JsonSchema } from "./json_schema.ts";

const time: JsonSchema = { type: "string", format: "date-time" };
const text: JsonSchema = { type: "string" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const messageId: JsonSchema = { type: "string", pattern: "^[!-~]{1,255}$" };

/** The schema of a component. */
export function schemaOf(name: keyof typeof schemas): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

/** A JSON body. */
export function jsonBody(schema: JsonSchema): { content: object } {
  return { content: { "application/json": { schema } } };
}

/** A problem response whose body says more than every problem does. */
export function problemWith(schema: JsonSchema, description: string, headers: object): object {
  return { description, headers, content: { "application/problem+json": { schema } } };
}

const schemas = {
  Problem: {
    type: "object",
    description: "RFC 9457. Beside these members, what the code has to say.",
    properties: {
      type: { type: "string", format: "uri-reference" },
      title: text,
      status: { type: "integer", minimum: 400, maximum: 599 },
      code: { type: "string", description: "Stable: what programs go by." },
      detail: { type: "string", description: "For people." },
    },
    required: ["type", "title", "status", "code"],
  },
  Invalid: {
    allOf: [{ $ref: "#/components/schemas/Problem" }],
    type: "object",
    properties: {
      code: { enum: ["invalid-input", "message-mismatch"] },
      issues: {
        type: "array",
        description: "Of `invalid-input`: where and why.",
        items: {
          type: "object",
          properties: { path: { type: "array", items: { type: ["string", "integer"] } }, message: text },
          required: ["path", "message"],
        },
      },
    },
  },
  Event: {
    type: "object",
    description: "A fact in the log.",
    properties: {
      shard: count,
      position: { type: "integer", minimum: 1, description: "Place in the shard's log: gap-free." },
      actor: { type: "string", description: "`type/key` of the actor that recorded it." },
      version: { type: "integer", minimum: 1, description: "Place in the actor's stream." },
      type: text,
      payload: {},
      at: time,
      messageId: text,
      correlationId: text,
      causationId: text,
      token: { type: "string", description: "In lists across actors: names this place in the log." },
    },
    required: [
      "shard",
      "position",
      "actor",
      "version",
      "type",
      "payload",
      "at",
      "messageId",
      "correlationId",
    ],
  },
  Message: {
    type: "object",
    description: "What is known of a message.",
    properties: {
      id: text,
      actor: { type: "string", description: "`type/key`." },
      command: text,
      status: { $ref: "#/components/schemas/MessageStatus" },
      attempts: count,
      reply: { description: "Of a `done` one." },
      rejection: { type: "object", properties: { code: text, details: {} }, required: ["code"] },
      version: count,
      position: count,
      error: { type: "string", description: "The latest failure's, of a `retrying` or `dead` one." },
      failures: {
        type: "array",
        items: {
          type: "object",
          properties: { attempt: count, at: time, error: text },
          required: ["attempt", "at", "error"],
        },
      },
      progress: {
        type: "object",
        description: "Of a running activity: what it gave with its latest heartbeat.",
        properties: { detail: {}, at: time },
        required: ["detail", "at"],
      },
      nextAttemptAt: time,
      enqueuedAt: time,
      expiresAt: time,
      deliverAt: time,
      handledAt: time,
      correlationId: text,
      causationId: text,
    },
    required: ["id", "actor", "status", "attempts"],
  },
  MessageStatus: { type: "string", enum: ["queued", "running", "retrying", "done", "rejected", "dead"] },
  DeadLetter: {
    allOf: [{ $ref: "#/components/schemas/Message" }],
    description: "A message that used up its attempts.",
    properties: { input: {}, originalInput: { description: "Where the input was edited since." } },
  },
  AcceptedMessage: {
    type: "object",
    properties: { messageId: text, actor: text, status: { const: "queued" } },
    required: ["messageId", "actor", "status"],
  },
  TraceNode: {
    type: "object",
    description: "A message, the events its turn recorded, and what it led to.",
    properties: {
      messageId: text,
      actor: text,
      command: text,
      status: { $ref: "#/components/schemas/MessageStatus" },
      attempts: count,
      enqueuedAt: time,
      handledAt: time,
      events: { type: "array", items: { $ref: "#/components/schemas/Event" } },
      children: { type: "array", items: { $ref: "#/components/schemas/TraceNode" } },
    },
    required: ["messageId", "actor", "status", "attempts", "events", "children"],
  },
  ProjectionFailure: {
    type: "object",
    description: "Why a projection has stopped, and at which event.",
    properties: {
      error: text,
      event: {
        type: "object",
        properties: { shard: count, position: count, type: text, actor: text },
        required: ["shard", "position", "type", "actor"],
      },
      at: time,
    },
    required: ["error", "event"],
  },
  Projection: {
    type: "object",
    description: "How a projection is doing.",
    properties: {
      name: text,
      version: { type: "integer", minimum: 1, description: "Of the code that runs." },
      servedVersion: { type: "integer", minimum: 1, description: "Of the rows that are served." },
      status: {
        enum: ["live", "stale", "failed"],
        description: "`stale`: rows of an earlier version serve while new ones are built.",
      },
      token: { type: "string", description: "Consistency token of what the served rows reflect." },
      lagEvents: count,
      failure: { $ref: "#/components/schemas/ProjectionFailure" },
      build: {
        type: "object",
        description: "New tables that are being filled beside those that serve.",
        properties: {
          eventsDone: count,
          eventsTotal: count,
          startedAt: time,
          failure: { $ref: "#/components/schemas/ProjectionFailure" },
        },
        required: ["eventsDone", "eventsTotal", "startedAt"],
      },
      queries: { type: "array", items: text },
    },
    required: ["name", "version", "servedVersion", "status", "token", "lagEvents", "queries"],
  },
  ProjectionCheck: {
    type: "object",
    description: "Whether the rows that serve are what a replay gives.",
    properties: {
      projection: text,
      status: { enum: ["equal", "different", "failed", "cancelled"] },
      token: { type: "string", description: "Consistency token of what was compared." },
      rowsCompared: count,
      difference: {
        type: "object",
        description: "The first row in which they part.",
        properties: {
          table: text,
          key: { type: "object" },
          served: { type: "object" },
          replayed: { type: "object" },
        },
        required: ["table", "key"],
      },
      failure: { $ref: "#/components/schemas/ProjectionFailure" },
    },
    required: ["projection", "status", "token", "rowsCompared"],
  },
} satisfies Record<string, JsonSchema>;

const headerParameter = (name: string, schema: JsonSchema, description: string) => ({
  name,
  in: "header",
  description,
  schema,
});
const pathParameter = (name: string, schema: JsonSchema, description: string) => ({
  name,
  in: "path",
  required: true,
  description,
  schema,
});
const queryParameter = (name: string, schema: JsonSchema, description: string) => ({
  name,
  in: "query",
  description,
  schema,
});

const parameters = {
  "key": pathParameter("key", { type: "string", minLength: 1 }, "512 bytes of UTF-8 at the most."),
  "id": pathParameter("id", messageId, "A message's id."),
  "Prefer": headerParameter(
    "Prefer",
    { type: "string", examples: ["respond-async", "wait=10"] },
    "`respond-async`: 202 at once. `wait=N`: 202 if there is no reply after N seconds. RFC 7240.",
  ),
  "Idempotency-Key": headerParameter(
    "Idempotency-Key",
    messageId,
    "Names the message: it is handled once however often it is sent.",
  ),
  "If-Match": headerParameter(
    "If-Match",
    { type: "string", examples: ['"3"'] },
    "The version that the actor must be at, in quotes.",
  ),
  "Folio-Delay": headerParameter(
    "Folio-Delay",
    { type: "string", pattern: "^\\d{1,15}(ms|s|m|h|d)$", examples: ["15m"] },
    "Delivers later, so long from now.",
  ),
  "Folio-Deliver-At": headerParameter("Folio-Deliver-At", time, "Delivers later, at this time."),
  "Folio-Correlation-Id": headerParameter(
    "Folio-Correlation-Id",
    messageId,
    "Shared by all that this request leads to.",
  ),
  "traceparent": headerParameter(
    "traceparent",
    { type: "string", examples: ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"] },
    "W3C Trace Context, passed on to all that follows.",
  ),
  "Last-Event-ID": headerParameter(
    "Last-Event-ID",
    text,
    "Of a live stream: the `id` of the last event seen.",
  ),
  "Folio-At-Least": headerParameter(
    "Folio-At-Least",
    text,
    "A consistency token: waits until the rows reflect it, and answers 503 if they do not in time.",
  ),
  "If-None-Match": headerParameter("If-None-Match", text, "The `ETag` of an answer: 304 if it still holds."),
  "after": queryParameter("after", text, "Only what comes after this place: the `next` of the page before."),
  "limit": queryParameter(
    "limit",
    { type: "integer", minimum: 1, default: 100 },
    "Items of a page; cut to what the server allows.",
  ),
  "type": queryParameter("type", text, "Only those of this type."),
  "actor": queryParameter("actor", text, "Only of this actor, `type/key`."),
  "command": queryParameter("command", text, "Only of this command."),
  "error": queryParameter("error", text, "Only those whose last error holds this text."),
  "version": queryParameter("version", count, "The state at this version."),
  "at": queryParameter("at", time, "The state at this time."),
};

/** Parameters by name. */
export function parametersOf(...names: (keyof typeof parameters)[]): object[] {
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

const headers = {
  "Folio-Message-Id": { schema: text },
  "Folio-Correlation-Id": { schema: text },
  "Folio-Position": { description: "Consistency token of the command's effect.", schema: text },
  "Location": {
    description: "Where to ask after the message.",
    schema: { type: "string", format: "uri-reference" },
  },
  "Retry-After": { description: "Seconds.", schema: count },
  "ETag": { description: "Names what was answered; of a state, its version in quotes.", schema: text },
};

/** Response headers by name. */
export function headersOf(...names: (keyof typeof headers)[]): object {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

const problem = (description: string, { schema = "Problem", retry = false } = {}) =>
  problemWith(
    { $ref: `#/components/schemas/${schema}` },
    description,
    retry ? headersOf("Retry-After") : {},
  );

const responses = {
  Accepted: {
    description: "The message is on disk, and will be handled.",
    headers: headersOf("Folio-Message-Id", "Folio-Correlation-Id", "Location"),
    ...jsonBody(schemaOf("AcceptedMessage")),
  },
  400: problem("The body is not JSON, or a header or parameter is malformed."),
  401: problem("No token, or a wrong one."),
  403: problem("Not allowed."),
  404: problem("There is no such thing."),
  408: problem("The body did not arrive in time."),
  409: problem("In progress, or more than one thing of this name.", { retry: true }),
  412: problem("`If-Match` is not the actor's version."),
  413: problem("The body is too large."),
  415: problem("The body is not declared as JSON."),
  422: problem("The input does not fit its schema, or a message of this id had other content.", {
    schema: "Invalid",
  }),
  429: problem("The mailbox or the shard is full.", { retry: true }),
  500: problem("The handler failed; nothing was recorded."),
  503: problem("The server is stopping, or its store cannot be reached.", { retry: true }),
};

/** Problem responses by status. */
export function problemsOf(...statuses: Extract<keyof typeof responses, number>[]): object {
  return Object.fromEntries(
    statuses.map((status) => [status, { $ref: `#/components/responses/${responseName(status)}` }]),
  );
}

function responseName(name: string | number): string {
  return typeof name === "number" || /^\d/.test(name) ? `Problem${name}` : name;
}

/** What the document's paths refer to. */
export const components = {
  securitySchemes: {
    token: { type: "http", scheme: "bearer", description: "`FOLIO_TOKEN`, where it is set." },
  },
  parameters,
  headers,
  responses: Object.fromEntries(
    Object.entries(responses).map(([name, response]) => [responseName(name), response]),
  ),
  schemas,
};
