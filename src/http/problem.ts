import { type ErrorCode, FolioError } from "../core/errors.ts";

/**
 * Error to status: here and nowhere else. Bodies are problem details (RFC 9457) with a stable `code`.
 */
const problems: { [Code in ErrorCode]: readonly [status: number, title: string] } = {
  "malformed": [400, "Malformed request"],
  "unauthorized": [401, "Token missing or wrong"],
  "forbidden": [403, "Not allowed"],
  "not-found": [404, "No such route"],
  "unknown-actor-type": [404, "No such actor type"],
  "unknown-saga": [404, "No such saga"],
  "unknown-signal": [404, "No such signal"],
  "unknown-command": [404, "No such command"],
  "unknown-message": [404, "No such message"],
  "no-events": [404, "Actor has no events"],
  "unknown-projection": [404, "No such projection"],
  "unknown-schedule": [404, "No such schedule"],
  "unknown-query": [404, "No such query"],
  "unknown-reactor": [404, "No such reactor"],
  "unknown-webhook": [404, "No such webhook"],
  "method-not-allowed": [405, "Method not allowed"],
  "body-timeout": [408, "Body did not arrive in time"],
  "rejected": [409, "Rejected by the actor"],
  "message-in-progress": [409, "Message is still in progress"],
  "ambiguous-message": [409, "Several actors have a message of this id"],
  "replay-in-progress": [409, "Reactor is being replayed already"],
  "partial-rebuild-refused": [409, "Projection can be rebuilt from the beginning only"],
  "too-many-webhooks": [409, "Too many webhooks"],
  "already-started": [409, "Saga was started with another input"],
  "saga-gone-on": [409, "Saga has gone on without this step"],
  "version-mismatch": [412, "Actor is at another version"],
  "payload-too-large": [413, "Body too large"],
  "unsupported-media-type": [415, "Body is not declared as JSON"],
  "invalid-input": [422, "Input does not fit its schema"],
  "message-mismatch": [422, "Message id was used with other content"],
  "mailbox-full": [429, "Mailbox is full"],
  "overloaded": [429, "Overloaded"],
  "shard-full": [429, "Shard is full"],
  "handler-failed": [500, "Handler failed"],
  "invariant-broken": [500, "Invariant would have been broken"],
  "internal": [500, "Internal error"],
  "query-failed": [500, "Query failed"],
  "store-refused": [500, "Store refuses what this would write"],
  "projection-behind": [503, "Projection has not caught up yet"],
  "query-too-slow": [503, "Query took too long"],
  "draining": [503, "Shutting down"],
  "not-owner": [503, "Held by another process"],
  "store-unavailable": [503, "Store unavailable"],
  "too-many-readers": [503, "Too many live readers"],
};

/** Statuses that say "come again", and in how many seconds. */
const retryAfterSeconds: Readonly<Record<number, number>> = { 409: 1, 429: 1, 503: 2 };

/** Conflicts that time does not resolve. */
const finalConflicts: ReadonlySet<ErrorCode> = new Set([
  "already-started",
  "ambiguous-message",
  "partial-rebuild-refused",
  "saga-gone-on",
  "too-many-webhooks",
]);

/** Sent with every response: nothing of Folio's API is meant to be framed, sniffed, cached or run. */
const commonHeaders: readonly [string, string][] = [
  ["cache-control", "no-store"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
  ["referrer-policy", "no-referrer"],
  ["x-content-type-options", "nosniff"],
];

/**
 * A response with the headers that all have.
 *
 * @param type Media type of the body; null where there is none.
 */
export function respond(
  status: number,
  body: string | ReadableStream<Uint8Array> | null,
  type: string | null,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const response = new Response(body, { status, headers: type === null ? {} : { "content-type": type } });
  // One by one, which costs the server less than to take them all with the body.
  for (const [name, value] of commonHeaders) response.headers.append(name, value);
  for (const [name, value] of Object.entries(headers)) response.headers.append(name, value);
  return response;
}

/** The status that an error has in HTTP. */
export function statusOf(error: unknown): number {
  const code: ErrorCode = error instanceof FolioError ? error.code : "internal";
  return problems[code][0];
}

/** Codes of all problems, with their statuses. */
export const problemStatuses: ReadonlyMap<string, number> = new Map(
  Object.entries(problems).map(([code, [status]]) => [code, status]),
);

/** Whether a problem response says when to come again. */
export function saysWhenToRetry(code: ErrorCode): boolean {
  return code !== "rejected" && !finalConflicts.has(code) &&
    retryAfterSeconds[problems[code][0]] !== undefined;
}

/** A JSON response. */
export function json(status: number, body: unknown, headers?: Readonly<Record<string, string>>): Response {
  return respond(status, JSON.stringify(body), "application/json", headers);
}

/** A problem response for an error. Anything but a `FolioError` tells the client nothing of itself. */
export function problem(error: unknown, headers?: Readonly<Record<string, string>>): Response {
  const known: FolioError = error instanceof FolioError
    ? error
    : new FolioError("internal", "Something went wrong here", {});
  const [status, title] = problems[known.code];
  const isRejection = FolioError.is(known, "rejected");
  const { rejection: _, ...fields } = { rejection: undefined, ...known.fields };
  const body = {
    type: `/problems/${known.code}`,
    title,
    status,
    code: isRejection ? known.fields.rejection : known.code,
    detail: known.message,
    ...fields,
  };
  const retryAfter = saysWhenToRetry(known.code) ? retryAfterSeconds[status] : undefined;
  return respond(status, JSON.stringify(body), "application/problem+json", {
    ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }),
    ...(status === 401 ? { "www-authenticate": 'Bearer realm="folio"' } : {}),
    ...headers,
  });
}

/** The problem of a path that there is, but not with this method (RFC 9110, 15.5.6). */
export function methodNotAllowed(allowed: string[]): Response {
  const allow = allowed.join(", ");
  return problem(new FolioError("method-not-allowed", `Use one of ${allow} here`, { allowed }), { allow });
}
