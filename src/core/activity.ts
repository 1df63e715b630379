import type { z } from "zod";
import { checkIsJson, checkName } from "./actor.ts";
import { defaultRetryPolicy, type RetryPolicy } from "./backoff.ts";
import { type Duration, parseDuration } from "./duration.ts";

/** What a running activity is told of itself. */
export interface ActivityContext {
  /** The same for each attempt: pass it on to whom you call, who can then tell a repetition. */
  readonly idempotencyKey: string;
  /** Aborted when the attempt has taken too long, or the process stops (`reason`: a `ProcessStoppingError`). */
  readonly signal: AbortSignal;
  /** 1 for the first. */
  readonly attempt: number;
  /** Says that it is alive, which extends its lease; `detail` (JSON) is shown as its progress. */
  heartbeat(detail?: unknown): void;
}

/** So many of something in a time. */
export interface RateLimit {
  readonly limit: number;
  readonly per: Duration;
}

/** After how many failures in a row work waits, and for how long until one attempt is let through. */
export interface CircuitBreakerOptions {
  readonly failuresMax: number;
  readonly halfOpenAfter: Duration;
}

/** An error that another attempt would not mend. */
export class FinalError extends Error {
  override readonly name = "FinalError";
}

/**
 * An attempt that came too early: the next one does not begin before a while is over, e.g. as a `Retry-After`
 * asks. `delayMs`: rounded up to whole milliseconds; NaN stands for the first delay of the activity's `retry`.
 *
 * `isCounted`: false where it is as if this attempt had not been made, so that it uses up none of those there
 * may be.
 */
export class RetryLaterError extends Error {
  override readonly name: string = "RetryLaterError";
  readonly isCounted: boolean;

  constructor(message: string, readonly delayMs: number, options: { isCounted: boolean }) {
    super(message);
    this.isCounted = options.isCounted;
  }
}

/**
 * Why the `signal` of an attempt is aborted when its process stops in good order. What the attempt still gives within
 * its grace counts; if it throws, or does not end, it is as if it had not been made, and the next process makes it
 * again (`reconcile` is asked first where there is one). Where it may take place once at the most and nobody can be
 * asked, it is a dead letter.
 */
export class ProcessStoppingError extends Error {
  override readonly name = "ProcessStoppingError";

  constructor() {
    super("This process is stopping");
  }
}

/** What an activity may set for itself. */
export interface ActivityOptions<Input extends z.ZodType, Output extends z.ZodType> {
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** Whether another attempt may mend an error; not asked of a `FinalError` (all others may). */
  readonly isRetryable?: ((error: unknown) => boolean) | undefined;
  /** One attempt may take so long at the most; without it, as long as its lease is extended. */
  readonly timeout?: Duration | undefined;
  /** Attempts at the same time (50); `perKey`: of one key. */
  readonly concurrency?: number | { readonly limit: number; readonly perKey?: number } | undefined;
  /** Attempts begun in a time; `perKey`: of one key. */
  readonly rateLimit?:
    | RateLimit & { readonly perKey?: RateLimit }
    | { readonly perKey: RateLimit }
    | undefined;
  readonly circuitBreaker?: Partial<CircuitBreakerOptions> | undefined;
  /** `at-most-once`: one attempt, and none after a crash that leaves it open whether it took place. */
  readonly delivery?: "at-least-once" | "at-most-once" | undefined;
  /**
   * Work of one key is done one after the other, in the order asked for; what fails holds back the rest of its
   * key until it is a dead letter.
   */
  readonly isOrdered?: boolean | undefined;
  /**
   * Asked after a crash that leaves it open whether an attempt took place, before there is another one.
   *
   * @returns What the attempt gave, or undefined where it did not take place.
   */
  readonly reconcile?:
    | ((idempotencyKey: string, input: z.output<Input>) => Promise<z.input<Output> | undefined>)
    | undefined;
}

/** A side effect on the outside world, as `activity(...)` makes it. */
export interface Activity<
  Name extends string = string,
  Input extends z.ZodType = z.ZodType,
  Output extends z.ZodType = z.ZodType,
> {
  readonly kind: "activity";
  readonly name: Name;
  readonly input: Input;
  readonly output: Output;
  readonly run: (input: z.output<Input>, context: ActivityContext) => Promise<z.input<Output>>;
  readonly retry: RetryPolicy;
  readonly isRetryable: (error: unknown) => boolean;
  readonly timeoutMs: number | undefined;
  readonly concurrency: { readonly limit: number; readonly perKey: number };
  readonly rateLimit: { readonly limit: number; readonly perMs: number } | undefined;
  readonly keyRateLimit: { readonly limit: number; readonly perMs: number } | undefined;
  readonly circuitBreaker: { readonly failuresMax: number; readonly halfOpenAfterMs: number } | undefined;
  readonly delivery: "at-least-once" | "at-most-once";
  readonly isOrdered: boolean;
  readonly reconcile: ActivityOptions<Input, Output>["reconcile"];
}

/** Any activity. */
// deno-lint-ignore no-explicit-any -- stands for every activity whatever it takes and gives
export type AnyActivity = Activity<string, any, any>;

