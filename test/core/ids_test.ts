import fc from "fast-check";
import { expect, test } from "vitest";
import type { Clock } from "../../src/core/clock.ts";
import { createIds } from "../../src/core/ids.ts";
import { isMessageId } from "../../src/core/message.ts";

/** A clock that stands where it is put. */
function standingClock(now: number): Clock & { time: number } {
  return {
    time: now,
    now() {
      return this.time;
    },
    elapsed: () => 0,
    after: () => () => {},
    soon: () => {},
  };
}

const YEAR_5000 = 95_617_584_000_000;

test("an id is 20 characters of 0-9a-z at any time until the year 5000", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: YEAR_5000 }), (now) => {
    const id = createIds(standingClock(now)).next();
    expect(id).toMatch(/^[0-9a-z]{20}$/);
    expect(isMessageId(id)).toBe(true);
  }));
});

// Would catch ids without padding: an index would then take them in random places, at half the throughput.
test("ids of a later time sort behind those of an earlier one, as text", () => {
  const time = fc.integer({ min: 0, max: YEAR_5000 });
  fc.assert(fc.property(time, time, (one, other) => {
    const clock = standingClock(Math.min(one, other));
    const ids = createIds(clock);
    const earlier = ids.next();
    clock.time = Math.max(one, other) + 1;
    expect(ids.next() > earlier).toBe(true);
  }));
});

test("10,000 ids of one millisecond are all different", () => {
  const ids = createIds(standingClock(1_700_000_000_000));
  const made = Array.from({ length: 10_000 }, () => ids.next());
  expect(new Set(made).size).toBe(10_000);
});

test("random numbers are at least 0, below 1, and differ", () => {
  const ids = createIds(standingClock(0));
  const numbers = Array.from({ length: 1_000 }, () => ids.random());
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
  expect(new Set(numbers).size).toBeGreaterThan(990);
});
