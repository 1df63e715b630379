import { expect, test } from "vitest";
import { FinalError, RetryLaterError } from "../../src/core/activity.ts";
import { at } from "../support/world.ts";
import { WorkWorld } from "./support.ts";

test("an activity is performed, and who asked is told what it gave", async () => {
  const { ask, outside, told, message } = await begin();
  const [id = ""] = await ask(["a"]);
  expect(outside.labels).toEqual(["a"]);
  expect(outside.last.context).toMatchObject({ idempotencyKey: id, attempt: 1 });
  expect(await told()).toEqual([]);
  outside.last.succeed();
  expect(await told()).toEqual([`a done {"label":"a"}`]);
  expect(await message(id)).toMatchObject({
    actor: "activity:work/-",
    command: "run",
    status: "done",
    attempts: 1,
    outcome: { status: "done", reply: { label: "a" } },
  });
});

// Would catch effects of turns that never were: the attempt must be on disk before it runs.
test("nothing runs before the turn that asks for it is on disk, and its attempt", async () => {
  const { world, outside, ask } = await begin();
  const release = world.engineOf("boss/b").hang();
  const asked = ask(["a"]);
  await world.settle();
  expect(outside.runs).toEqual([]);
  release();
  const [id = ""] = await asked;
  expect(outside.labels).toEqual(["a"]);
  expect(await world.message(id)).toMatchObject({ status: "retrying", attempts: 1 });
});

test("a failed attempt is made again after its backoff, with the same idempotency key", async () => {
  const { clock, outside, ask, told, message } = await begin({ retry: { attemptsMax: 3, delayMs: 1_000 } });
  const [id = ""] = await ask(["a"]);
  outside.last.fail();
  await clock.advance(999);
  expect(outside.runs).toHaveLength(1);
  await clock.advance(1);
  expect(outside.runs).toHaveLength(2);
  expect(outside.last.context).toMatchObject({ idempotencyKey: id, attempt: 2 });
  outside.last.fail();
  await clock.advance(1_999);
  expect(outside.runs).toHaveLength(2);
  await clock.advance(1);
  outside.last.succeed();
  expect(await told()).toEqual([`a done {"label":"a"}`]);
  expect((await message(id)).failures.map(({ attempt }) => attempt)).toEqual([1, 2]);
});

test("the last attempt that fails makes a dead letter, and who asked is told", async () => {
  const { clock, world, outside, ask, told, message } = await begin({ retry: { attemptsMax: 2 } });
  const [id = ""] = await ask(["a"]);
  outside.behave = (run) => run.fail();
  outside.last.fail();
  await clock.advance("1h");
  expect(outside.runs).toHaveLength(2);
  expect(await told()).toEqual(["a dead-letter Error: failed, as planned"]);
  expect(await message(id)).toMatchObject({ status: "dead", attempts: 2 });
  expect((await world.runtime.deadLetters.list({}, { limit: 10 })).deadLetters).toMatchObject([{ id }]);
});

test("a final error makes a dead letter at once", async () => {
  const { outside, ask, told, message } = await begin();
  const [id = ""] = await ask(["a"]);
  outside.last.fail(new FinalError("declined"));
  expect(await told()).toEqual(["a dead-letter FinalError: declined"]);
  expect(await message(id)).toMatchObject({ status: "dead", attempts: 1 });
});

test("isRetryable decides which errors are final", async () => {
  const { clock, outside, ask, told } = await begin({
    isRetryable: (error) => error instanceof RangeError,
    retry: { delayMs: 1_000 },
  });
  await ask(["a", "b"]);
  at(outside.runs, 0).fail(new RangeError("again"));
  at(outside.runs, 1).fail(new TypeError("never"));
  await clock.advance("1s");
  expect(outside.labels).toEqual(["a", "b", "a"]);
  expect(await told()).toEqual(["b dead-letter TypeError: never"]);
});

