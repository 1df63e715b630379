import { z } from "zod";
import type { AnyActor } from "../core/actor.ts";
import type { AnyCommand } from "../core/command.ts";
import { INTERNAL_PREFIX } from "../core/saga_actor.ts";
import type { Registry } from "../runtime/registry.ts";
import { embedSchema, type JsonSchema } from "./json_schema.ts";
import { activityPaths } from "./openapi_activities.ts";
import { genericPaths } from "./openapi_paths.ts";
import { observePaths } from "./openapi_observe.ts";
import { timePaths } from "./openapi_time.ts";
import { genericProjectionPaths, queryPaths } from "./openapi_projections.ts";
import { reactorPaths } from "./openapi_reactors.ts";
import { webhookPaths, webhookSchemas } from "./openapi_webhooks.ts";
import { genericSagaPaths, sagaPaths, sagaSchemas } from "./openapi_sagas.ts";
import { components, headersOf, jsonBody, parametersOf, problemsOf, problemWith } from "./openapi_parts.ts";

/** What a document says of itself. */
export interface DocumentInfo {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
}

const defaultInfo: DocumentInfo = { title: "Folio", version: "1" };

/**
 * The API of a server with these modules, as an OpenAPI 3.1 document: a path a command and a query, with the
 * schemas that inputs, replies and rows are checked by, and the routes that all servers have.
 */
export function openApiDocument(registry: Registry, info: DocumentInfo = defaultInfo): object {
  const schemas: Record<string, JsonSchema> = { ...components.schemas, ...webhookSchemas, ...sagaSchemas };
  const commandPaths: Record<string, object> = {};
  // Folio's own actors and sagas have routes of their own.
  const present = [...registry.actors.values()].filter((actor) => !registry.isBuiltIn(actor));
  const types = present.map(({ name }) => name);
  const actors = present.filter(({ name }) => !registry.sagas.has(name));
  for (const actor of actors) {
    schemas[rejectionName(actor)] = rejectionSchema(actor, schemas);
    for (const [name, command] of actor.commands) {
      if (command.isInternal || name.startsWith(INTERNAL_PREFIX)) continue;
      commandPaths[`/actors/${actor.name}/{key}/${name}`] = {
        parameters: parametersOf("key"),
        post: commandOperation(actor, name, command, schemas),
      };
    }
  }
  const derivedPaths = Object.assign(
    {},
    ...[...registry.projections.values()].map((projection) => queryPaths(projection, schemas)),
    genericProjectionPaths,
    ...[...registry.sagas.values()].map((saga) => sagaPaths(saga, schemas)),
    genericSagaPaths,
  );
  return {
    openapi: "3.1.1",
    jsonSchemaDialect: "https://json-schema.org/draft/2020-12/schema",
    info,
    security: [{ token: [] }, {}],
    // Actor types are in lower case: no tag is there twice.
    tags: [
      ...actors.map(({ name }) => ({ name, description: `Commands of actors of type ${name}.` })),
      { name: "Sagas", description: "Workflows with compensations." },
      { name: "Projections", description: "Read models and their queries." },
      { name: "Webhooks", description: "Events sent to URLs." },
      { name: "Log", description: "States, events and messages, whatever their actor." },
      { name: "Operations", description: "For operators and machines." },
    ],
    paths: {
      ...commandPaths,
      ...genericPaths(types),
      ...timePaths,
      ...activityPaths,
      ...observePaths,
      ...derivedPaths,
      ...reactorPaths,
      ...webhookPaths,
    },
    components: { ...components, schemas },
  };
}

function commandOperation(
  actor: AnyActor,
  name: string,
  command: AnyCommand,
  schemas: Record<string, JsonSchema>,
): object {
  const input: z.ZodType = command.input;
  const reply: z.ZodType | undefined = command.reply;
  const id = `${actor.name}.${name}`;
  return {
    operationId: id,
    tags: [actor.name],
    summary: `Send ${name} to an actor of type ${actor.name}.`,
    parameters: parametersOf(
      "Prefer",
      "Idempotency-Key",
      "If-Match",
      "Folio-Delay",
      "Folio-Deliver-At",
      "Folio-Expires-After",
      "Folio-Expires-At",
      "Folio-Correlation-Id",
      "traceparent",
    ),
    requestBody: {
      // An empty body counts as {}.
      required: !input.safeParse({}).success,
      content: { "application/json": { schema: embedSchema(input, "input", `${id}.input`, schemas) } },
    },
    responses: {
      200: {
        description: "The command was handled, and what it has changed is on disk.",
        headers: headersOf("Folio-Message-Id", "Folio-Correlation-Id", "Folio-Position"),
        ...jsonBody({
          type: "object",
          properties: {
            messageId: { type: "string" },
            actor: { type: "string", description: "`type/key`." },
            version: { type: "integer", minimum: 0, description: "The actor's, after the command." },
            position: { type: "integer", minimum: 0 },
            reply: reply ? embedSchema(reply, "output", `${id}.reply`, schemas) : {},
          },
          required: ["messageId", "actor", "version", "position", "reply"],
        }),
      },
      202: { $ref: "#/components/responses/Accepted" },
      409: problemWith(
        { anyOf: [{ $ref: `#/components/schemas/${rejectionName(actor)}` }, inProgress, expired] },
        "The actor rejected the command, a message of this id is still in progress, or its time is over.",
        headersOf("Folio-Message-Id", "Folio-Correlation-Id", "Folio-Position", "Retry-After"),
      ),
      ...problemsOf(400, 401, 403, 404, 408, 412, 413, 415, 422, 429, 500, 503),
    },
  };
}

const inProgress: JsonSchema = {
  allOf: [{ $ref: "#/components/schemas/Problem" }],
  properties: {
    type: { const: "/problems/message-in-progress" },
    code: { const: "message-in-progress" },
    id: { type: "string" },
  },
};

const expired: JsonSchema = {
  allOf: [{ $ref: "#/components/schemas/Problem" }],
  properties: { type: { const: "/problems/rejected" }, code: { const: "expired" } },
};

function rejectionName(actor: AnyActor): string {
  return `${actor.name}.rejected`;
}

/** The problem that an actor's no becomes: `code` says which, and `details` are of its schema. */
function rejectionSchema(actor: AnyActor, schemas: Record<string, JsonSchema>): JsonSchema {
  const declared = [...actor.rejections ?? []];
  return {
    allOf: [{ $ref: "#/components/schemas/Problem" }],
    type: "object",
    properties: {
      type: { const: "/problems/rejected" },
      code: declared.length > 0
        ? { type: "string", enum: declared.map(([code]) => code) }
        : { type: "string" },
    },
    required: ["type", "code"],
    ...(declared.length > 0
      ? {
        oneOf: declared.map(([code, details]) => ({
          title: code,
          properties: {
            code: { const: code },
            details: embedSchema(details, "output", `${actor.name}.rejected.${componentName(code)}`, schemas),
          },
        })),
      }
      : {}),
  };
}

/** Rejection codes may hold anything; names of components may not. */
function componentName(code: string): string {
  return code.replaceAll(/[^\w.-]/g, (char) => `_${char.charCodeAt(0).toString(16)}`);
}
