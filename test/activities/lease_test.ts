/** Time-outs, leases, heartbeats, and answers that come too late. */
import { expect, test } from "vitest";
import { FinalError } from "../../src/core/activity.ts";
import { RunTimes } from "../../src/processors/run_times.ts";
import { at } from "../support/world.ts";
import { WorkWorld } from "./support.ts";

test("an attempt that ends just in time counts, and one that does not is aborted and made again", async () => {
  const work = await WorkWorld.start({ timeout: "10s", retry: { delayMs: 1_000 } });
  await work.ask(["a", "b"]);
  const [a, b] = [at(work.outside.runs, 0), at(work.outside.runs, 1)];
  await work.clock.advance(9_999);
  a.succeed();
  await work.clock.settle();
  expect(b.context.signal.aborted).toBe(false);
  await work.clock.advance(1);
  expect(b.context.signal.aborted).toBe(true);
  expect(a.context.signal.aborted).toBe(false);
  await work.clock.advance("1s");
  expect(work.outside.labels).toEqual(["a", "b", "b"]);
  expect(await work.told()).toEqual([`a done {"label":"a"}`]);
});

test("a heartbeat does not let an attempt take longer than its timeout", async () => {
  const work = await WorkWorld.start({ timeout: "10s" });
  await work.ask(["a"]);
  await work.clock.advance(9_000);
  work.outside.last.context.heartbeat({ share: 0.9 });
  await work.clock.advance(1_000);
  expect(at(work.outside.runs, 0).context.signal.aborted).toBe(true);
});

// Would catch an answer that nobody waits for any more being told, or told twice.
test.each(["succeed", "fail"] as const)("an answer that comes too late is ignored: %s", async (answer) => {
  const work = await WorkWorld.start({ timeout: "10s", retry: { delayMs: 1_000, attemptsMax: 2 } });
  const [id = ""] = await work.ask(["a"]);
  await work.clock.advance("11s");
  const [late, again] = [at(work.outside.runs, 0), at(work.outside.runs, 1)];
  if (answer === "succeed") late.succeed({ label: "late" });
  else late.fail(new FinalError("late"));
  expect(await work.told()).toEqual([]);
  again.succeed();
  expect(await work.told()).toEqual([`a done {"label":"a"}`]);
  expect(await work.message(id)).toMatchObject({ status: "done", attempts: 2 });
});

test("a late heartbeat extends nothing and shows nowhere", async () => {
  const work = await WorkWorld.start({ timeout: "10s", retry: { delayMs: 1_000 } });
  const [id = ""] = await work.ask(["a"]);
  await work.clock.advance("11s");
  at(work.outside.runs, 0).context.heartbeat("late");
  const message = { id, actor: "activity:work/-" };
  expect(work.world.activities.running(message)).toEqual({ attempt: 2, progress: undefined });
});

test("without a timeout, an attempt that is silent for its lease is made again", async () => {
  const work = await WorkWorld.start({ retry: { delayMs: 1_000 } });
  await work.ask(["a"]);
  await work.clock.advance(29_999);
  expect(work.outside.last.context.signal.aborted).toBe(false);
  await work.clock.advance(1);
  expect(work.outside.last.context.signal.aborted).toBe(true);
  await work.clock.advance("1s");
  expect(work.outside.runs).toHaveLength(2);
  // It may simply need so long: it is given more time.
  await work.clock.advance(89_999);
  expect(work.outside.last.context.signal.aborted).toBe(false);
  await work.clock.advance(1);
  expect(work.outside.last.context.signal.aborted).toBe(true);
});

test("heartbeats extend the lease as often as they come, and show how far it is", async () => {
  const work = await WorkWorld.start();
  const [id = ""] = await work.ask(["a"]);
  const message = { id, actor: "activity:work/-" };
  expect(work.world.activities.running(message)).toEqual({ attempt: 1, progress: undefined });
  for (let percent = 0; percent < 100; percent++) {
    await work.clock.advance(29_000);
    work.outside.last.context.heartbeat({ percent });
    expect(work.world.activities.running(message)?.progress).toEqual({
      detail: { percent },
      at: work.clock.now(),
    });
  }
  work.outside.last.context.heartbeat();
  expect(work.world.activities.running(message)?.progress?.detail).toEqual({ percent: 99 });
  await work.clock.advance(29_999);
  expect(work.outside.last.context.signal.aborted).toBe(false);
  work.outside.last.succeed();
  expect(await work.told()).toEqual([`a done {"label":"a"}`]);
  expect(work.world.activities.running(message)).toBeUndefined();
});

test("progress that is no JSON is an error of whoever gives it", async () => {
  const work = await WorkWorld.start({}, { limits: { payloadBytesMax: 100 } });
  await work.ask(["a"]);
  const { heartbeat } = work.outside.last.context;
  expect(() => heartbeat(() => {})).toThrow(/not JSON/);
  expect(() => heartbeat("x".repeat(200))).toThrow(/at most 100/);
});

test.each<[string, unknown, RegExp]>([
  ["does not fit its schema", { label: 5 }, /expected string/],
  ["is too long", { label: "x".repeat(2_000) }, /at most 1000 can be stored/],
])("output that %s is a failure", async (_, output, error) => {
  const work = await WorkWorld.start({ retry: { attemptsMax: 1 } }, { limits: { payloadBytesMax: 1_000 } });
  await work.ask(["a"]);
  work.outside.last.succeed(output);
  expect((await work.told())[0]).toMatch(/^a dead-letter /);
  expect((await work.told())[0]).toMatch(error);
});

test("the first runs have half a minute; then leases are three times what 99 of 100 took", () => {
  const times = new RunTimes();
  expect(times.leaseMs).toBe(30_000);
  for (let run = 0; run < 19; run++) times.add(4_000);
  expect(times.leaseMs).toBe(30_000);
  times.add(4_000);
  expect(times.leaseMs).toBe(12_000);
  for (let run = 0; run < 980; run++) times.add(1_000);
  expect(times.p99Ms).toBe(4_000);
  for (let run = 0; run < 40; run++) times.add(1_000);
  expect(times.leaseMs).toBe(3_000);
});

test("leases are neither shorter than a second nor longer than half a day", () => {
  const times = new RunTimes();
  for (let run = 0; run < 100; run++) times.add(1);
  expect(times.leaseMs).toBe(1_000);
  for (let run = 0; run < 1_000; run++) times.add(86_400_000);
  expect(times.leaseMs).toBe(12 * 3_600_000);
});
