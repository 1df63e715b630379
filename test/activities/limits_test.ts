/** Concurrency, rates, fairness and order of activities, on both sides of each limit. */
import { expect, test } from "vitest";
import { FinalError } from "../../src/core/activity.ts";
import { at } from "../support/world.ts";
import { type Run, WorkWorld } from "./support.ts";

const labels = (count: number, prefix = "w") => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const ofKey = (key: string, count: number) => labels(count, key).map((label) => ({ label, key }));

test("no more run at a time than the concurrency allows, and the next begins when one ends", async () => {
  const work = await WorkWorld.start({ concurrency: 3 });
  await work.ask(labels(5));
  expect(work.outside.labels).toEqual(["w0", "w1", "w2"]);
  expect(work.status()).toMatchObject({ running: 3, queued: 2 });
  at(work.outside.runs, 1).succeed();
  await work.clock.settle();
  expect(work.outside.labels).toEqual(["w0", "w1", "w2", "w3"]);
  at(work.outside.runs, 0).fail(new FinalError("no"));
  await work.clock.settle();
  expect(work.outside.labels).toEqual(["w0", "w1", "w2", "w3", "w4"]);
});

test("no more of a key run at a time than the concurrency of a key allows", async () => {
  const work = await WorkWorld.start({ concurrency: { limit: 5, perKey: 2 } });
  await work.ask([...ofKey("a", 4), ...ofKey("b", 1)]);
  expect(work.outside.labels.toSorted()).toEqual(["a0", "a1", "b0"]);
  at(work.outside.runs, 0).succeed();
  await work.clock.settle();
  expect(work.outside.labels.toSorted()).toEqual(["a0", "a1", "a2", "b0"]);
});

test("what waits for its next attempt leaves its place to others", async () => {
  const work = await WorkWorld.start({ concurrency: 1, retry: { delayMs: 1_000 } });
  await work.ask(["a", "b"]);
  work.outside.last.fail();
  await work.clock.settle();
  expect(work.outside.labels).toEqual(["a", "b"]);
  await work.clock.advance("5s");
  expect(work.outside.runs).toHaveLength(2);
  work.outside.last.succeed();
  await work.clock.settle();
  expect(work.outside.labels).toEqual(["a", "b", "a"]);
});

test("a flood of one tenant's work does not starve another's", async () => {
  const work = await WorkWorld.start({ concurrency: 2 });
  work.outside.behave = (run) => void work.clock.after(100, () => run.succeed());
  await work.ask(ofKey("flood", 500));
  await work.ask(ofKey("small", 5), "other");
  await work.clock.advance(1_000);
  const places = work.outside.labels.flatMap((label, place) => (label.startsWith("small") ? [place] : []));
  expect(places).toHaveLength(5);
  expect(at(places, 4)).toBeLessThan(14);
});

// In any stretch of time as long as the limit's, wherever it begins.
test("no more begin in a time than the rate allows, and no fewer", async () => {
  const work = await WorkWorld.start({ rateLimit: { limit: 10, per: "1s" } });
  work.outside.behave = (run) => run.succeed();
  await work.ask(labels(7));
  await work.clock.advance(400);
  await work.ask(labels(28, "x"));
  await work.clock.advance(10_000);
  expect(work.outside.runs).toHaveLength(35);
  const times = work.outside.runs.map((run) => run.at - at(work.outside.runs, 0).at);
  for (const from of times) {
    expect(times.filter((time) => time >= from && time < from + 1_000).length).toBeLessThanOrEqual(10);
  }
  expect(times.at(-1)).toBe(3_000);
});

test("the rate of a key holds for that key only", async () => {
  const work = await WorkWorld.start({ rateLimit: { perKey: { limit: 2, per: "1m" } } });
  work.outside.behave = (run) => run.succeed();
  await work.ask([...ofKey("a", 3), ...ofKey("b", 2)]);
  expect(work.outside.labels.toSorted()).toEqual(["a0", "a1", "b0", "b1"]);
  await work.clock.advance(59_999);
  expect(work.outside.runs).toHaveLength(4);
  await work.clock.advance(1);
  expect(work.outside.labels.at(-1)).toBe("a2");
});

