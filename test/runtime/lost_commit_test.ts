import { describe, expect, test } from "vitest";
import { ledger, unreliable } from "../support/actors.ts";
import { at, codeOf, watch, World } from "../support/world.ts";

const alice = ledger.ref("alice");
const bob = ledger.ref("bob");

describe.each([1, 4])("with %i shards", (shards) => {
  const start = () => World.start({ modules: [ledger], shards });

  // Would catch memory that is ahead of the disk after a failed write.
  test("when a commit is lost its callers are told, and memory goes back to what is on disk", async () => {
    const world = await start();
    await world.runtime.ask(alice.add({ n: 1 }));
    world.engineOf("ledger/alice").plan("before");
    const lost = [
      codeOf(world.runtime.ask(alice.add({ n: 2 }))),
      codeOf(world.runtime.ask(alice.add({ n: 3 }), { messageId: "named" })),
      codeOf(world.runtime.send(alice.add({ n: 4 }))),
    ];
    expect(await Promise.all(lost)).toEqual(Array(3).fill("store-unavailable"));
    await world.settle();
    expect(await world.runtime.state("ledger", "alice")).toEqual({
      state: { sum: 1, entries: [1] },
      version: 1,
    });
    expect(await world.runtime.ask(alice.add({ n: 3 }), { messageId: "named" })).toMatchObject({
      version: 2,
      position: 2,
    });
  });

  // Would catch a reply built on a commit that is not there.
  test("the commit that was built on a lost one is lost with it", async () => {
    const world = await start();
    const engine = world.engineOf("ledger/alice");
    engine.plan("before");
    const release = engine.hang();
    const first = watch(world.runtime.ask(alice.add({ n: 1 })));
    await world.settle();
    const second = watch(world.runtime.ask(alice.add({ n: 2 })));
    const read = watch(world.runtime.state("ledger", "alice"));
    await world.settle();
    release();
    await world.settle();
    for (const each of [first, second, read]) expect(each.error).toMatchObject({ code: "store-unavailable" });
    expect(engine.written).toEqual([]);
    expect(await world.runtime.ask(alice.look())).toMatchObject({ reply: { sum: 0, version: 0 } });
  });

  // Would catch a shard that does nothing but load itself again, as fast as it can, until somebody ends it.
  test("what the store refuses again and again is tried ever more seldom, and goes on once it is taken", async () => {
    const world = await start();
    const engine = world.engineOf("ledger/alice");
    await world.runtime.send(alice.add({ n: 1 }), { deliverAt: world.clock.now() + 1_000 });
    engine.plan(...Array.from({ length: 1_000 }, () => "before" as const));
    const before = engine.attempts;
    await world.clock.advance("1s");
    await world.settle();
    expect(engine.attempts - before).toBe(4);
    await world.clock.advance("1m");
    // After 0.1, 0.2, … 3.2 s, and then each 5 s.
    expect(engine.attempts - before).toBe(4 + 6 + 10);
    expect(await codeOf(world.runtime.ask(alice.look()))).toBe("store-unavailable");
    engine.calm();
    await world.clock.advance("5s");
    expect(await world.runtime.state("ledger", "alice")).toMatchObject({ state: { sum: 1 }, version: 1 });
    engine.plan("before");
    expect(await codeOf(world.runtime.ask(alice.add({ n: 2 })))).toBe("store-unavailable");
    await world.settle();
    expect(await world.runtime.ask(alice.add({ n: 3 }))).toMatchObject({ version: 2 });
  });

  test("messages on disk are handled after all, in order, once", async () => {
    const world = await start();
    const engine = world.engineOf("ledger/alice");
    const release = engine.hang();
    const sent = [1, 2, 3].map((n) => world.runtime.send(alice.add({ n }), { messageId: `m${n}` }));
    await world.settle();
    engine.plan("before", "before");
    release();
    await Promise.allSettled(sent);
    await world.settle();
    // What was not acknowledged is sent again, as a client does.
    for (const n of [1, 2, 3]) await world.runtime.send(alice.add({ n }), { messageId: `m${n}` });
    await world.settle();
    expect((await world.runtime.state("ledger", "alice")).state).toEqual({ sum: 6, entries: [1, 2, 3] });
  });

  // Would catch an event that is applied twice, and a caller who is told to try again for nothing.
  test("a commit that landed though its answer was lost is a success", async () => {
    const world = await start();
    const engine = world.engineOf("ledger/alice");
    engine.plan("after");
    expect(await world.runtime.ask(alice.add({ n: 1 }))).toMatchObject({ ok: true, version: 1 });
    expect(await world.runtime.ask(alice.add({ n: 2 }))).toMatchObject({ ok: true, version: 2 });
    expect(engine.written.map((commit) => commit.index)).toEqual([1, 2]);
  });

  test("while it is not known what became of a commit, commands are refused and reads too", async () => {
    const world = await start();
    const engine = world.engineOf("ledger/alice");
    engine.plan("after");
    engine.headFailures = 2;
    const first = watch(world.runtime.ask(alice.add({ n: 1 })));
    await world.settle();
    expect(first.state).toBe("waiting");
    expect(world.runtime.isReady).toBe(false);
    expect(await codeOf(world.runtime.ask(alice.add({ n: 2 })))).toBe("store-unavailable");
    expect(await codeOf(world.runtime.state("ledger", "alice"))).toBe("store-unavailable");
    await world.clock.advance("1s");
    expect(first.value).toMatchObject({ version: 1 });
    expect(world.runtime.isReady).toBe(true);
  });

  // Would catch two processes that both answer for one actor.
  test("when another holder has the shard everyone is told not-owner, then and later", async () => {
    const world = await start();
    const engine = world.engineOf("ledger/alice");
    engine.plan("fenced");
    const release = engine.hang();
    const first = codeOf(world.runtime.ask(alice.add({ n: 1 })));
    await world.settle();
    const second = codeOf(world.runtime.send(alice.add({ n: 2 })));
    const read = codeOf(world.runtime.state("ledger", "alice"));
    await world.settle();
    release();
    expect(await Promise.all([first, second, read])).toEqual(Array(3).fill("not-owner"));
    expect(await codeOf(world.runtime.ask(alice.add({ n: 3 })))).toBe("not-owner");
    expect(await codeOf(world.runtime.state("ledger", "alice"))).toBe("not-owner");
    expect(await world.events()).toEqual([]);
    await world.runtime.stop();
  });
});

