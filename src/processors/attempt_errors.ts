import { type AnyActivity, FinalError, RetryLaterError } from "../core/activity.ts";
import { errorMessage } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

/** An attempt that has taken too long. */
export class AttemptTimeoutError extends Error {
  override readonly name = "TimeoutError";
}

/** An attempt that was begun, and of which nothing was heard because its process has ended. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";

  constructor(isAtMostOnce: boolean) {
    super(
      "The process ended during the attempt, and it is not known whether it took place" +
        (isAtMostOnce ? ": it may take place once at the most" : ""),
    );
  }
}

/** Whether another attempt may mend an error. Where the activity cannot say, it may. */
export function mayBeMended(activity: AnyActivity, error: unknown, log: Log): boolean {
  try {
    return activity.isRetryable(error);
  } catch (cause) {
    log("error", "isRetryable failed", { activity: activity.name, error: errorMessage(cause) });
    return true;
  }
}

/**
 * Whether an attempt that this process interrupts may be made again by the next one. Where it may take place once
 * only, and nobody can be asked whether it did, it may not.
 */
export function mayBeHandedBack({ delivery, reconcile }: AnyActivity): boolean {
  return delivery === "at-least-once" || reconcile !== undefined;
}

/** Whether an error says what became of an attempt, also when it was told to stop before. */
export function isAnswer(error: unknown): boolean {
  return error instanceof FinalError || error instanceof RetryLaterError;
}