/** What an activity is asked with. */
export type InputOf<A extends AnyActivity> = z.input<A["input"]>;
/** What an activity gives. */
export type OutputOf<A extends AnyActivity> = z.output<A["output"]>;

/** Attempts at the same time of one activity, unless it says otherwise. */
const CONCURRENCY = 50;

/**
 * Defines an activity: the only place for side effects. It runs beside the actors, is retried, and may run more
 * than once for one request, which its `idempotencyKey` tells to whom it calls.
 *
 * @param name Lower case letters, digits and hyphens.
 * @throws {TypeError} When a name or a setting is malformed.
 *
 * @example
 * ```ts
 * import { activity, FinalError } from "folio";
 * import { z } from "zod";
 *
 * export const notify = activity("notify", {
 *   input: z.object({ url: z.url(), text: z.string() }),
 *   output: z.object({ status: z.int() }),
 *   timeout: "10s",
 *   run: async (input, context) => {
 *     const { status } = await fetch(input.url, { method: "POST", body: input.text, signal: context.signal });
 *     if (status === 410) throw new FinalError("Nobody is there any more");
 *     return { status };
 *   },
 * });
 * ```
 */
export function activity<Name extends string, Input extends z.ZodType, Output extends z.ZodType>(
  name: Name,
  parts: ActivityOptions<Input, Output> & {
    readonly input: Input;
    readonly output: Output;
    readonly run: (input: z.output<Input>, context: ActivityContext) => Promise<z.input<Output>>;
  },
): Activity<Name, Input, Output> {
  checkName("activity", name, /^[a-z][a-z0-9-]{0,63}$/);
  const fail = (what: string): never => {
    throw new TypeError(`Cannot define activity ${name}: ${what}`);
  };
  const duration = (what: string, text: Duration) =>
    parseDuration(text) || fail(`${what} must be a duration and not none, not "${text}"`);
  const within = (what: string, value: number, max: number) =>
    value >= 0 && value <= max ? value : fail(`${what} must not be ${value}`);
  const count = (what: string, value: number) =>
    Number.isSafeInteger(value) && value >= 1 ? value : fail(`${what} must not be ${value}`);
  const rate = (what: string, limit: RateLimit | undefined) =>
    limit &&
    { limit: count(`${what}.limit`, limit.limit), perMs: duration(`${what}.per`, limit.per) };
  checkIsJson(`activity ${name}`, parts.input, "input", "input");
  checkIsJson(`activity ${name}`, parts.output, "input", "output");
  const { concurrency = CONCURRENCY, rateLimit, circuitBreaker } = parts;
  const { limit, perKey = Infinity } = typeof concurrency === "number" ? { limit: concurrency } : concurrency;
  const isAtMostOnce = parts.delivery === "at-most-once";
  const retry = { ...defaultRetryPolicy, ...parts.retry, ...(isAtMostOnce ? { attemptsMax: 1 } : {}) };
  within("retry.delayMs", retry.delayMs, Number.MAX_SAFE_INTEGER);
  within("retry.delayMsMax", retry.delayMsMax, Number.MAX_SAFE_INTEGER);
  within("retry.jitter", retry.jitter, 1);
  const { delivery = "at-least-once" } = parts;
  if (!["at-least-once", "at-most-once"].includes(delivery)) fail(`delivery must not be "${delivery}"`);
  return {
    kind: "activity",
    name,
    input: parts.input,
    output: parts.output,
    run: parts.run,
    retry: { ...retry, attemptsMax: count("retry.attemptsMax", retry.attemptsMax) },
    isRetryable: (error) => !(error instanceof FinalError) && (parts.isRetryable?.(error) ?? true),
    timeoutMs: parts.timeout === undefined ? undefined : duration("timeout", parts.timeout),
    concurrency: {
      limit: count("concurrency", limit),
      perKey: perKey === Infinity ? perKey : count("concurrency.perKey", perKey),
    },
    rateLimit: rateLimit && "limit" in rateLimit ? rate("rateLimit", rateLimit) : undefined,
    keyRateLimit: rate("rateLimit.perKey", rateLimit?.perKey),
    circuitBreaker: circuitBreaker && {
      failuresMax: count("circuitBreaker.failuresMax", circuitBreaker.failuresMax ?? 5),
      halfOpenAfterMs: duration("circuitBreaker.halfOpenAfter", circuitBreaker.halfOpenAfter ?? "30s"),
    },
    delivery,
    isOrdered: parts.isOrdered ?? false,
    reconcile: parts.reconcile,
  };
}

const ACTIVITY_PREFIX = "activity:";

/** The type under which messages of an activity are kept; no actor type can have it. */
export function activityType(name: string): string {
  return ACTIVITY_PREFIX + name;
}

/** The activity that a `type/key` stands for, if it stands for one. */
export function activityNameOf(actor: string): string | undefined {
  return actor.startsWith(ACTIVITY_PREFIX)
    ? actor.slice(ACTIVITY_PREFIX.length, actor.indexOf("/"))
    : undefined;
}
