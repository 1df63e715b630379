/** A process that stops in good order while activities run: what they lose by it, and what they do not. */
import { describe, expect, test } from "vitest";
import { FinalError, ProcessStoppingError, RetryLaterError } from "../../src/core/activity.ts";
import { at } from "../support/world.ts";
import { WorkWorld } from "./support.ts";

const notCounted = { attempt: 1, isCounted: false, error: expect.stringMatching(/^The process was stopped/) };

describe("an attempt that runs when its process stops", () => {
  test("is told why, and is made again by the next one, without counting", async () => {
    const work = await WorkWorld.start({ retry: { attemptsMax: 1 } });
    const [id = ""] = await work.ask(["a"]);
    const { signal } = work.outside.last.context;
    await work.world.runtime.drain();
    expect(signal.aborted).toBe(false);
    work.world.activities.interrupt();
    expect(signal.reason).toBeInstanceOf(ProcessStoppingError);
    await work.world.restart();
    await work.clock.settle();
    expect(work.outside.labels).toEqual(["a", "a"]);
    at(work.outside.runs, 0).succeed({ label: "ghost" });
    work.outside.last.succeed();
    expect(await work.told()).toEqual([`a done {"label":"a"}`]);
    expect(await work.message(id)).toMatchObject({ status: "done", attempts: 2, failures: [notCounted] });
  });

  // Would catch a long activity that frequent deploys turn into a dead letter.
  test.each(
    [
      ["at-least-once", undefined],
      ["at-least-once", () => Promise.resolve(undefined)],
      ["at-most-once", () => Promise.resolve(undefined)],
    ] as const,
  )("may be interrupted by any number of stops (%s, reconcile %s)", async (delivery, reconcile) => {
    const work = await WorkWorld.start({ delivery, reconcile, retry: { attemptsMax: 2, delayMs: 1_000 } });
    const [id = ""] = await work.ask(["a"]);
    for (let stops = 0; stops < 10; stops++) {
      await work.world.restart();
      await work.clock.settle();
    }
    expect(work.outside.runs).toHaveLength(11);
    expect(await work.message(id)).toMatchObject({ status: "retrying", attempts: 11 });
    // Those that count are as many as before, and so is the backoff.
    work.outside.last.fail();
    await work.clock.advance(999);
    expect(work.outside.runs).toHaveLength(11);
    await work.clock.advance(1);
    expect(work.outside.runs).toHaveLength(delivery === "at-most-once" ? 11 : 12);
    work.outside.last.fail();
    expect(await work.message(id)).toMatchObject({ status: "dead" });
  });

  test("what it gives once it was told to stop counts", async () => {
    const work = await WorkWorld.start();
    const [id = ""] = await work.ask(["a"]);
    await work.world.runtime.drain();
    work.world.activities.interrupt();
    const idle = work.world.activities.idle();
    work.outside.last.succeed();
    await idle;
    await work.world.restart();
    expect(work.outside.runs).toHaveLength(1);
    expect(await work.told()).toEqual([`a done {"label":"a"}`]);
    expect(await work.message(id)).toMatchObject({ attempts: 1, failures: [] });
  });

  test("what it throws once it was told to stop does not count, retryable or not", async () => {
    const work = await WorkWorld.start({ isRetryable: () => false });
    const [id = ""] = await work.ask(["a"]);
    await work.world.runtime.drain();
    work.world.activities.interrupt();
    work.outside.last.fail(work.outside.last.context.signal.reason);
    await work.world.activities.idle();
    await work.world.restart();
    await work.clock.settle();
    expect(work.outside.runs).toHaveLength(2);
    expect(await work.message(id)).toMatchObject({ status: "retrying", failures: [notCounted] });
  });

  test("what it throws before it was told to stop counts", async () => {
    const work = await WorkWorld.start({ retry: { attemptsMax: 1 } });
    await work.ask(["a"]);
    await work.world.runtime.drain();
    work.outside.last.fail();
    await work.clock.settle();
    work.world.activities.interrupt();
    await work.world.restart();
    expect(await work.told()).toEqual(["a dead-letter Error: failed, as planned"]);
  });

  test("a final error is an answer, whenever it comes", async () => {
    const work = await WorkWorld.start();
    await work.ask(["a"]);
    await work.world.runtime.drain();
    work.world.activities.interrupt();
    work.outside.last.fail(new FinalError("no"));
    await work.clock.settle();
    await work.world.restart();
    expect(await work.told()).toEqual(["a dead-letter FinalError: no"]);
  });

  test("so is one that names a time, which is kept to", async () => {
    const work = await WorkWorld.start();
    await work.ask(["a"]);
    await work.world.runtime.drain();
    work.world.activities.interrupt();
    work.outside.last.fail(new RetryLaterError("later", 60_000, { isCounted: true }));
    await work.clock.settle();
    await work.world.restart();
    await work.clock.advance(59_999);
    expect(work.outside.runs).toHaveLength(1);
    await work.clock.advance(1);
    expect(work.outside.runs).toHaveLength(2);
  });

  test("that may take place once at the most is not made again", async () => {
    const work = await WorkWorld.start({ delivery: "at-most-once" });
    await work.ask(["a"]);
    await work.world.restart();
    await work.clock.advance("1h");
    expect(work.outside.runs).toHaveLength(1);
    expect(await work.told()).toEqual([
      expect.stringMatching(/^a dead-letter InterruptedError: .* once at the most$/),
    ]);
  });

  test("is asked about first where there is reconcile, as often as it takes", async () => {
    const asked: string[] = [];
    const work = await WorkWorld.start({
      reconcile: (key) => {
        asked.push(key);
        if (asked.length === 1) return Promise.reject(new Error("cannot say"));
        return Promise.resolve({ label: "found" });
      },
    });
    const [id = ""] = await work.ask(["a"]);
    await work.world.restart();
    await work.clock.advance("1m");
    expect(work.outside.runs).toHaveLength(1);
    expect(asked).toEqual([id, id]);
    expect(await work.told()).toEqual([`a done {"label":"found"}`]);
  });

  // Would catch a change of modules between two processes that lets it take place twice.
  test("is not made again where it may not be any more when the next process starts", async () => {
    const work = await WorkWorld.start();
    await work.ask(["a"]);
    await work.world.restart(work.modules({ delivery: "at-most-once" }));
    await work.clock.advance("1h");
    expect(work.outside.runs).toHaveLength(1);
    expect(await work.told()).toEqual([expect.stringMatching(/^a dead-letter InterruptedError/)]);
  });

  test("counts where a crash comes before that is on disk", async () => {
    const work = await WorkWorld.start();
    const [id = ""] = await work.ask(["a"]);
    work.world.engineOf("boss/b").hang();
    work.world.activities.stop();
    await work.world.crash();
    await work.clock.settle();
    const { failures } = await work.message(id);
    expect(failures).toMatchObject([{ attempt: 1, error: expect.stringMatching(/^InterruptedError: /) }]);
    expect(failures[0]).not.toHaveProperty("isCounted");
  });

  test("leaves its key and the limits to others, in order", async () => {
    const work = await WorkWorld.start({ isOrdered: true });
    await work.ask(["a", "b"].map((label) => ({ label, key: "k" })));
    await work.world.restart();
    await work.clock.settle();
    expect(work.outside.labels).toEqual(["a", "a"]);
    work.outside.last.succeed();
    await work.clock.settle();
    expect(work.outside.labels).toEqual(["a", "a", "b"]);
  });
});

