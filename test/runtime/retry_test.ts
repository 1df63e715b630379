import { describe, expect, test } from "vitest";
import { ledger, unreliable } from "../support/actors.ts";
import { at, codeOf, World } from "../support/world.ts";

async function start(options: { shards?: number; attemptsMax?: number; jitter?: number } = {}) {
  const { shards = 1, ...policy } = options;
  const made = unreliable(policy);
  const { worker } = made;
  const world = await World.start({ modules: [worker, ledger], shards });
  const work = (key: string, label: string) =>
    world.runtime.send(worker.ref(key).work({ label }), { messageId: label });
  return { ...made, world, work };
}

describe.each([1, 4])("with %i shards", (shards) => {
  // Would catch a poison message that blocks its actor for ever, or lets those behind it pass.
  test("a poison message is tried five times with doubling waits, then gives way to the next", async () => {
    const { world, work, failures, attempts } = await start({ shards });
    failures.set("poison", Infinity);
    await work("w", "poison");
    await work("w", "next");
    const times: number[] = [];
    const began = world.clock.now();
    for (let second = 0; second <= 16; second++) {
      while (times.length < attempts.filter((label) => label === "poison").length) {
        times.push(world.clock.now() - began);
      }
      await world.clock.advance("1s");
    }
    expect(times).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
    expect(attempts).toEqual([...Array(5).fill("poison"), "next"]);
    const dead = await world.message("poison");
    expect(dead).toMatchObject({ status: "dead", attempts: 5, nextAttemptAt: null, handledAt: null });
    expect(dead?.failures.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5]);
    expect(dead?.failures[0]?.error).toBe("Error: poison failed, as planned");
    expect((await world.runtime.state("worker", "w")).state).toEqual({ done: ["next"] });
  });

  test("a poison message holds back only its own actor", async () => {
    const { world, work, failures } = await start({ shards });
    failures.set("poison", Infinity);
    await work("w", "poison");
    for (let index = 0; index < 8; index++) await work(`other${index}`, `fine${index}`);
    await world.settle();
    for (let index = 0; index < 8; index++) {
      expect((await world.message(`fine${index}`))?.status).toBe("done");
    }
  });
});

test("a message that succeeds at its third attempt is done, with its failures kept, and order is kept", async () => {
  const { world, work, failures } = await start();
  failures.set("a", 2);
  for (const label of ["a", "b", "c"]) await work("w", label);
  expect(await world.message("a")).toMatchObject({
    status: "retrying",
    attempts: 1,
    nextAttemptAt: world.clock.now() + 1_000,
  });
  await world.clock.advance("3s");
  expect((await world.runtime.state("worker", "w")).state).toEqual({ done: ["a", "b", "c"] });
  const record = await world.message("a");
  expect(record).toMatchObject({ status: "done", attempts: 2, nextAttemptAt: null });
  expect(record?.failures).toHaveLength(2);
});

test("a failed attempt leaves nothing behind: no event, no position", async () => {
  const { world, work, failures } = await start();
  failures.set("a", 1);
  await work("w", "a");
  expect(await world.events()).toEqual([]);
  await world.clock.advance("1s");
  expect((await world.events()).map(({ position, version }) => [position, version])).toEqual([[1, 1]]);
});

test("an ask behind a message that is held waits for it", async () => {
  const { world, work, worker, failures } = await start();
  failures.set("a", 1);
  await work("w", "a");
  const ask = world.runtime.ask(worker.ref("w").work({ label: "b" }));
  await world.clock.advance("1s");
  expect(await ask).toMatchObject({ reply: { done: ["a", "b"] } });
});

// Would catch a store that restarts often using up all attempts at once.
test("a message that waits for its next attempt goes on waiting after a restart, and keeps its count", async () => {
  const { world, work, failures, attempts } = await start();
  failures.set("a", 3);
  await work("w", "a");
  await work("w", "b");
  await world.clock.advance("1s"); // two attempts
  await world.restart();
  await world.crash();
  await world.clock.advance(1_999);
  expect(attempts).toEqual(["a", "a"]);
  await world.clock.advance("5s");
  expect(attempts).toEqual(["a", "a", "a", "a", "b"]);
});

