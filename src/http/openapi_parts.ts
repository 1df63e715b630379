/** Parts of the OpenAPI document that do not depend on the modules: parameters, headers and responses. */
import type { JsonSchema } from "./json_schema.ts";
import { count, messageId, schemaOf, schemas, text, time } from "./openapi_schemas.ts";
import { problemStatuses } from "./problem.ts";

/** A JSON body. */
export function jsonBody(schema: JsonSchema): { content: object } {
  return { content: { "application/json": { schema } } };
}

/** A problem response whose body says more than every problem does. */
export function problemWith(schema: JsonSchema, description: string, headers: object): object {
  return { description, headers, content: { "application/problem+json": { schema } } };
}

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
  "name": pathParameter("name", { type: "string", minLength: 1 }, "A schedule's name."),
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
  "Folio-Expires-After": headerParameter(
    "Folio-Expires-After",
    { type: "string", pattern: "^\\d{1,15}(ms|s|m|h|d)$", examples: ["30s"] },
    "Rejected as `expired` if it has not been handled so long from now.",
  ),
  "Folio-Expires-At": headerParameter(
    "Folio-Expires-At",
    time,
    "Rejected as `expired` if it has not been handled by this time.",
  ),
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
  "from": queryParameter(
    "from",
    { type: "string", minLength: 1, examples: ["0.1042", "2026-01-31T12:00:00Z"] },
    "A consistency token after which to begin, or a time; left out, the beginning of the log. A projection is " +
      "rebuilt from a later place only where it says what becomes of earlier rows.",
  ),
  "limit": queryParameter(
    "limit",
    { type: "integer", minimum: 1, default: 100 },
    "Items of a page; cut to what the server allows. A page of long items has fewer: `hasMore` tells.",
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

/** @param status Whose codes are listed. */
const problem = (status: number, description: string, { schema = "Problem", retry = false } = {}) =>
  problemWith(
    { $ref: `#/components/schemas/${schema}` },
    `${description} ${codesOf(status)}.`,
    retry ? headersOf("Retry-After") : {},
  );

function codesOf(status: number): string {
  const codes = [...problemStatuses].filter(([, of]) => of === status).map(([code]) => `\`${code}\``);
  return `${codes.length === 1 ? "Code" : "Codes"}: ${codes.join(", ")}`;
}

const responses = {
  Accepted: {
    description: "The message is on disk, and will be handled.",
    headers: headersOf("Folio-Message-Id", "Folio-Correlation-Id", "Location"),
    ...jsonBody(schemaOf("AcceptedMessage")),
  },
  400: problem(400, "The body is not JSON, or a header or parameter is malformed."),
  401: problem(401, "No token, or a wrong one."),
  403: problem(403, "Not allowed."),
  404: problem(404, "There is no such thing."),
  405: problem(405, "The path takes other methods: see `Allow`."),
  408: problem(408, "The body did not arrive in time."),
  409: problem(
    409,
    "In progress, or it cannot be as things are; the actor's rejections have codes of their own.",
    { retry: true },
  ),
  412: problem(412, "`If-Match` is not the actor's version."),
  413: problem(413, "The body is too large."),
  415: problem(415, "The body is not declared as JSON."),
  422: problem(422, "The input does not fit its schema, or a message of this id had other content.", {
    schema: "Invalid",
  }),
  429: problem(429, "The mailbox or the shard is full, or more arrives than can be done.", { retry: true }),
  500: problem(
    500,
    "The handler or the query failed, or the turn would have broken an invariant; nothing was recorded.",
  ),
  503: problem(
    503,
    "The server is stopping, its store cannot be reached, or the answer does not come in time.",
    { retry: true },
  ),
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
