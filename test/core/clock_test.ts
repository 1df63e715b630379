import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SteadyClock, systemClock } from "../../src/core/clock.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const DAY_MS = 86_400_000;

test("a callback is called once, after its delay and not before", () => {
  const callback = vi.fn();
  systemClock.after(100, callback);
  vi.advanceTimersByTime(99);
  expect(callback).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1_000);
  expect(callback).toHaveBeenCalledTimes(1);
});

test("a delay in the past is over at once", () => {
  const callback = vi.fn();
  systemClock.after(-5, callback);
  vi.advanceTimersByTime(0);
  expect(callback).toHaveBeenCalledTimes(1);
});

// Would catch `setTimeout` being handed more than 2^31 - 1 ms, which it takes for 1 ms: a message delayed by a
// month would be delivered now.
test("a delay of 60 days takes 60 days", () => {
  const callback = vi.fn();
  systemClock.after(60 * DAY_MS, callback);
  vi.advanceTimersByTime(60 * DAY_MS - 1);
  expect(callback).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(callback).toHaveBeenCalledTimes(1);
});

test("what is cancelled is never called, even after the first of several timeouts", () => {
  const callback = vi.fn();
  const cancelShort = systemClock.after(100, callback);
  const cancelLong = systemClock.after(60 * DAY_MS, callback);
  cancelShort();
  vi.advanceTimersByTime(40 * DAY_MS);
  cancelLong();
  vi.advanceTimersByTime(60 * DAY_MS);
  expect(callback).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});

test("the time is that of the machine, in milliseconds", () => {
  expect(systemClock.now()).toBe(1_000_000);
  vi.advanceTimersByTime(250);
  expect(systemClock.now()).toBe(1_000_250);
});

// Would catch a task that comes before promises have come to rest: a saga would be taken to wait for nothing.
test("soon comes once all that needs only promises has come to rest, also from within what came soon", async () => {
  vi.useRealTimers();
  const seen: string[] = [];
  const work = async (name: string) => {
    for (let i = 0; i < 1_000; i++) await null;
    seen.push(name);
  };
  for (const round of ["a", "b", "c"]) {
    void work(round);
    await new Promise<void>((resolve) => systemClock.soon(resolve));
    seen.push(`after ${round}`);
  }
  expect(seen).toEqual(["a", "after a", "b", "after b", "c", "after c"]);
});

/** A clock whose time and whose passing are set by hand. */
function handClock() {
  const hand = { time: 1_000_000, passed: 0 };
  const clock = {
    now: () => hand.time,
    elapsed: () => hand.passed,
    after: () => () => {},
    soon: () => {},
  };
  return { hand, steady: new SteadyClock(clock) };
}

describe("a steady clock", () => {
  test("goes with its clock, and forward with it at once", () => {
    const { hand, steady } = handClock();
    hand.time += 5;
    expect(steady.now()).toBe(1_000_005);
    hand.time += DAY_MS;
    expect(steady.now()).toBe(1_000_005 + DAY_MS);
  });

  // Would catch one that stands still until the clock has caught up: what is due in a second waits for an hour.
  test("goes on at half its speed when its clock is set back, until that has caught up", () => {
    const { hand, steady } = handClock();
    hand.time -= 3_600_000;
    expect(steady.now()).toBe(1_000_000);
    const pass = (ms: number) => {
      hand.time += ms;
      hand.passed += ms;
      return steady.now();
    };
    expect(pass(1_000)).toBe(1_000_500);
    expect(pass(1)).toBe(1_000_500);
    expect(pass(1)).toBe(1_000_501);
    expect(pass(7_200_000 - 1_002)).toBe(1_000_000 + 3_600_000);
    expect(pass(1_000)).toBe(1_000_000 + 3_601_000);
  });

  test("never goes back, however its clock is set", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: -DAY_MS, max: DAY_MS }), fc.nat(DAY_MS))), (steps) => {
        const { hand, steady } = handClock();
        let last = steady.now();
        for (const [set, passes] of steps) {
          hand.time += set + passes;
          hand.passed += passes;
          const now = steady.now();
          expect(now).toBeGreaterThanOrEqual(Math.max(last, hand.time));
          expect(Number.isInteger(now)).toBe(true);
          last = now;
        }
      }),
    );
  });

  test("is not before a time that somebody has recorded", () => {
    const { hand, steady } = handClock();
    steady.atLeast(1_000_600);
    expect(steady.now()).toBe(1_000_600);
    hand.time += 700;
    expect(steady.now()).toBe(1_000_700);
  });
});
