/** A circuit breaker: while a service is down, work waits for it, and uses up none of its attempts. */
import { expect, test } from "vitest";
import { FinalError } from "../../src/core/activity.ts";
import { Circuit } from "../../src/processors/circuit.ts";
import { at } from "../support/world.ts";
import { type Options, type Run, WorkWorld } from "./support.ts";

const breaker: Options = {
  circuitBreaker: { failuresMax: 3, halfOpenAfter: "30s" },
  concurrency: 1,
  retry: { delayMs: 1_000, delayMsMax: 1_000 },
};

const labels = (count: number) => Array.from({ length: count }, (_, n) => `w${n}`);

test("so many failures in a row open it, and not one fewer", async () => {
  const work = await WorkWorld.start(breaker);
  await work.ask(labels(10));
  for (const answer of ["fail", "fail", "succeed", "fail", "fail"] as const) {
    work.outside.last[answer]();
    await work.clock.settle();
  }
  expect(work.outside.runs).toHaveLength(6);
  expect(work.status().circuit).toEqual({ state: "closed" });
  work.outside.last.fail();
  await work.clock.settle();
  expect(work.outside.runs).toHaveLength(6);
  expect(work.status().circuit).toEqual({
    state: "open",
    probeAt: work.clock.now() + 30_000,
    error: "Error: failed, as planned",
  });
});

test("an open one lets nothing through until its time, and then one; that decides", async () => {
  const work = await WorkWorld.start({ ...breaker, concurrency: 3 });
  await work.ask(labels(8));
  const ran = () => work.outside.runs.length;
  for (const run of [...work.outside.runs]) run.fail();
  await work.clock.settle();
  // What began in the places of the first two, before the third had failed.
  for (const run of work.outside.runs.slice(3)) run.fail();
  const before = ran();
  await work.clock.advance(29_999);
  expect(ran()).toBe(before);
  await work.clock.advance(1);
  expect(ran()).toBe(before + 1);
  expect(work.status().circuit?.state).toBe("half-open");
  await work.clock.advance("20s");
  expect(ran()).toBe(before + 1);
  work.outside.last.fail();
  await work.clock.advance(29_999);
  expect(ran()).toBe(before + 1);
  await work.clock.advance(1);
  expect(ran()).toBe(before + 2);
  work.outside.last.succeed();
  await work.clock.settle();
  expect(work.status().circuit).toEqual({ state: "closed" });
  expect(ran()).toBe(before + 2 + 3);
});

// Would catch an outage that turns what waits for it into dead letters.
test("an outage of any length uses up no attempts of what waits, be it a lot or one", async () => {
  for (const count of [1, 200]) {
    const work = await WorkWorld.start({
      ...breaker,
      concurrency: 3,
      retry: { ...breaker.retry, attemptsMax: 4 },
    });
    work.outside.behave = (run) => run.fail();
    await work.ask(labels(count));
    await work.clock.advance("1h");
    work.outside.behave = (run) => run.succeed();
    await work.clock.advance("1m");
    const told = await work.told();
    expect(told.filter((text) => text.includes(" done "))).toHaveLength(count);
    expect(work.status()).toMatchObject({ queued: 0, running: 0, circuit: { state: "closed" } });
  }
});

test("a final error is an answer: it neither opens the circuit nor keeps it open", async () => {
  const work = await WorkWorld.start(breaker);
  work.outside.behave = (run) => run.fail(new FinalError("declined"));
  await work.ask(labels(10));
  expect(work.outside.runs).toHaveLength(10);
  expect(work.status().circuit).toEqual({ state: "closed" });
  work.outside.behave = (run) => run.fail();
  await work.ask(labels(4));
  work.outside.behave = (run) => run.fail(new FinalError("declined"));
  await work.clock.advance("30s");
  expect(work.status().circuit).toEqual({ state: "closed" });
});

test("who is let through to see may be given up too", async () => {
  const work = await WorkWorld.start({ ...breaker, timeout: "10s" });
  await work.ask(labels(4));
  for (let run = 0; run < 3; run++) {
    work.outside.last.fail();
    await work.clock.settle();
  }
  await work.clock.advance("30s");
  expect(work.outside.runs).toHaveLength(4);
  await work.clock.advance("10s");
  expect(work.status().circuit?.state).toBe("open");
  await work.clock.advance("30s");
  expect(work.outside.runs).toHaveLength(5);
});

test("at most once holds for who is let through to see", async () => {
  const work = await WorkWorld.start({ ...breaker, delivery: "at-most-once" });
  work.outside.behave = (run) => run.fail();
  const ids = await work.ask(labels(4));
  await work.clock.advance("30s");
  expect(work.outside.labels).toEqual(["w0", "w1", "w2", "w3"]);
  expect(await work.message(at(ids, 3))).toMatchObject({ status: "dead", attempts: 1 });
});

test("with isOrdered, the probe that fails keeps its place", async () => {
  const work = await WorkWorld.start({ ...breaker, isOrdered: true });
  await work.ask(labels(3).map((label) => ({ label, key: "k" })));
  for (let run = 0; run < 3; run++) {
    work.outside.last.fail();
    await work.clock.advance("1s");
  }
  await work.clock.advance("30s");
  work.outside.last.fail();
  work.outside.behave = (run: Run) => run.succeed();
  await work.clock.advance("1m");
  expect(work.outside.labels).toEqual(["w0", "w0", "w0", "w0", "w0", "w1", "w2"]);
});

test("what was begun before it opened says nothing of how things are now", () => {
  const circuit = new Circuit({ failuresMax: 1, halfOpenAfterMs: 1_000 });
  const early = circuit.begin();
  circuit.ended(circuit.begin(), "failed", 0, new Error("down"));
  expect(circuit.waitMs(0)).toBe(1_000);
  circuit.ended(early, "answered", 500);
  expect(circuit.waitMs(500)).toBe(500);
  circuit.ended(early, "failed", 900);
  expect(circuit.waitMs(900)).toBe(100);
});