test("leaves no timers behind", async () => {
  const work = await WorkWorld.start({
    concurrency: 1,
    rateLimit: { limit: 2, per: "1d", perKey: { limit: 1, per: "1d" } },
  });
  await work.ask(["a", "b", "c", { label: "d", expiresAfter: "1h" }].map((job) => ({
    ...(typeof job === "string" ? { label: job } : job),
    key: "k",
  })));
  work.outside.last.fail();
  await work.clock.settle();
  work.world.activities.stop();
  await work.world.runtime.stop();
  expect(work.clock.pending).toBe(0);
});

test("once draining has begun nothing begins, and what runs may end", async () => {
  const work = await WorkWorld.start({ concurrency: 1 });
  await work.ask(["a", "b"]);
  await work.world.runtime.drain();
  const idle = work.world.activities.idle();
  work.outside.last.succeed();
  await idle;
  await work.clock.settle();
  expect(work.outside.labels).toEqual(["a"]);
  expect(await work.told()).toEqual([`a done {"label":"a"}`]);
  await work.world.restart();
  await work.clock.settle();
  expect(work.outside.labels).toEqual(["a", "b"]);
});

// Would catch a stop between the attempt's commit and its run, which at-most-once could never make good.
test("what was about to begin is not in doubt", async () => {
  const work = await WorkWorld.start({ delivery: "at-most-once" });
  const release = work.world.engineOf("boss/b").hang();
  const asked = work.ask(["a"]);
  await work.clock.settle();
  work.world.activities.stop();
  release();
  const [id = ""] = await asked;
  expect(work.outside.runs).toEqual([]);
  expect(await work.message(id)).toMatchObject({ status: "queued", attempts: 0 });
});
