import { type AnyActivity, RetryLaterError } from "../core/activity.ts";
import { backoffMs } from "../core/backoff.ts";
import { DURATION_MS_MAX } from "../core/duration.ts";
import { errorMessage } from "../core/errors.ts";
import { aboutMessage } from "../core/log.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { countedAttempts } from "../runtime/work.ts";
import { type Attempt, type AttemptEnd, isTooLate } from "./attempt.ts";

/** What recording an attempt's end needs. */
export interface RecordWorld {
  readonly activity: AnyActivity;
  readonly runtime: Pick<Runtime, "clock" | "log" | "random">;
}

/**
 * Records what came of an attempt. After that its entry is with its shard's work if there will be another one.
 *
 * @returns When it is on disk; rejects when it is lost.
 */
export function recordEnd(
  attempt: Attempt,
  end: Exclude<AttemptEnd, { kind: "unsaid" }>,
  world: RecordWorld,
): Promise<void> {
  const { entry, work } = attempt.job;
  if (end.kind === "done") return work.done(entry, end.output);
  if (end.kind === "failed") return recordFailure(attempt, end.error, world);
  world.runtime.log("info", "Activity is handed back: this process stops", aboutMessage(entry.message));
  return work.handBack(entry);
}

function recordFailure(
  { job, isProbe, isRetryable }: Attempt,
  error: unknown,
  { activity, runtime }: RecordWorld,
): Promise<void> {
  const { entry, work } = job;
  const { retry } = activity;
  const attempts = countedAttempts(entry);
  // What the circuit lets through to see does not use up the attempts of what it is tried with.
  const later = error instanceof RetryLaterError ? error : undefined;
  const isFree = (isProbe || later?.isCounted === false) && isRetryable &&
    activity.delivery === "at-least-once";
  if (!isFree && (!isRetryable || attempts >= retry.attemptsMax)) {
    return work.failed(entry, error, undefined);
  }
  const waitMs = later ? wholeMs(later.delayMs, retry.delayMs) : 0;
  const delayMs = Math.max(waitMs, backoffMs(retry, attempts, runtime.random()));
  if (later?.isCounted !== false) {
    runtime.log("warn", "Activity failed, will be tried again", {
      ...aboutMessage(entry.message),
      attempt: entry.attempts,
      error: errorMessage(error),
    });
  }
  const recorded = isFree ? work.takeBack(entry, waitMs) : work.failed(entry, error, delayMs);
  if (!isTooLate(job, runtime.clock.now())) return recorded;
  recorded.catch(() => {}); // lost with the end that follows, which is told
  return work.expired(entry);
}

/** As it can be stored: what an activity has worked out, say from a header, may be a fraction, or no number at all. */
function wholeMs(ms: number, otherwise: number): number {
  return Math.min(Math.max(Math.ceil(Number.isNaN(ms) ? otherwise : ms), 0), DURATION_MS_MAX);
}
