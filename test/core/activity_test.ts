import { expect, test } from "vitest";
import { z } from "zod";
import { activity, activityNameOf, activityType, FinalError } from "../../src/core/activity.ts";

const parts = {
  input: z.object({ n: z.int() }),
  output: z.object({ n: z.int() }),
  run: (input: { n: number }) => Promise.resolve(input),
};

test("what is not said has a sensible value", () => {
  expect(activity("work", parts)).toMatchObject({
    kind: "activity",
    name: "work",
    retry: { attemptsMax: 5, delayMs: 1_000, delayMsMax: 30_000, jitter: 0.2 },
    timeoutMs: undefined,
    concurrency: { limit: 50, perKey: Infinity },
    rateLimit: undefined,
    keyRateLimit: undefined,
    circuitBreaker: undefined,
    delivery: "at-least-once",
    isOrdered: false,
  });
});

test("what is said is in milliseconds", () => {
  const work = activity("work", {
    ...parts,
    timeout: "10s",
    concurrency: { limit: 3, perKey: 2 },
    rateLimit: { limit: 10, per: "1m", perKey: { limit: 2, per: "1s" } },
    circuitBreaker: { failuresMax: 3 },
    retry: { attemptsMax: 7 },
  });
  expect(work).toMatchObject({
    timeoutMs: 10_000,
    concurrency: { limit: 3, perKey: 2 },
    rateLimit: { limit: 10, perMs: 60_000 },
    keyRateLimit: { limit: 2, perMs: 1_000 },
    circuitBreaker: { failuresMax: 3, halfOpenAfterMs: 30_000 },
    retry: { attemptsMax: 7, delayMs: 1_000 },
  });
  expect(activity("work", { ...parts, rateLimit: { perKey: { limit: 2, per: "1s" } } }).rateLimit)
    .toBeUndefined();
});

test("at most once means one attempt, whatever else is said", () => {
  const work = activity("work", { ...parts, delivery: "at-most-once", retry: { attemptsMax: 9 } });
  expect(work.retry.attemptsMax).toBe(1);
});

test("a final error is never retryable; others are, unless the activity says no", () => {
  const work = activity("work", { ...parts, isRetryable: (error) => error !== "no" });
  expect([new FinalError("x"), "no", "other"].map((error) => work.isRetryable(error))).toEqual([
    false,
    false,
    true,
  ]);
  expect(activity("work", parts).isRetryable(new Error("x"))).toBe(true);
});

test.each(["", "Work", "1work", "work_", "a/b", "a:b", "x".repeat(65)])("cannot be called %j", (name) => {
  expect(() => activity(name, parts)).toThrow(TypeError);
});

test.each<[string, object]>([
  ["concurrency", { concurrency: 0 }],
  ["concurrency", { concurrency: 1.5 }],
  ["concurrency", { concurrency: NaN }],
  ["concurrency.perKey", { concurrency: { limit: 1, perKey: 0 } }],
  ["retry.attemptsMax", { retry: { attemptsMax: 0 } }],
  ["retry.attemptsMax", { retry: { attemptsMax: Infinity } }],
  ["retry.delayMs", { retry: { delayMs: -1 } }],
  ["retry.delayMs", { retry: { delayMs: NaN } }],
  ["retry.delayMsMax", { retry: { delayMsMax: -1 } }],
  ["retry.jitter", { retry: { jitter: 1.1 } }],
  ["retry.jitter", { retry: { jitter: -0.1 } }],
  ["timeout", { timeout: "soon" }],
  ["timeout", { timeout: "0s" }],
  ["rateLimit.limit", { rateLimit: { limit: 0, per: "1s" } }],
  ["rateLimit.per", { rateLimit: { limit: 1, per: "x" } }],
  ["rateLimit.per", { rateLimit: { limit: 1, per: "0ms" } }],
  ["rateLimit.perKey.limit", { rateLimit: { perKey: { limit: -1, per: "1s" } } }],
  ["circuitBreaker.failuresMax", { circuitBreaker: { failuresMax: 0 } }],
  ["circuitBreaker.halfOpenAfter", { circuitBreaker: { halfOpenAfter: "x" } }],
  ["circuitBreaker.halfOpenAfter", { circuitBreaker: { halfOpenAfter: "0s" } }],
  ["delivery", { delivery: "exactly-once" }],
  ["input", { input: z.bigint() }],
  ["output", { output: z.date() }],
])("a wrong %s is refused and named: %j", (name, wrong) => {
  const define = () => activity("work", { ...parts, ...wrong });
  expect(define).toThrow(TypeError);
  expect(define).toThrow(`Cannot define activity work: ${/put$/.test(name) ? `its ${name}` : name}`);
});

test("the type of its messages is no actor's", () => {
  expect(activityType("work")).toBe("activity:work");
  expect(activityNameOf("activity:work/some/key")).toBe("work");
  expect(activityNameOf("work/activity:work")).toBeUndefined();
});
