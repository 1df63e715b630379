import { DURATION_MS_MAX } from "./duration.ts";

/** How failing work is tried again. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attemptsMax: number;
  /** Wait after the first failure; doubles after each further one. */
  readonly delayMs: number;
  /** No wait is longer than this, jitter aside. */
  readonly delayMsMax: number;
  /** Each wait varies by this share of itself in both directions, so that failures do not retry in step. */
  readonly jitter: number;
}

/** 5 attempts, 1 s doubling, ±20 %, 30 s at the most. */
export const defaultRetryPolicy: RetryPolicy = {
  attemptsMax: 5,
  delayMs: 1_000,
  delayMsMax: 30_000,
  jitter: 0.2,
};

/**
 * How long to wait after the failure of `attempt`.
 *
 * @param attempt The attempt that failed, from 1.
 * @param random A number in [0, 1) that decides the jitter.
 * @returns Milliseconds, whole, and no more than a time can be away.
 */
export function backoffMs(policy: RetryPolicy, attempt: number, random: number): number {
  // 2 ** 1024 is Infinity, which a delay of 0 would turn into NaN.
  const doubled = policy.delayMs * 2 ** Math.min(attempt - 1, 1_000);
  const base = Math.min(doubled, policy.delayMsMax);
  return Math.min(Math.round(base * (1 + policy.jitter * (2 * random - 1))), DURATION_MS_MAX);
}
