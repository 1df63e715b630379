import { seededIds, VirtualClock } from "folio/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";

test("callbacks run in the order of their times, equal ones in the order they were asked for", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(20), { maxLength: 40 }), async (delays) => {
      const clock = new VirtualClock(0);
      const ran: [at: number, index: number][] = [];
      for (const [index, delay] of delays.entries()) clock.after(delay, () => ran.push([clock.now(), index]));
      await clock.advance(20);
      const expected = delays.map((delay, index): [number, number] => [delay, index]).sort((a, b) =>
        a[0] - b[0] || a[1] - b[1]
      );
      expect(ran).toEqual(expected);
    }),
    { numRuns: 50 },
  );
});

test("time stands still until it is advanced, and then is exactly there", async () => {
  const clock = new VirtualClock(1_000);
  const ran: number[] = [];
  clock.after(10, () => ran.push(clock.now()));
  await clock.settle();
  await clock.advance(9);
  expect([clock.now(), ran, clock.pending]).toEqual([1_009, [], 1]);
  await clock.advance("1ms");
  expect([clock.now(), ran, clock.pending]).toEqual([1_010, [1_010], 0]);
  await clock.advance("24h");
  expect(clock.now()).toBe(1_010 + 86_400_000);
});

test("a callback may ask for others, which run in the same advance when they are due", async () => {
  const clock = new VirtualClock(0);
  const ticks: number[] = [];
  const tick = () => {
    ticks.push(clock.now());
    clock.after(10, tick);
  };
  clock.after(10, tick);
  await clock.advance(35);
  expect([ticks, clock.pending]).toEqual([[10, 20, 30], 1]);
});

test("a cancelled callback does not run, and cancelling twice or too late is nothing", async () => {
  const clock = new VirtualClock();
  let ran = 0;
  const cancelFirst = clock.after(1, () => ran++);
  const cancelSecond = clock.after(2, () => ran++);
  cancelFirst();
  cancelFirst();
  await clock.advance(2);
  cancelSecond();
  expect([ran, clock.pending]).toEqual([1, 0]);
});

// Would catch tests that pass or fail with the speed of the machine.
test("between two callbacks the answers of an in-memory database arrive", async () => {
  const clock = new VirtualClock();
  const database = openLibsqlDatabase({ url: "file::memory:" });
  const seen: string[] = [];
  clock.after(1, async () => {
    for (let index = 0; index < 20; index++) await database.execute({ sql: "SELECT 1" });
    await database.batch([{ sql: "CREATE TABLE t (x)" }], "write");
    seen.push("first");
  });
  clock.after(2, () => seen.push("second"));
  await clock.advance(2);
  expect(seen).toEqual(["first", "second"]);
});

test("a length of time that is none is refused", async () => {
  const clock = new VirtualClock();
  await expect(clock.advance(-1)).rejects.toThrow(TypeError);
  await expect(clock.advance(NaN)).rejects.toThrow(TypeError);
  await expect(clock.advance("1w" as "1d")).rejects.toThrow("Cannot advance: not a length of time, 1w");
});

test("seeded ids repeat with their seed, differ between seeds, and never repeat within one", () => {
  const first = (seed: number) => {
    const ids = seededIds(seed);
    return Array.from({ length: 1_000 }, () => ids.next());
  };
  expect(first(1)).toEqual(first(1));
  const both = [...first(1), ...first(2)];
  expect(new Set(both).size).toBe(2_000);
  for (const id of both) expect(id).toMatch(/^[0-9a-z]{20}$/);
});

test("seeded chance is spread over [0, 1)", () => {
  const ids = seededIds(3);
  const numbers = Array.from({ length: 10_000 }, () => ids.random());
  const buckets = Array.from(
    { length: 10 },
    (_, index) => numbers.filter((x) => Math.floor(x * 10) === index).length,
  );
  expect(Math.min(...buckets)).toBeGreaterThan(800);
  expect(Math.max(...buckets)).toBeLessThan(1_200);
});