// Would catch counters that go on from what was lost: positions with a gap, and a log that no reader gets past.
test("a commit that is lost while its shard still starts leaves no gap", async () => {
  const world = await World.start({ modules: [ledger] });
  await world.runtime.send(alice.add({ n: 1 }), { messageId: "m", deliverAt: world.clock.now() + 1_000 });
  world.engineOf("ledger/alice").kill();
  const database = world.databaseOf("ledger/alice");
  database.hangingReads = /FROM timers/;
  const release = database.hangReads();
  world.beforeStart = ([engine]) => engine?.plan("before");
  await world.clock.advance("1s");
  const starting = world.crash();
  await world.settle();
  // What was due has had its turn.
  expect(at(world.engines, 0).attempts).toBe(1);
  expect(at(world.engines, 0).written).toEqual([]);
  release();
  await starting;
  await world.settle();
  expect(await world.runtime.ask(alice.add({ n: 2 }))).toMatchObject({ version: 2, position: 2 });
  expect((await world.events()).map(({ position, version, payload }) => [position, version, payload]))
    .toEqual([
      [1, 1, { n: 1 }],
      [2, 2, { n: 2 }],
    ]);
});

// Would catch a retry timer from before the reload that runs a message on the state from before the reload.
test("a message that waited for its next attempt when the commit was lost is handled once", async () => {
  const { worker, failures } = unreliable();
  const world = await World.start({ modules: [ledger, worker] });
  failures.set("m", 1);
  await world.runtime.send(worker.ref("w").work({ label: "m" }));
  await world.settle();
  at(world.engines, 0).plan("before");
  expect(await codeOf(world.runtime.ask(bob.add({ n: 1 })))).toBe("store-unavailable");
  await world.clock.advance("10s");
  await world.runtime.ask(bob.add({ n: 1 }));
  await world.clock.advance("10m");
  expect(await world.runtime.state("worker", "w")).toEqual({ state: { done: ["m"] }, version: 1 });
  expect((await world.events()).map((event) => event.actor)).toEqual(["worker/w", "ledger/bob"]);
  expect(world.logged.filter((line) => line.includes("lost commit"))).toHaveLength(1);
});

