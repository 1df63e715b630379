import fc from "fast-check";
import { expect, test } from "vitest";
import { Lanes } from "../../src/processors/lanes.ts";
import { TokenBucket } from "../../src/processors/token_bucket.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";

test("in no stretch of a rate's length are there more uses than its limit, and none waits longer than it must", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.record({ pauseMs: fc.nat(150), heldMs: fc.nat(30) }), { minLength: 1, maxLength: 60 }),
      (limit, wishes) => {
        const bucket = new TokenBucket({ limit, perMs: 100 });
        const uses: number[] = [];
        let now = 0;
        for (const { pauseMs, heldMs } of wishes) {
          now += pauseMs;
          const waitMs = bucket.waitMs(now);
          if (waitMs > 0) expect(uses.at(-limit)).toBe(now + waitMs - 100);
          now += waitMs;
          expect(bucket.waitMs(now)).toBe(0);
          bucket.take();
          now += heldMs;
          bucket.used(now);
          uses.push(now);
        }
        for (const from of uses) {
          expect(uses.filter((use) => use >= from && use < from + 100).length).toBeLessThanOrEqual(limit);
        }
      },
    ),
  );
});

test("tokens that are taken and not used hold others back until they are given back", () => {
  const bucket = new TokenBucket({ limit: 1, perMs: 100 });
  bucket.take();
  expect(bucket.waitMs(0)).toBe(Infinity);
  expect(bucket.fullInMs(0)).toBe(Infinity);
  bucket.giveBack();
  expect(bucket.waitMs(0)).toBe(0);
});

test("a clock that is set back does not hold tokens back for so long", () => {
  const bucket = new TokenBucket({ limit: 1, perMs: 100 });
  bucket.take();
  bucket.used(1_000_000);
  expect(bucket.waitMs(0)).toBe(0);
});

const rules = { runningMax: Infinity, rate: undefined, notBefore: undefined };

test("keys take turns, whatever they have", () => {
  const lanes = new Lanes<string>(new VirtualClock(), rules, () => {});
  for (const job of ["a1", "a2", "a3", "b1", "c1", "c2"]) lanes.push(job.slice(0, 1), job);
  expect(Array.from({ length: 7 }, () => lanes.next())).toEqual([
    "a1",
    "b1",
    "c1",
    "a2",
    "c2",
    "a3",
    undefined,
  ]);
});

// Would catch memory that grows with each key ever seen.
test("a key is forgotten once it has no work and its rate is as at first", async () => {
  const clock = new VirtualClock();
  const lanes = new Lanes<number>(clock, { ...rules, rate: { limit: 2, perMs: 1_000 } }, () => {});
  for (let key = 0; key < 100; key++) {
    lanes.push(String(key), key);
    const job = lanes.next();
    lanes.began(String(job));
    lanes.ended(String(job));
  }
  expect(lanes.size).toBe(100);
  await clock.advance(999);
  expect(lanes.size).toBe(100);
  await clock.advance(1);
  expect(lanes.size).toBe(0);
  expect(clock.pending).toBe(0);
});

test("what is dropped is not taken any more, and the rest keeps its order", () => {
  const lanes = new Lanes<string>(new VirtualClock(), rules, () => {});
  for (const job of ["a1", "a2", "b1", "a3"]) lanes.push(job.slice(0, 1), job);
  lanes.putFirst("a", "a0");
  lanes.drop((job) => job === "a1" || job === "b1");
  expect(Array.from({ length: 4 }, () => lanes.next())).toEqual(["a0", "a2", "a3", undefined]);
});
