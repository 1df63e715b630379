import type { z } from "zod";

/**
 * The closed set of errors that Folio answers with. Each has a stable `code` and typed `fields`;
 * which HTTP status a code becomes is decided in `http/problem.ts` and nowhere else.
 */

/** One reason why a value does not fit its schema. */
export interface Issue {
  /** Where in the value, e.g. `["items", 0, "price"]`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const ISSUES_MAX = 20;
/** A message may list all keys of a value that has too many. */
const ISSUE_CHARS_MAX = 500;

/** What zod says of a value, in our words; the first few. */
export function issuesOf(error: z.ZodError): Issue[] {
  return error.issues.slice(0, ISSUES_MAX).map((issue) => ({
    path: issue.path.map((part) => (typeof part === "symbol" ? String(part) : part)),
    message: issue.message.slice(0, ISSUE_CHARS_MAX),
  }));
}

/** Issues in one line: `seats.0: Too small; customer: expected string`. */
export function issuesText(issues: readonly Issue[]): string {
  return issues.map(({ path, message }) => path.length > 0 ? `${path.join(".")}: ${message}` : message).join(
    "; ",
  );
}

/**
 * A value as its schema reads it.
 *
 * @param what What it is, to begin a sentence with.
 * @throws {TypeError} That says what does not fit, where and why; zod's own error is its cause.
 */
export function fit<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const why = issuesText(issuesOf(result.error));
  throw new TypeError(`${what} does not fit its schema: ${why}`, { cause: result.error });
}

/** What each error carries beside its code and message. */
export interface ErrorFields {
  "malformed": { name: string };
  "unauthorized": Record<never, never>;
  "forbidden": Record<never, never>;
  "not-found": Record<never, never>;
  "method-not-allowed": { allowed: string[] };
  "internal": Record<never, never>;
  "unknown-actor-type": { actorType: string };
  "unknown-saga": { saga: string };
  "unknown-signal": { saga: string; signal: string };
  "already-started": { saga: string; id: string };
  "saga-gone-on": { saga: string; id: string };
  "unknown-command": { actorType: string; command: string };
  "unknown-message": { id: string };
  "ambiguous-message": { id: string; actors: string[] };
  "no-events": { actor: string };
  "body-timeout": { timeoutMs: number };
  "payload-too-large": { bytesMax: number };
  "unsupported-media-type": { contentType: string };
  "invalid-input": { issues: Issue[] };
  /** The actor said no: an answer, not a failure. `rejection` is the actor's own code. */
  "rejected": { rejection: string; details?: unknown };
  "version-mismatch": { expected: string; version: number };
  "message-in-progress": { id: string };
  "message-mismatch": { id: string };
  "mailbox-full": { actor: string; depthMax: number };
  "shard-full": { shard: number; depthMax: number };
  "overloaded": Record<never, never>;
  "too-many-readers": { readersMax: number };
  "handler-failed": { actor: string };
  /** `invariant`: the name of the one that a turn would have broken. */
  "invariant-broken": { actor: string; invariant: string };
  "unknown-projection": { projection: string };
  "unknown-schedule": { schedule: string };
  "unknown-query": { projection: string; query: string };
  "unknown-reactor": { reactor: string };
  "replay-in-progress": { reactor: string };
  "partial-rebuild-refused": { projection: string };
  "projection-behind": { projection: string; lagEvents: number };
  "query-failed": { projection: string; query: string };
  "query-too-slow": { projection: string; query: string; timeoutMs: number };
  "unknown-webhook": { webhook: string };
  "too-many-webhooks": { webhooksMax: number };
  "draining": Record<never, never>;
  "not-owner": { shard: number };
  "store-unavailable": { shard?: number };
  /** The store does not take what this would write, and would not the next time. Nothing was recorded. */
  "store-refused": { shard: number };
}

export type ErrorCode = keyof ErrorFields;

/**
 * An error with a code from the closed set.
 *
 * @example Telling errors apart
 * ```ts
 * import { FolioError } from "folio";
 *
 * const error: unknown = new FolioError("mailbox-full", "Mailbox is full", { actor: "a/1", depthMax: 1000 });
 * if (FolioError.is(error, "mailbox-full")) console.log(error.fields.depthMax);
 * ```
 */
export class FolioError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "FolioError";

  constructor(
    readonly code: Code,
    message: string,
    readonly fields: ErrorFields[Code],
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Whether `error` is a `FolioError` with this code; narrows its `fields`. */
  static is<Code extends ErrorCode>(error: unknown, code: Code): error is FolioError<Code> {
    return error instanceof FolioError && error.code === code;
  }
}

/** The text of any thrown value, for logs and failure histories: with the reasons, where an input does not fit. */
export function errorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const issues = FolioError.is(error, "invalid-input") ? error.fields.issues : [];
  return `${error.name}: ${error.message}${issues.length > 0 ? `: ${issuesText(issues)}` : ""}`;
}