// Would catch the same for an actor whose log could not be read.
test("an actor that waits to be loaded again when the commit is lost is loaded once", async () => {
  const world = await World.start({ modules: [ledger] });
  const database = at(world.databases, 0);
  await world.runtime.ask(bob.add({ n: 1 }));
  await world.runtime.send(alice.add({ n: 1 }), { deliverAt: world.clock.now() + 1_000 });
  const release = at(world.engines, 0).hang();
  at(world.engines, 0).plan("before");
  const lost = codeOf(world.runtime.ask(bob.add({ n: 2 })));
  database.readFailures = 1;
  await world.clock.advance("1s"); // alice's message is due, and her log cannot be read
  expect(world.logged.some((line) => line.includes("Store cannot be read"))).toBe(true);
  release();
  expect(await lost).toBe("store-unavailable");
  await world.clock.advance("10s");
  expect(await world.runtime.state("ledger", "alice")).toEqual({
    state: { sum: 1, entries: [1] },
    version: 1,
  });
  expect(await world.runtime.ask(alice.add({ n: 2 }))).toMatchObject({ version: 2 });
  expect(world.logged.filter((line) => line.includes("lost commit"))).toHaveLength(1);
});

test("a store that cannot be read fails commands and reads at once, and those after it is back succeed", async () => {
  const world = await World.start({ modules: [ledger] });
  at(world.databases, 0).readFailures = 1;
  expect(await codeOf(world.runtime.ask(alice.add({ n: 1 })))).toBe("store-unavailable");
  at(world.databases, 0).readFailures = 1;
  expect(await codeOf(world.runtime.ask(alice.add({ n: 1 }), { messageId: "m" }))).toBe("store-unavailable");
  at(world.databases, 0).readFailures = 1;
  expect(await codeOf(world.runtime.state("ledger", "alice"))).toBe("store-unavailable");
  expect(await world.runtime.ask(alice.add({ n: 1 }), { messageId: "m" })).toMatchObject({ version: 1 });
});

test("a shard whose reload cannot read the store tries again until it can", async () => {
  const world = await World.start({ modules: [ledger] });
  await world.runtime.send(alice.add({ n: 1 }), { deliverAt: world.clock.now() + 5_000 });
  await world.runtime.ask(bob.look());
  at(world.engines, 0).plan("before");
  Object.assign(at(world.databases, 0), {
    readFailures: 3,
    failingReads: /count\(\*\) FROM outbox|FROM messages WHERE status/,
  });
  expect(await codeOf(world.runtime.ask(bob.add({ n: 1 })))).toBe("store-unavailable");
  await world.clock.advance("1s");
  expect(world.runtime.isReady).toBe(false);
  await world.clock.advance("10s");
  expect(world.runtime.isReady).toBe(true);
  expect(await world.runtime.ask(alice.look())).toMatchObject({ reply: { sum: 1, version: 1 } });
});

// Would catch a stop that waits for a store that never answers.
test("a runtime whose store is gone can be stopped", async () => {
  const world = await World.start({ modules: [ledger] });
  at(world.engines, 0).plan("before");
  at(world.engines, 0).headFailures = Infinity;
  const lost = codeOf(world.runtime.ask(alice.add({ n: 1 })));
  await world.settle();
  const stopped = watch(world.runtime.stop());
  await world.clock.advance("1m");
  expect(stopped.state).toBe("resolved");
  expect(await lost).toBe("draining");
});

// Would catch messages that a reload which then failed has loaded, and that nobody hands out any more.
test("what a reload has read before it failed is handled when the next one succeeds", async () => {
  const world = await World.start({ modules: [ledger] });
  const at0 = world.clock.now();
  await world.runtime.send(alice.add({ n: 1 }), { deliverAt: at0 + 1_000 }); // due by then
  await world.runtime.send(bob.add({ n: 2 }), { deliverAt: at0 + 30_000 }); // due soon
  at(world.engines, 0).plan("before");
  Object.assign(at(world.databases, 0), { readFailures: 1, failingReads: /min\(deliver_at\)/ });
  await world.clock.advance("1s");
  expect(world.logged.filter((line) => line.includes("Store cannot be read"))).toHaveLength(1);
  await world.clock.advance("1m");
  expect(await world.runtime.state("ledger", "alice")).toMatchObject({ state: { sum: 1 }, version: 1 });
  expect(await world.runtime.state("ledger", "bob")).toMatchObject({ state: { sum: 2 }, version: 1 });
});

// Would catch a mailbox that waits for a next message because the one at its head was given up.
test("a message behind one whose id could not be looked up is handled all the same", async () => {
  const world = await World.start({ modules: [ledger] });
  await world.runtime.ask(alice.add({ n: 1 }));
  at(world.databases, 0).readFailures = 1;
  const first = codeOf(world.runtime.ask(alice.add({ n: 2 }), { messageId: "first" }));
  const second = world.runtime.ask(alice.add({ n: 3 }));
  expect(await first).toBe("store-unavailable");
  expect(await second).toMatchObject({ ok: true, version: 2, reply: { sum: 4 } });
});