test("jitter spreads waits by a fifth in both directions", async () => {
  const { world, work, failures } = await start({ jitter: 0.2 });
  const waits = new Set<number>();
  for (let index = 0; index < 50; index++) {
    failures.set(`m${index}`, 1);
    await work(`w${index}`, `m${index}`);
    waits.add(((await world.message(`m${index}`))?.nextAttemptAt ?? 0) - world.clock.now());
  }
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(800);
  expect(Math.max(...waits)).toBeLessThanOrEqual(1_200);
  expect(waits.size).toBeGreaterThan(30);
});

describe("a dead letter", () => {
  async function withDeadLetter() {
    const made = await start({ attemptsMax: 1 });
    made.failures.set("a", 1);
    await made.work("w", "a");
    await made.world.settle();
    const record = await made.world.message("a");
    if (record?.status !== "dead") throw new Error("There is no dead letter");
    return { ...made, record, shard: made.world.runtime.shardOf("worker/w") };
  }

  test("is handled when it is redriven, behind what came meanwhile, and answers who repeats it", async () => {
    const { world, worker, record, shard } = await withDeadLetter();
    await shard.redrive(record, undefined);
    await world.settle();
    const after = await world.message("a");
    expect(after).toMatchObject({ status: "done", attempts: 0, originalInput: undefined });
    expect(after?.failures.map(({ error }) => error)).toEqual(["Error: a failed, as planned", "redriven"]);
    const again = await world.runtime.ask(worker.ref("w").work({ label: "a" }), { messageId: "a" });
    expect(again).toMatchObject({ reply: { done: ["a"] } });
  });

  test("redriven with an edited input keeps the one it came with, by which repeats are known", async () => {
    const { world, worker, record, shard } = await withDeadLetter();
    await shard.redrive(record, { label: "mended" });
    await world.settle();
    expect(await world.message("a")).toMatchObject({
      status: "done",
      input: { label: "mended" },
      originalInput: { label: "a" },
    });
    const repeat = (label: string) =>
      codeOf(world.runtime.ask(worker.ref("w").work({ label }), { messageId: "a" }));
    expect(await repeat("a")).toMatchObject({ resolved: { reply: { done: ["mended"] } } });
    expect(await repeat("mended")).toBe("message-mismatch");
  });

  test("that fails again is a dead letter again, with its whole history", async () => {
    const { world, failures, record, shard } = await withDeadLetter();
    failures.set("a", 1);
    await shard.redrive(record, undefined);
    await world.settle();
    const after = await world.message("a");
    expect(after?.status).toBe("dead");
    expect(after?.failures).toHaveLength(3);
  });

  test("that is discarded is off the list, and stays so", async () => {
    const { world, record, shard, attempts } = await withDeadLetter();
    await shard.discard(record);
    expect(await world.message("a")).toMatchObject({ status: "dead", handledAt: world.clock.now() });
    await world.restart();
    await world.clock.advance("1h");
    expect(attempts).toEqual(["a"]);
  });

  // Would catch two operators, or one and his script, whose redrives apply a message twice.
  test("is not handled twice when it is redriven from two copies of its record", async () => {
    const { world, record, shard } = await withDeadLetter();
    await shard.redrive(record, undefined);
    await world.settle();
    expect(typeof await codeOf(shard.redrive(record, undefined))).toBe("string");
    expect(typeof await codeOf(shard.discard(record))).toBe("string");
    await world.settle();
    expect(await world.events()).toHaveLength(1);
  });

  test("redriven twice at once is redriven once", async () => {
    const { world, record, shard } = await withDeadLetter();
    const codes = await Promise.all(
      [shard.redrive(record, undefined), shard.redrive(record, undefined)].map(codeOf),
    );
    expect(codes).toContain("message-in-progress");
    await world.settle();
    expect(await world.events()).toHaveLength(1);
  });

  test("is still one when the commit that redrives it is lost", async () => {
    const { world, record, shard } = await withDeadLetter();
    at(world.engines, 0).plan("before");
    expect(await codeOf(shard.redrive(record, undefined))).toBe("store-unavailable");
    await world.settle();
    expect(await world.message("a")).toMatchObject({ status: "dead", attempts: 1 });
    await world.runtime.shardOf("worker/w").redrive(record, undefined);
    await world.settle();
    expect((await world.message("a"))?.status).toBe("done");
  });
});
