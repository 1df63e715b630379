/** What is said in JSON, whatever the modules: the components of the OpenAPI document that are schemas. */
import type { JsonSchema } from "./json_schema.ts";

export const time: JsonSchema = { type: "string", format: "date-time" };
export const text: JsonSchema = { type: "string" };
export const count: JsonSchema = { type: "integer", minimum: 0 };
export const messageId: JsonSchema = { type: "string", pattern: "^[!-~]{1,255}$" };

const failure: JsonSchema = { $ref: "#/components/schemas/ProjectionFailure" };
const eventPlace: JsonSchema = { $ref: "#/components/schemas/EventPlace" };

export const schemas = {
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
          properties: {
            attempt: count,
            at: time,
            error: text,
            isCounted: {
              const: false,
              description: "Where the attempt is not one of those there may be: the server was stopped.",
            },
          },
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
      kind: { enum: ["message", "activity", "timer"], description: "`timer`: a message still to be sent." },
      messageId: text,
      actor: text,
      command: text,
      status: {
        type: "string",
        enum: ["pending", "queued", "running", "retrying", "done", "rejected", "dead"],
      },
      attempts: count,
      enqueuedAt: time,
      dueAt: { ...time, description: "Where it is delayed." },
      handledAt: time,
      tookMs: { ...count, description: "From due to done, waits and retries included." },
      nextAttemptAt: time,
      failures: {
        type: "array",
        items: {
          type: "object",
          properties: { attempt: count, at: time, error: text, isCounted: { const: false } },
        },
      },
      events: { type: "array", items: { $ref: "#/components/schemas/TracedEvent" } },
      children: { type: "array", items: { $ref: "#/components/schemas/TraceNode" } },
    },
    required: ["kind", "messageId", "actor", "status", "attempts", "events", "children"],
  },
  TracedEvent: {
    allOf: [{ $ref: "#/components/schemas/Event" }],
    properties: {
      followers: {
        type: "array",
        description: "Who handles it behind the log, and whether it has.",
        items: {
          type: "object",
          properties: {
            kind: { enum: ["projection", "reactor"] },
            name: text,
            hasSeen: { type: "boolean", description: "Of projections." },
          },
          required: ["kind", "name"],
        },
      },
    },
    required: ["followers"],
  },
  EventPlace: {
    type: "object",
    description: "An event by its places: in its shard's log, and in its actor's stream.",
    properties: { shard: count, position: count, type: text, actor: text, version: count },
    required: ["shard", "position", "type", "actor", "version"],
  },
  ProjectionFailure: {
    type: "object",
    description: "Why a projection or a reactor has stopped, and at which event.",
    properties: {
      error: text,
      event: eventPlace,
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
      startsAfter: {
        type: "string",
        description: "Consistency token of events that a rebuild has left out.",
      },
      lagEvents: count,
      failure,
      build: {
        type: "object",
        description: "New tables that are being filled beside those that serve.",
        properties: {
          eventsDone: count,
          eventsTotal: count,
          startedAt: time,
          failure,
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
          partedAt: {
            ...eventPlace,
            description: "Before this event the replay gave the row as it serves, and never after it.",
          },
          writtenBy: {
            ...eventPlace,
            description:
              "Where the replay never gave the row as it serves: the event that made it as replayed.",
          },
        },
        required: ["table", "key"],
      },
      failure,
    },
    required: ["projection", "status", "token", "rowsCompared"],
  },
  Reactor: {
    type: "object",
    description: "How a reactor is doing.",
    properties: {
      name: text,
      status: { enum: ["live", "failed"] },
      lagEvents: count,
      failure,
      replay: {
        type: "object",
        description: "What it is being made to send once more.",
        properties: {
          run: { type: "integer", minimum: 1, description: "Ids of its messages begin with `name~run.`." },
          eventsLeft: count,
          failure,
        },
        required: ["run", "eventsLeft"],
      },
    },
    required: ["name", "status", "lagEvents"],
  },
  ReactorReplay: {
    type: "object",
    description: "What a reactor would send about events that it has seen.",
    properties: {
      reactor: text,
      token: { type: "string", description: "Consistency token of the last events looked at." },
      eventsAnswered: count,
      messages: count,
      messagesByCommand: {
        type: "object",
        description: "By `actor-type/command`.",
        additionalProperties: count,
      },
      failure,
    },
    required: ["reactor", "token", "eventsAnswered", "messages", "messagesByCommand"],
  },
} satisfies Record<string, JsonSchema>;

/** The schema of a component. */
export function schemaOf(name: keyof typeof schemas): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}