test("both rates hold together", async () => {
  const work = await WorkWorld.start({ rateLimit: { limit: 3, per: "1s", perKey: { limit: 2, per: "1s" } } });
  work.outside.behave = (run) => run.succeed();
  await work.ask([...ofKey("a", 3), ...ofKey("b", 2)]);
  expect(work.outside.runs).toHaveLength(3);
  await work.clock.advance("1s");
  expect(work.outside.runs).toHaveLength(5);
});

test("with isOrdered, work of one key is done one after the other, in the order asked for", async () => {
  const work = await WorkWorld.start({ isOrdered: true });
  await work.ask([...ofKey("a", 3), ...ofKey("b", 2)]);
  expect(work.outside.labels).toEqual(["a0", "b0"]);
  at(work.outside.runs, 0).succeed();
  await work.clock.settle();
  expect(work.outside.labels).toEqual(["a0", "b0", "a1"]);
});

test("with isOrdered, what fails holds back its key until it is done, and no other key", async () => {
  const work = await WorkWorld.start({ isOrdered: true, retry: { delayMs: 1_000 } });
  await work.ask([...ofKey("a", 2), ...ofKey("b", 2)]);
  const [a0, b0] = work.outside.runs as [Run, Run];
  a0.fail();
  b0.succeed();
  await work.clock.advance(999);
  expect(work.outside.labels).toEqual(["a0", "b0", "b1"]);
  await work.clock.advance(1);
  expect(work.outside.labels).toEqual(["a0", "b0", "b1", "a0"]);
  work.outside.last.succeed();
  await work.clock.settle();
  expect(work.outside.labels.at(-1)).toBe("a1");
});

test("with isOrdered, a dead letter sets its key free", async () => {
  const work = await WorkWorld.start({ isOrdered: true });
  await work.ask(ofKey("a", 2));
  work.outside.last.fail(new FinalError("no"));
  await work.clock.settle();
  expect(work.outside.labels).toEqual(["a0", "a1"]);
});

// Would catch a restart that lets those behind a failing one pass.
test("with isOrdered, a restart during the backoff keeps the order", async () => {
  const work = await WorkWorld.start({ isOrdered: true, retry: { delayMs: 10_000 } });
  await work.ask(ofKey("a", 3));
  work.outside.last.fail();
  await work.clock.settle();
  await work.world.restart();
  work.outside.behave = (run) => run.succeed();
  await work.clock.advance(9_999);
  expect(work.outside.labels).toEqual(["a0"]);
  await work.clock.advance(1);
  expect(work.outside.labels).toEqual(["a0", "a0", "a1", "a2"]);
});

test("expired work is told of at its time and does not run, whatever it waits for", async () => {
  const work = await WorkWorld.start({ concurrency: 1, timeout: "1h" });
  const [, late = ""] = await work.ask(["a", { label: "late", expiresAfter: "1m" }, "c"]);
  await work.clock.advance(59_999);
  expect(await work.message(late)).toMatchObject({ status: "queued" });
  await work.clock.advance(1);
  expect(await work.message(late)).toMatchObject({ status: "rejected", outcome: { rejection: "expired" } });
  expect(await work.told()).toEqual([expect.stringMatching(/^late expired /)]);
  work.outside.last.succeed();
  await work.clock.settle();
  expect(work.outside.labels).toEqual(["a", "c"]);
});

test("what has begun before it expired may end, but is not tried again", async () => {
  const work = await WorkWorld.start({ retry: { delayMs: 2_000 } });
  const [good = "", bad = ""] = await work.ask([
    { label: "good", expiresAfter: "1s" },
    { label: "bad", expiresAfter: "1s" },
  ]);
  await work.clock.advance(999);
  at(work.outside.runs, 1).fail();
  await work.clock.advance(1_000);
  at(work.outside.runs, 0).succeed();
  await work.clock.advance("1m");
  expect(work.outside.labels).toEqual(["good", "bad"]);
  expect(await work.message(good)).toMatchObject({ status: "done" });
  expect(await work.message(bad)).toMatchObject({ status: "rejected", outcome: { rejection: "expired" } });
});

test("with isOrdered, one that expires while it holds its key back sets it free", async () => {
  const work = await WorkWorld.start({ isOrdered: true, retry: { delayMs: 30_000 } });
  await work.ask([{ label: "a", key: "k", expiresAfter: "10s" }, { label: "b", key: "k" }]);
  work.outside.last.fail();
  await work.clock.advance("10s");
  expect(work.outside.labels).toEqual(["a", "b"]);
});
