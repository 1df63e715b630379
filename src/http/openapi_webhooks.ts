/** The routes of webhooks, as OpenAPI paths. */
import type { z } from "zod";
import { NewSecret, NewWebhook, WebhookChanges } from "../core/webhook_api.ts";
import { embedSchema, type JsonSchema } from "./json_schema.ts";
import { headersOf, jsonBody, parametersOf, problemsOf } from "./openapi_parts.ts";

const text: JsonSchema = { type: "string" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const time: JsonSchema = { type: "string", format: "date-time" };

const attempt: Record<string, JsonSchema> = {
  responseStatus: { type: "integer", description: "Not there where there was no answer." },
  durationMs: count,
  detail: { type: "string", description: "The beginning of the answer's body, or why there was none." },
};

/** What the paths refer to. */
export const webhookSchemas: Record<string, JsonSchema> = {};
const named = (name: string, schema: JsonSchema): JsonSchema => {
  webhookSchemas[name] = schema;
  return { $ref: `#/components/schemas/${name}` };
};
const taken = (name: string, schema: z.ZodType): JsonSchema =>
  named(name, embedSchema(schema, "input", name, webhookSchemas));

const webhook = named("Webhook", {
  type: "object",
  properties: {
    id: text,
    url: { type: "string", format: "uri" },
    description: text,
    filters: { type: "object", description: "Which events it is for; all, where there are none." },
    source: { type: "string", description: "`source` of its CloudEvents." },
    status: { enum: ["active", "paused"] },
    pauseReason: { enum: ["requested", "gone"], description: "`gone`: its receiver answered 410." },
    lagEvents: { ...count, description: "Events on disk that it has not looked at yet." },
    pendingDeliveries: count,
    failure: { type: "object" },
  },
  required: ["id", "url", "filters", "source", "status", "lagEvents", "pendingDeliveries"],
});
const withSecret: JsonSchema = {
  allOf: [webhook],
  type: "object",
  properties: { secret: { type: "string", description: "Not shown again." } },
  required: ["secret"],
};
const delivery = named("WebhookDelivery", {
  type: "object",
  properties: {
    messageId: { type: "string", description: "To ask `/messages` or `/dead-letters` for." },
    event: { type: "string", description: "`shard.position`: the id of its CloudEvent." },
    actor: text,
    status: { enum: ["queued", "retrying", "done", "dead"] },
    attempts: count,
    enqueuedAt: time,
    nextAttemptAt: time,
    handledAt: time,
    latest: { type: "object", properties: attempt, required: ["durationMs", "detail"] },
    failures: { type: "array", items: { type: "object" } },
  },
  required: ["messageId", "event", "actor", "status", "attempts", "enqueuedAt", "failures"],
});

const common = problemsOf(400, 401, 403, 503);
const one = { name: "id", in: "path", required: true, description: "A webhook's id.", schema: text };
const withBody = problemsOf(408, 413, 415, 422);

function operation(operationId: string, summary: string, parts: {
  readonly status?: number;
  readonly description: string;
  readonly schema: JsonSchema;
  readonly headers?: object;
  readonly input?: JsonSchema;
  readonly isRequired?: boolean;
  readonly parameters?: object[];
  readonly problems?: object;
}): object {
  const { status = 200, description, schema, headers = {}, input, parameters, problems } = parts;
  return {
    operationId,
    tags: ["Webhooks"],
    summary,
    ...(parameters ? { parameters } : {}),
    ...(input
      ? {
        requestBody: {
          required: parts.isRequired ?? false,
          content: { "application/json": { schema: input } },
        },
      }
      : {}),
    responses: { [status]: { description, headers, ...jsonBody(schema) }, ...common, ...problems },
  };
}

const paused = { description: "It is.", schema: webhook, problems: problemsOf(404) };

export const webhookPaths: Record<string, object> = {
  "/webhooks": {
    get: operation("listWebhooks", "Webhooks, and how far each has come.", {
      description: "All of them.",
      schema: {
        type: "object",
        properties: { webhooks: { type: "array", items: webhook } },
        required: ["webhooks"],
      },
    }),
    post: operation("registerWebhook", "Let events be sent to a URL.", {
      status: 201,
      description: "It is registered. `secret` is not shown again.",
      headers: headersOf("Location"),
      schema: withSecret,
      input: taken("NewWebhook", NewWebhook),
      isRequired: true,
      problems: { ...withBody, ...problemsOf(409) },
    }),
  },
  "/webhooks/{id}": {
    parameters: [one],
    get: operation("readWebhook", "One webhook.", {
      description: "It.",
      schema: webhook,
      problems: problemsOf(404),
    }),
    patch: operation("changeWebhook", "Change what is given; filters as a whole.", {
      description: "As it is now.",
      schema: webhook,
      input: taken("WebhookChanges", WebhookChanges),
      problems: { ...withBody, ...problemsOf(404) },
    }),
    delete: operation("removeWebhook", "Send it nothing more.", {
      description: "It is removed.",
      schema: {
        type: "object",
        properties: { id: text, removed: { const: true } },
        required: ["id", "removed"],
      },
      problems: problemsOf(404),
    }),
  },
  "/webhooks/{id}/pause": {
    parameters: [one],
    post: operation("pauseWebhook", "Let its events and deliveries wait.", paused),
  },
  "/webhooks/{id}/resume": {
    parameters: [one],
    post: operation("resumeWebhook", "Go on where it was paused.", paused),
  },
  "/webhooks/{id}/rotate-secret": {
    parameters: [one],
    post: operation(
      "rotateWebhookSecret",
      "Sign with a new secret, and for a day with the one before, too.",
      {
        description: "The new one, which is not shown again.",
        schema: { type: "object", properties: { id: text, secret: text }, required: ["id", "secret"] },
        input: taken("NewWebhookSecret", NewSecret),
        problems: { ...withBody, ...problemsOf(404) },
      },
    ),
  },
  "/webhooks/{id}/test": {
    parameters: [one],
    post: operation("testWebhook", "Send an event of type folio.webhook.test, at once and once.", {
      description: "What came of it.",
      schema: {
        type: "object",
        properties: { isDelivered: { type: "boolean" }, ...attempt },
        required: ["isDelivered", "durationMs", "detail"],
      },
      problems: problemsOf(404),
    }),
  },
  "/webhooks/{id}/deliveries": {
    parameters: [one],
    get: operation(
      "listDeliveries",
      "What became of its events, the newest first, as long as that is kept.",
      {
        description: "The newest.",
        parameters: parametersOf("limit"),
        schema: {
          type: "object",
          properties: { deliveries: { type: "array", items: delivery } },
          required: ["deliveries"],
        },
        problems: problemsOf(404),
      },
    ),
  },
};