test("an isRetryable that throws counts as yes, and is logged", async () => {
  const { clock, world, outside, ask } = await begin({
    isRetryable: () => {
      throw new Error("no idea");
    },
  });
  await ask(["a"]);
  outside.last.fail();
  await clock.advance("1s");
  expect(outside.runs).toHaveLength(2);
  expect(world.logged.filter((line) => line.startsWith("error isRetryable failed"))).toHaveLength(1);
});

// Would catch a time that no commit can store, and so an end that is recorded, lost, and recorded again for ever;
// and a NaN, with which the activity is tried again at once, as fast as it can.
test.each([
  [1_500.5, true, 1_501],
  [1_500.5, false, 1_501],
  [NaN, true, 1_000],
  [NaN, false, 1_000],
  [-1, true, 1_000],
])(
  "a failure that asks for %d ms (counted: %s) is tried again after %d ms",
  async (asked, isCounted, delayMs) => {
    const { ask, outside, clock, world } = await begin();
    await ask(["a"]);
    outside.last.fail(new RetryLaterError("later", asked, { isCounted }));
    await clock.advance(delayMs - 1);
    expect(outside.runs).toHaveLength(1);
    await clock.advance(1);
    expect(outside.runs).toHaveLength(2);
    expect(world.logged.filter((line) => line.includes("lost commit"))).toEqual([]);
  },
);

test("a failure that asks for more time than there is waits, and nothing else does", async () => {
  const { ask, outside, clock, world } = await begin();
  await ask(["a"]);
  outside.last.fail(new RetryLaterError("later", Infinity, { isCounted: true }));
  await clock.advance("1d");
  await ask(["b"]);
  expect(outside.labels).toEqual(["a", "b"]);
  expect(world.logged.filter((line) => line.includes("lost commit"))).toEqual([]);
});

test("a redriven dead letter is performed again, and told of again", async () => {
  const { world, outside, ask, told, message } = await begin();
  const [id = ""] = await ask(["a"]);
  outside.last.fail(new FinalError("declined"));
  await world.settle();
  await world.runtime.deadLetters.redrive(id, { input: { label: "edited" } });
  await world.settle();
  expect(outside.labels).toEqual(["a", "edited"]);
  outside.last.succeed();
  expect(await told()).toEqual(["a dead-letter FinalError: declined", `a done {"label":"edited"}`]);
  expect(await message(id)).toMatchObject({ status: "done", attempts: 1 });
});

test("a delayed activity waits for its time", async () => {
  const { clock, outside, ask } = await begin();
  await ask([{ label: "a", after: "10m" }]);
  await clock.advance(599_999);
  expect(outside.runs).toEqual([]);
  await clock.advance(1);
  expect(outside.labels).toEqual(["a"]);
});

test("work of several shards meets in one worker", async () => {
  const { outside, ask, clock } = await begin({ concurrency: 2 }, 4);
  for (let boss = 0; boss < 8; boss++) await ask([`w${boss}`], `b${boss}`);
  await clock.settle();
  expect(outside.runs).toHaveLength(2);
  outside.behave = (run) => run.succeed();
  for (const run of [...outside.runs]) run.succeed();
  await clock.settle();
  expect(outside.labels.sort()).toEqual(Array.from({ length: 8 }, (_, boss) => `w${boss}`));
});

test("an activity that is no module any more makes a dead letter", async () => {
  const { world, ask, message } = await begin();
  const [id = ""] = await ask(["a"]);
  await world.crash([]);
  expect(await message(id)).toMatchObject({ status: "dead" });
  expect((await message(id)).failures.at(-1)?.error).toContain("There is no activity:work");
});

async function begin(options: Parameters<typeof WorkWorld.start>[0] = {}, shards = 1) {
  const work = await WorkWorld.start(options, { shards });
  return {
    world: work.world,
    clock: work.clock,
    outside: work.outside,
    ask: (...args: Parameters<typeof work.ask>) => work.ask(...args),
    told: () => work.told(),
    message: (id: string) => work.message(id),
  };
}
