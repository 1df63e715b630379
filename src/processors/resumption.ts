import type { AnyActivity } from "../core/activity.ts";
import type { Entry } from "../runtime/mailbox.ts";
import { attemptsInDoubt, countedAttempts, wasHandedBack } from "../runtime/work.ts";
import type { Job } from "./attempt.ts";
import { InterruptedError, mayBeHandedBack } from "./attempt_errors.ts";

/** Of attempts that a crash has interrupted, so many times the activity's attempts are made. */
const INTERRUPTED_FACTOR = 2;

/** Whether it is first to be asked if an earlier attempt took place; the same of what an operator redrives. */
export function asksFirst({ reconcile }: AnyActivity, entry: Entry): boolean {
  if (!reconcile) return false;
  const isRedriven = entry.attempts === 0 && entry.failures.length > 0;
  return attemptsInDoubt(entry) > 0 || wasHandedBack(entry) || isRedriven;
}

/**
 * Decides about a job of which an attempt was begun by a process that is gone, before there is another one.
 *
 * @param isToAsk What `asksFirst` gave.
 * @returns When it is recorded that there is no other one; undefined where there may be.
 */
export function closeInterrupted(
  activity: AnyActivity,
  { entry, work }: Job,
  isToAsk: boolean,
): Promise<void> | undefined {
  const isInDoubt = attemptsInDoubt(entry) > 0;
  if (!isInDoubt && !wasHandedBack(entry)) return undefined;
  const isOnce = !isToAsk && !mayBeHandedBack(activity);
  const isOver = isOnce ||
    (isInDoubt && countedAttempts(entry) >= activity.retry.attemptsMax * INTERRUPTED_FACTOR);
  if (isOver) return work.failed(entry, new InterruptedError(isOnce), undefined);
  // What is asked about stays in doubt until there is an answer.
  if (isInDoubt && !isToAsk) work.failed(entry, new InterruptedError(false), 0).catch(() => {});
  return undefined;
}
