import { expect, test } from "vitest";
import { StepError } from "../../src/core/step.ts";
import { runAttemptAt } from "../../src/processors/attempt_context.ts";
import { StrayRejections } from "../../src/processors/stray_rejections.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";

function strays(survives: boolean) {
  const clock = new VirtualClock();
  const logged: [string, Readonly<Record<string, unknown>>][] = [];
  const log = (level: string, _: string, fields = {}) => void logged.push([level, fields]);
  const seen = new StrayRejections({ clock, log }, survives);
  /** @returns Whether the process would have ended. */
  const reject = (reason: unknown) => {
    let isFatal = true;
    seen.seen({ reason, preventDefault: () => isFatal = false });
    return isFatal;
  };
  return { clock, logged, reject, seen };
}

test("what is rejected during an attempt of an activity is counted as that activity's", () => {
  const { clock, logged, reject, seen } = strays(true);
  const message = { id: "m1", actor: "activity:charge/-", command: "run" };
  const about = { ...message, correlationId: "c1", traceparent: null };
  expect(runAttemptAt(about, () => reject(new Error("a")))).toBe(false);
  expect(reject(new Error("b"))).toBe(false);
  expect(reject("c")).toBe(false);
  const at = clock.now();
  expect(seen.list()).toEqual([
    { activity: "charge", count: 1, at, error: "Error: a" },
    { activity: "none", count: 2, at, error: "c" },
  ]);
  expect(logged[0]).toEqual(["error", expect.objectContaining({ messageId: "m1", error: "Error: a" })]);
  expect(logged[0]?.[1].stack).toContain("stray_rejections_test");
});

// Would catch a library in a loop that fills the disk with lines.
test("ten a minute are logged, all are counted, and the next line says how many were not logged", async () => {
  const { clock, logged, reject, seen } = strays(true);
  for (let n = 0; n < 25; n++) reject(new Error(`${n}`));
  expect(logged).toHaveLength(10);
  expect(seen.list()[0]?.count).toBe(25);
  await clock.advance("1m");
  reject(new Error("later"));
  expect(logged).toHaveLength(11);
  expect(logged[10]?.[1]).toMatchObject({ error: "Error: later", unlogged: 15 });
});

test("in a program that embeds Folio only steps of sagas are survived", () => {
  const { logged, reject, seen } = strays(false);
  expect(reject(new Error("the program's"))).toBe(true);
  expect(reject(new StepError("charge", "declined", "no"))).toBe(false);
  expect(logged).toEqual([["warn", { error: "StepError: no" }]]);
  expect(seen.list()).toEqual([]);
});
