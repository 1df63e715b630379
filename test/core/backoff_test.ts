import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs, defaultRetryPolicy, type RetryPolicy } from "../../src/core/backoff.ts";
import { DURATION_MS_MAX } from "../../src/core/duration.ts";

const policy: fc.Arbitrary<RetryPolicy> = fc.record({
  attemptsMax: fc.integer({ min: 1, max: 100 }),
  delayMs: fc.nat(100_000),
  delayMsMax: fc.nat(10_000_000),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
});
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const attempt = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1_000_000 }));

test("waits double from one second up to thirty", () => {
  const waits = [1, 2, 3, 4, 5, 6, 7].map((attempt) => backoffMs(defaultRetryPolicy, attempt, 0.5));
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

// Would catch a wait that is not a number, with which a message is retried at once for ever, or never.
test("a wait is whole milliseconds, never negative, never above the cap and its jitter", () => {
  fc.assert(
    fc.property(policy, attempt, random, (policy, attempt, random) => {
      const wait = backoffMs(policy, attempt, random);
      expect(Number.isSafeInteger(wait)).toBe(true);
      expect(wait).toBeGreaterThanOrEqual(0);
      expect(wait).toBeLessThanOrEqual(Math.round(policy.delayMsMax * (1 + policy.jitter)));
    }),
    { examples: [[{ attemptsMax: 5, delayMs: 0, delayMsMax: 1, jitter: 0 }, 2_000, 0.5]] },
  );
});

// Would catch a time of the next attempt that no commit can store, and so a shard that never gets past it.
test.each([1e300, Number.MAX_SAFE_INTEGER])(
  "a wait of %d ms is cut to what a time can be away",
  (delayMs) => {
    const far = { attemptsMax: 5, delayMs, delayMsMax: delayMs, jitter: 1 };
    expect(backoffMs(far, 3, 0.99)).toBe(DURATION_MS_MAX);
  },
);

test("a wait is the doubled delay, give or take the jitter", () => {
  fc.assert(fc.property(policy, fc.integer({ min: 1, max: 20 }), random, (policy, attempt, random) => {
    const base = Math.min(policy.delayMs * 2 ** (attempt - 1), policy.delayMsMax);
    const wait = backoffMs(policy, attempt, random);
    expect(wait).toBeGreaterThanOrEqual(Math.round(base * (1 - policy.jitter)));
    expect(wait).toBeLessThanOrEqual(Math.round(base * (1 + policy.jitter)));
  }));
});

// Would catch jitter that is always on one side, or none: failures would retry in step.
test("chance spreads the waits over both sides of the middle", () => {
  const waits = [0, 0.25, 0.5, 0.75, 0.999_999].map((random) => backoffMs(defaultRetryPolicy, 1, random));
  expect(waits).toEqual([800, 900, 1_000, 1_100, 1_200]);
});
