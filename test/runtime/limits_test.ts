import { describe, expect, test } from "vitest";
import { ledger, names, sender } from "../support/actors.ts";
import { at, codeOf, watch, World } from "../support/world.ts";

const alice = ledger.ref("alice");

describe.each([1, 4])("with %i shards", (shards) => {
  test("a mailbox takes as many messages as its limit, refuses one more, and takes more when it has room", async () => {
    const world = await World.start({
      modules: [ledger],
      shards,
      limits: { mailboxDepthMax: 3, commitTurnsMax: 1 },
    });
    const release = world.engineOf("ledger/alice").hang();
    const first = world.runtime.ask(alice.add({ n: 0 })); // its turn runs: it leaves the mailbox
    await world.settle();
    const second = world.runtime.ask(alice.add({ n: 0 })); // fills the open commit
    await world.settle();
    const waiting = [1, 2, 3].map((n) => world.runtime.ask(alice.add({ n })));
    expect(await codeOf(world.runtime.ask(alice.add({ n: 4 })))).toBe("mailbox-full");
    expect(await codeOf(world.runtime.send(alice.add({ n: 4 })))).toBe("mailbox-full");
    const other = names(20).find((key) =>
      world.runtime.shardOf(`ledger/${key}`) === world.runtime.shardOf("ledger/alice")
    );
    const elsewhere = watch(world.runtime.ask(ledger.ref(other ?? "").add({ n: 1 })));
    await world.settle();
    expect(elsewhere.state).toBe("waiting");
    release();
    await Promise.all([first, second, ...waiting]);
    expect(await world.runtime.ask(alice.add({ n: 5 }))).toMatchObject({ reply: { sum: 11 } });
  });
});

test("a shard takes as many messages as its limit, delayed ones included, and refuses one more", async () => {
  const world = await World.start({ modules: [ledger], limits: { shardDepthMax: 3 } });
  const release = at(world.databases, 0).hangReads();
  const later = { deliverAt: world.clock.now() + 1_000 };
  const waiting = [
    world.runtime.ask(ledger.ref("a").add({ n: 1 })),
    world.runtime.ask(ledger.ref("b").add({ n: 1 })),
    world.runtime.send(ledger.ref("c").add({ n: 1 }), later),
  ];
  expect(await codeOf(world.runtime.ask(ledger.ref("d").add({ n: 1 })))).toBe("shard-full");
  expect(await codeOf(world.runtime.send(ledger.ref("d").add({ n: 1 }), later))).toBe("shard-full");
  release();
  await Promise.all(waiting);
  await world.clock.advance("1s");
  expect(await world.runtime.ask(ledger.ref("d").add({ n: 1 }))).toMatchObject({ version: 1 });
});

test("a turn that sends more than the receiver's mailbox takes sends nothing", async () => {
  const world = await World.start({ modules: [ledger, sender], limits: { mailboxDepthMax: 3 } });
  const fanOut = (count: number) =>
    sender.ref("s").fanOut({ to: Array.from({ length: count }, () => ({ key: "alice", n: 1 })) });
  expect(await codeOf(world.runtime.ask(fanOut(4)))).toBe("mailbox-full");
  await world.settle();
  expect(await world.events()).toEqual([]);
  await world.runtime.ask(fanOut(3));
  await world.settle();
  expect(await world.runtime.ask(alice.look())).toMatchObject({ reply: { sum: 3 } });
});

// Would catch a limit that each receiver keeps for itself, and all of them together break.
test("a turn that sends more than the shard takes sends nothing, however many actors they are for", async () => {
  const world = await World.start({ modules: [ledger, sender], limits: { shardDepthMax: 5 } });
  const fanOut = (count: number) =>
    sender.ref("s").fanOut({ to: names(count).map((key) => ({ key, n: 1 })) });
  expect(await codeOf(world.runtime.ask(fanOut(6)))).toBe("shard-full");
  expect(await world.events()).toEqual([]);
  expect(await codeOf(world.runtime.ask(fanOut(4)))).toHaveProperty("resolved");
});

test("a message in a mailbox whose turn finds no room is tried again", async () => {
  const world = await World.start({ modules: [ledger, sender], limits: { mailboxDepthMax: 2 } });
  await world.runtime.ask(sender.ref("s").fanOut({ to: [] })); // its state is in memory: only alice's must be read
  const release = at(world.databases, 0).hangReads();
  const full = [1, 2].map((n) => world.runtime.ask(alice.add({ n })));
  await world.runtime.send(sender.ref("s").fanOut({ to: [{ key: "alice", n: 5 }] }));
  expect(world.logged.some((line) => line.includes("mailbox-full") || line.includes("is full"))).toBe(true);
  release();
  await Promise.all(full);
  await world.clock.advance("10s");
  expect(await world.runtime.ask(alice.look())).toMatchObject({ reply: { sum: 8 } });
});

test("a turn that emits or sends more than its limit fails as a whole", async () => {
  const world = await World.start({
    modules: [ledger, sender],
    limits: { turnEventsMax: 3, turnSendsMax: 2 },
  });
  expect(await codeOf(world.runtime.ask(alice.burst({ count: 4 })))).toBe("handler-failed");
  expect(await codeOf(world.runtime.ask(alice.burst({ count: 3 })))).toMatchObject({
    resolved: { version: 3 },
  });
  const to = names(3).map((key) => ({ key, n: 1 }));
  expect(await codeOf(world.runtime.ask(sender.ref("s").fanOut({ to })))).toBe("handler-failed");
  expect(await codeOf(world.runtime.ask(sender.ref("s").fanOut({ to: to.slice(1) })))).toHaveProperty(
    "resolved",
  );
});

describe("passivation", () => {
  test("keeps so many actors in memory and no more, and a passivated one comes back as it was", async () => {
    const world = await World.start({
      modules: [ledger],
      limits: { activationsMax: 10, passivateAfterMs: 60_000 },
    });
    for (let round = 1; round <= 3; round++) {
      for (const key of names(100)) {
        expect(await world.runtime.ask(ledger.ref(key).add({ n: round }))).toMatchObject({ version: round });
      }
    }
    for (const key of names(100)) expect((await world.runtime.state("ledger", key)).version).toBe(3);
  });

  // Would catch an actor whose newest events are nowhere: not on disk yet, and not in memory any more. Also
  // two activations of one actor, when it goes in the moment of its first message as all others are busy.
  test("never drops what is not yet on disk", async () => {
    const world = await World.start({ modules: [ledger], limits: { activationsMax: 4 } });
    const release = at(world.engines, 0).hang();
    const first = names(40).map((key) => world.runtime.ask(ledger.ref(key).add({ n: 1 })));
    await world.settle();
    const second = names(40).map((key) => world.runtime.ask(ledger.ref(key).add({ n: 2 })));
    await world.settle();
    await world.clock.advance("10m");
    const third = names(40).map((key) => world.runtime.ask(ledger.ref(key).add({ n: 4 })));
    await world.settle();
    release();
    const versions = async (asks: Promise<{ version: number }>[]) =>
      (await Promise.all(asks)).map((each) => each.version);
    expect(await versions(first)).toEqual(Array(40).fill(1));
    expect(await versions(second)).toEqual(Array(40).fill(2));
    expect(await versions(third)).toEqual(Array(40).fill(3));
  });
});
