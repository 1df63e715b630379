import { describe, expect, test } from "vitest";
import { ledger, sender } from "../support/actors.ts";
import { at, codeOf, World } from "../support/world.ts";

const alice = ledger.ref("alice");
const start = (shards = 1, limits = {}) => World.start({ modules: [ledger, sender], shards, limits });

async function entries(world: World, key = "alice"): Promise<number[]> {
  const { state } = await world.runtime.state("ledger", key);
  return (state as { entries: number[] }).entries;
}

describe.each([1, 4])("with %i shards", (shards) => {
  test("a delayed message is delivered at its time, not a millisecond before", async () => {
    const world = await start(shards);
    await world.runtime.send(alice.add({ n: 1 }), { deliverAt: world.clock.now() + 5_000 });
    await world.clock.advance(4_999);
    expect(await entries(world)).toEqual([]);
    await world.clock.advance(1);
    expect(await entries(world)).toEqual([1]);
  });

  // Would catch a message that is held in memory only as far as the memory looks ahead.
  test("a message due long after the window in memory is delivered at its time", async () => {
    const world = await start(shards);
    for (const [n, hours] of [[3, 3], [1, 1], [2, 2]] as const) {
      await world.runtime.send(alice.add({ n }), { deliverAt: world.clock.now() + hours * 3_600_000 + n });
    }
    await world.clock.advance(2 * 3_600_000 + 2);
    expect(await entries(world)).toEqual([1, 2]);
    await world.clock.advance("24h");
    expect(await entries(world)).toEqual([1, 2, 3]);
  });

  test("delays outlive restarts and crashes; what came due meanwhile is delivered at once, in order", async () => {
    const world = await start(shards);
    for (const [n, seconds] of [[4, 7_200], [2, 50], [1, 10], [3, 90]] as const) {
      await world.runtime.send(alice.add({ n }), { deliverAt: world.clock.now() + seconds * 1_000 });
    }
    await world.restart();
    await world.clock.advance("5s");
    await world.crash();
    world.clock.set(world.clock.now() + 60_000); // stopped for a minute
    await world.restart();
    await world.settle();
    expect(await entries(world)).toEqual([1, 2]);
    await world.clock.advance("25s");
    expect(await entries(world)).toEqual([1, 2, 3]);
    await world.clock.advance("2h");
    expect(await entries(world)).toEqual([1, 2, 3, 4]);
  });
});

test("each of thousands is delivered once, at its own time", async () => {
  const world = await start();
  const began = world.clock.now();
  const count = 3_000;
  // Spread over five minutes in an order that is not that of their times.
  const delays = Array.from({ length: count }, (_, index) => 1 + (index * 7_919) % 300_000);
  await Promise.all(
    delays.map((delayMs) => world.runtime.send(alice.add({ n: delayMs }), { deliverAt: began + delayMs })),
  );
  await world.clock.advance("6m");
  expect(await entries(world)).toEqual([...delays].sort((a, b) => a - b));
  for (const { at: time, payload } of await world.events()) {
    expect(time - began).toBe((payload as { n: number }).n);
  }
});

test("messages for one moment are delivered in the order they came", async () => {
  const world = await start();
  const deliverAt = world.clock.now() + 90_000;
  for (let n = 0; n < 50; n++) await world.runtime.send(alice.add({ n }), { deliverAt });
  await world.clock.advance("2m");
  expect(await entries(world)).toEqual(Array.from({ length: 50 }, (_, n) => n));
});

test("a turn can delay what it sends", async () => {
  const world = await start();
  await world.runtime.ask(sender.ref("s").fanOut({ to: [{ key: "alice", n: 1 }], after: "2h" }));
  await world.clock.advance(7_199_999);
  expect(await entries(world)).toEqual([]);
  await world.restart();
  await world.clock.advance(1);
  expect(await entries(world)).toEqual([1]);
});

test("a time that has passed is now", async () => {
  const world = await start();
  await world.runtime.send(alice.add({ n: 1 }), { deliverAt: world.clock.now() - 1_000 });
  await world.settle();
  expect(await entries(world)).toEqual([1]);
});

// Would catch messages of a window that is skipped because the disk could not be read just then.
test("a window that could not be read is read again", async () => {
  const world = await start();
  await world.runtime.send(alice.add({ n: 1 }), { deliverAt: world.clock.now() + 80_000 });
  at(world.databases, 0).readFailures = 1;
  await world.clock.advance("50s");
  expect(world.logged.filter((line) => line.includes("Delayed messages cannot be read"))).toHaveLength(1);
  await world.clock.advance("30s");
  expect(await entries(world)).toEqual([1]);
});

// Would catch a clock that looks at the disk again and again while nothing is to come.
test("while nothing comes near, the disk is left alone", async () => {
  const world = await start();
  const now = world.clock.now();
  await world.runtime.send(alice.add({ n: 1 }), { deliverAt: now + 20 * 3_600_000 });
  const { execute } = at(world.databases, 0);
  let reads = 0;
  at(world.databases, 0).execute = (statement) => {
    reads++;
    return execute(statement);
  };
  await world.clock.advance("19h");
  expect(reads).toBe(0);
  // One that comes soon does not wait for a look at the disk, and hides nothing behind it.
  await world.runtime.send(alice.add({ n: 2 }), { deliverAt: now + 19 * 3_600_000 + 5_000 });
  await world.clock.advance("5s");
  expect([await entries(world), reads]).toEqual([[2], 0]);
  await world.clock.advance("1h");
  expect(await entries(world)).toEqual([2, 1]);
});

test("a delayed message whose commit is lost was not accepted, and one that is on disk is delivered", async () => {
  const world = await start();
  const deliverAt = world.clock.now() + 10_000;
  await world.runtime.send(alice.add({ n: 1 }), { deliverAt });
  at(world.engines, 0).plan("before");
  expect(await codeOf(world.runtime.send(alice.add({ n: 2 }), { deliverAt }))).toBe("store-unavailable");
  await world.clock.advance("10s");
  expect(await entries(world)).toEqual([1]);
});

// Would catch a read of the disk from before a reload that marks messages as held which nobody holds.
test("a window that is being read when the commit is lost is delivered once", async () => {
  const world = await start();
  await world.runtime.send(alice.add({ n: 1 }), { deliverAt: world.clock.now() + 80_000 });
  await world.runtime.ask(ledger.ref("bob").look());
  const release = at(world.databases, 0).hangReads();
  await world.clock.advance("30s"); // reads the window up to 90 s
  at(world.engines, 0).plan("before");
  const lost = codeOf(world.runtime.ask(ledger.ref("bob").add({ n: 1 })));
  await world.settle();
  release();
  expect(await lost).toBe("store-unavailable");
  await world.clock.advance("5m");
  expect(await entries(world)).toEqual([1]);
});
