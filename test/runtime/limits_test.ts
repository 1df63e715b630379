import { describe, expect, test } from "vitest";
import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { TIME_MAX } from "../../src/core/duration.ts";
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

// Would catch a time that no commit can store: its message would take the shard's other turns down with it, again
// and again.
test.each(["timer", "later", "expiring"] as const)(
  "a turn that names a time too far away (%s) fails by itself, and becomes a dead letter",
  async (what) => {
    const far = "999999999999999d";
    const dreamer = actor("dreamer", {
      initialState: () => 0,
      events: {},
      evolve: {},
      commands: {
        dream: command(z.object({}), (turn) => {
          if (what === "timer") turn.schedule("t", { after: far }, alice.look());
          else turn.send(alice.look(), what === "later" ? { after: far } : { expiresAfter: far });
        }),
      },
    });
    const world = await World.start({ modules: [ledger, dreamer] });
    const deliverAt = world.clock.now() + 1_000; // on disk before its turn
    await world.runtime.send(dreamer.ref("d").dream(), { messageId: "m", deliverAt });
    await world.clock.advance("1s");
    expect(await codeOf(world.runtime.ask(alice.add({ n: 1 })))).toHaveProperty("resolved");
    await world.clock.advance("1m");
    expect(await world.message("m")).toMatchObject({ status: "dead", attempts: 5 });
    expect(world.logged.filter((line) => line.includes("lost commit"))).toEqual([]);
  },
);

/** Emits so many texts, and sends and sets as many. */
const wordy = actor("wordy", {
  initialState: () => 0,
  events: { Said: z.object({ text: z.string() }) },
  evolve: { Said: (said) => said + 1 },
  commands: {
    say: command(z.object({ emits: z.int(), sends: z.int(), timers: z.int() }), (turn, input) => {
      const text = "x".repeat(89); // 100 bytes as JSON, with what is around it
      for (let n = 0; n < input.emits; n++) turn.emit("Said", { text });
      for (let n = 0; n < input.sends; n++) turn.send(wordy.ref("heard").hear({ text }));
      for (let n = 0; n < input.timers; n++) {
        turn.schedule(`t${n}`, { after: "1h" }, wordy.ref("heard").hear({ text }));
      }
    }),
    hear: command(z.object({ text: z.string() }), () => {}),
  },
});

// Would catch a turn of a thousand large events, which is longer than any text can be: no commit could hold it,
// and its message would take the shard's other turns down with it again and again.
test.each([
  [{ emits: 10, sends: 0, timers: 0 }, { emits: 11, sends: 0, timers: 0 }],
  [{ emits: 0, sends: 10, timers: 0 }, { emits: 0, sends: 11, timers: 0 }],
  [{ emits: 0, sends: 0, timers: 10 }, { emits: 0, sends: 0, timers: 11 }],
  [{ emits: 4, sends: 3, timers: 3 }, { emits: 4, sends: 4, timers: 3 }],
])(
  "a turn of 1,000 bytes of JSON (%j) is as long as it may be, and one of 1,100 fails",
  async (most, more) => {
    const world = await World.start({ modules: [wordy], limits: { turnBytesMax: 1_000 } });
    expect(await codeOf(world.runtime.ask(wordy.ref("w").say(most)))).toHaveProperty("resolved");
    const before = await world.events();
    expect(await codeOf(world.runtime.ask(wordy.ref("w").say(more)))).toBe("handler-failed");
    expect(await world.events()).toEqual(before);
  },
);

// Would catch a time that is stored, and that then nobody can be shown.
test.each(["deliverAt", "expiresAt"] as const)("a time (%s) is one that a Date can hold", async (name) => {
  const world = await World.start({ modules: [ledger] });
  const send = (at: number) => codeOf(world.runtime.send(alice.look(), { [name]: at }));
  expect(await send(TIME_MAX)).toHaveProperty("resolved");
  for (const at of [TIME_MAX + 1, Number.MAX_SAFE_INTEGER, -TIME_MAX - 1, 0.5, NaN]) {
    expect(await send(at)).toBe("malformed");
  }
});

test("an input from the program around it is as many bytes of UTF-8 as may be, and no more", async () => {
  const world = await World.start({ modules: [wordy], limits: { payloadBytesMax: 100 } });
  const hear = (text: string) => codeOf(world.runtime.ask(wordy.ref("w").hear({ text })));
  for (const whole of ["x".repeat(89), "é".repeat(44) + "x"]) {
    expect(await hear(whole)).toHaveProperty("resolved");
  }
  for (const long of ["x".repeat(90), "é".repeat(45)]) expect(await hear(long)).toBe("payload-too-large");
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
    // The store would refuse a version that is there already, and all would be done again.
    expect(world.logged).toEqual([]);
  });
});
