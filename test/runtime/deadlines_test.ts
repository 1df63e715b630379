import { expect, test } from "vitest";
import { Deadlines } from "../../src/runtime/deadlines.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";

function start() {
  const clock = new VirtualClock();
  const deadlines = new Deadlines(clock, 1_000);
  const called: string[] = [];
  return { clock, called, add: (name: string) => deadlines.add(() => called.push(name)) };
}

test("each is called after the delay, not before, in the order they came", async () => {
  const { clock, called, add } = start();
  add("a");
  await clock.advance(400);
  add("b");
  add("c");
  await clock.advance(599);
  expect(called).toEqual([]);
  await clock.advance(1);
  expect(called).toEqual(["a"]);
  await clock.advance(399);
  expect(called).toEqual(["a"]);
  await clock.advance(1);
  expect(called).toEqual(["a", "b", "c"]);
  expect(clock.pending).toBe(0);
});

// Would catch one that waits for the time of another which was cancelled, or is never called for it.
test("one that is cancelled is not called, and the rest keep their times", async () => {
  const { clock, called, add } = start();
  const cancel = add("a");
  await clock.advance(400);
  add("b");
  cancel();
  cancel();
  await clock.advance(999);
  expect(called).toEqual([]);
  await clock.advance(1);
  expect(called).toEqual(["b"]);
});

test("many have one timer, and none is left when nobody waits", () => {
  const { clock, add } = start();
  const cancels = Array.from({ length: 100 }, (_, index) => add(String(index)));
  expect(clock.pending).toBe(1);
  for (const cancel of cancels) cancel();
  expect(clock.pending).toBe(0);
});

test("one that is called may add another", async () => {
  const { clock, called } = start();
  const deadlines = new Deadlines(clock, 10);
  deadlines.add(() => {
    called.push("first");
    deadlines.add(() => called.push("second"));
  });
  await clock.advance(10);
  expect(called).toEqual(["first"]);
  await clock.advance(10);
  expect(called).toEqual(["first", "second"]);
});
