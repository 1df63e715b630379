import { expect, test } from "vitest";
import { backoffMs, defaultRetryPolicy } from "../../src/core/backoff.ts";

test("waits double from one second up to thirty", () => {
  const waits = [1, 2, 3, 4, 5, 6, 7].map((attempt) => backoffMs(defaultRetryPolicy, attempt, 0.5));
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});
