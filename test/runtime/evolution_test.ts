import { expect, test } from "vitest";
import { z } from "zod";
import { actor, type AnyActor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { event } from "../../src/core/event.ts";
import { ledger } from "../support/actors.ts";
import { at, codeOf, World } from "../support/world.ts";

const pay = command(
  z.object({ amount: z.int() }),
  (turn: { emit(n: "Paid", p: { amount: number }): void }, input) =>
    turn.emit("Paid", { amount: input.amount }),
);

const wallet1 = actor("wallet", {
  initialState: () => ({ cents: 0 }),
  events: { Paid: z.object({ amount: z.int() }), Noted: z.object({}) },
  evolve: { Paid: (state, { amount }) => ({ cents: state.cents + amount }), Noted: (state) => state },
  commands: { pay, note: command(z.object({}), (turn) => turn.emit("Noted", {})) },
});

const Paid3 = event(z.object({ cents: z.int(), currency: z.string() }), {
  from: {
    1: (old: { amount: number }) => ({ cents: old.amount * 100 }),
    2: (old: { cents: number }) => ({ ...old, currency: "EUR" }),
  },
});

const wallet3 = actor("wallet", {
  initialState: () => ({ cents: 0, currencies: [] as string[] }),
  events: { Paid: Paid3, Noted: z.object({}) },
  evolve: {
    Paid: (state, { cents, currency }) => ({
      cents: state.cents + cents,
      currencies: [...state.currencies, currency],
    }),
    Noted: (state) => state,
  },
  commands: {
    pay: command(
      z.object({ cents: z.int(), currency: z.string() }),
      (turn, input) => turn.emit("Paid", input),
    ),
  },
});

const state = async (world: World, key = "w") => (await world.runtime.state("wallet", key)).state;

test("events of an older schema are brought up to the present one, and stay as they are in the log", async () => {
  const world = await World.start({ modules: [wallet1] });
  await world.runtime.ask(wallet1.ref("w").pay({ amount: 5 }));
  await world.restart([wallet3]);
  await world.runtime.ask(wallet3.ref("w").pay({ cents: 7, currency: "USD" }));
  await world.restart([wallet3]);
  expect(await state(world)).toEqual({ cents: 507, currencies: ["EUR", "USD"] });
  expect((await world.events()).map(({ schemaVersion, payload }) => [schemaVersion, payload])).toEqual([
    [1, { amount: 5 }],
    [3, { cents: 7, currency: "USD" }],
  ]);
});

// Would catch code that goes back to an older release and misreads what the newer one wrote.
test("an event that is newer than the code fails its actor's commands and reads, and nothing else", async () => {
  const world = await World.start({ modules: [wallet3, ledger] });
  await world.runtime.ask(wallet3.ref("w").pay({ cents: 7, currency: "USD" }));
  await world.restart([wallet1, ledger]);
  expect(await codeOf(world.runtime.ask(wallet1.ref("w").pay({ amount: 1 })))).toBe("handler-failed");
  expect(await codeOf(world.runtime.state("wallet", "w"))).toBe("handler-failed");
  expect(await codeOf(world.runtime.ask(wallet1.ref("other").pay({ amount: 1 })))).toHaveProperty("resolved");
  expect(await codeOf(world.runtime.ask(ledger.ref("a").add({ n: 1 })))).toHaveProperty("resolved");
  expect(world.logged.join()).toContain("Cannot read event 1 of wallet/w");
});

test("an event that the code does not know fails its actor only, and heals when the code is back", async () => {
  const { Noted: _, ...events } = { Noted: 0, Paid: z.object({ amount: z.int() }) };
  const smaller = actor("wallet", {
    initialState: () => ({ cents: 0 }),
    events,
    evolve: { Paid: (state, { amount }) => ({ cents: state.cents + amount }) },
    commands: { pay },
  });
  const world = await World.start({ modules: [wallet1] });
  await world.runtime.ask(wallet1.ref("w").note());
  await world.restart([smaller]);
  expect(await codeOf(world.runtime.ask(wallet1.ref("w").pay({ amount: 1 })))).toBe("handler-failed");
  await world.runtime.send(wallet1.ref("w").pay({ amount: 2 }), { messageId: "m" });
  await world.settle();
  expect((await world.message("m"))?.status).toBe("retrying");
  expect(await codeOf(world.runtime.ask(wallet1.ref("v").pay({ amount: 1 })))).toHaveProperty("resolved");
  await world.restart([wallet1]);
  await world.clock.advance("1s");
  expect(await state(world)).toEqual({ cents: 2 });
});

test("an upcast that gives what the schema refuses is an event that cannot be read", async () => {
  const wrong = actor("wallet", {
    initialState: () => ({ cents: 0 }),
    events: { Paid: event(z.object({ cents: z.int() }), { from: { 1: () => ({ cents: "five" }) } }) },
    evolve: { Paid: (state, { cents }) => ({ cents: state.cents + cents }) },
    commands: {},
  });
  const world = await World.start({ modules: [wallet1] });
  await world.runtime.ask(wallet1.ref("w").pay({ amount: 5 }));
  await world.restart([wrong]);
  expect(await codeOf(world.runtime.state("wallet", "w"))).toBe("handler-failed");
});

test("messages of an actor type that is gone become dead letters, and others are handled", async () => {
  const world = await World.start({ modules: [wallet1, ledger] });
  const later = { deliverAt: world.clock.now() + 1_000 };
  await world.runtime.send(wallet1.ref("w").pay({ amount: 1 }), { messageId: "gone", ...later });
  await world.runtime.send(ledger.ref("a").add({ n: 1 }), { messageId: "here", ...later });
  await world.restart([ledger]);
  await world.clock.advance("1s");
  expect((await world.message("here"))?.status).toBe("done");
  expect(await world.message("gone")).toMatchObject({ status: "dead", attempts: 1 });
});

/** Ledgers of which every tenth event makes a snapshot, or none does. */
const snapshotting = (every: number, version = 1): AnyActor =>
  actor("ledger", {
    initialState: () => ({ sum: 0, entries: [] as number[] }),
    events: { Added: z.object({ n: z.int() }) },
    evolve: { Added: (state, { n }) => ({ sum: state.sum + n, entries: [...state.entries, n] }) },
    commands: { add: command(z.object({ n: z.int() }), (turn, { n }) => turn.emit("Added", { n })) },
    snapshot: { every, version },
  });

test("a state is the same with snapshots, without, and after they have been deleted", async () => {
  const states: unknown[] = [];
  for (const every of [1, 7, 1_000]) {
    const world = await World.start({ modules: [snapshotting(every)] });
    for (let n = 1; n <= 30; n++) await world.runtime.ask(ledger.ref("a").add({ n }));
    const snapshots = await at(world.databases, 0).look("SELECT version FROM snapshots");
    expect(snapshots).toEqual(every === 1 ? [[30]] : every === 7 ? [[28]] : []);
    states.push(await world.runtime.state("ledger", "a"));
    await world.restart();
    states.push(await world.runtime.state("ledger", "a"));
    await at(world.databases, 0).look("DELETE FROM snapshots");
    await world.restart();
    states.push(await world.runtime.state("ledger", "a"));
  }
  for (const each of states) expect(each).toEqual(states[0]);
});

// Would catch a state made by code that is not there any more.
test("a snapshot of other code is not used, be the change in the code or in its version", async () => {
  const world = await World.start({ modules: [snapshotting(1)] });
  await world.runtime.ask(ledger.ref("a").add({ n: 1 }));
  await at(world.databases, 0).look(`UPDATE snapshots SET state = '{"sum":99,"entries":[]}'`);
  await world.restart();
  expect((await world.runtime.state("ledger", "a")).state).toMatchObject({ sum: 99 }); // it is used where it fits
  await world.restart([snapshotting(1, 2)]);
  expect((await world.runtime.state("ledger", "a")).state).toMatchObject({ sum: 1 });
  const doubling = actor("ledger", {
    initialState: () => ({ sum: 0, entries: [] as number[] }),
    events: { Added: z.object({ n: z.int() }) },
    evolve: { Added: (state, { n }) => ({ sum: state.sum + 2 * n, entries: [...state.entries, n] }) },
    commands: { add: command(z.object({ n: z.int() }), (turn, { n }) => turn.emit("Added", { n })) },
  });
  await world.restart([doubling]);
  expect((await world.runtime.state("ledger", "a")).state).toMatchObject({ sum: 2 });
});

test("streams that are longer than one read are loaded whole, several at once", async () => {
  const world = await World.start({ modules: [ledger] });
  const counts = { a: 9_999, b: 10_001, c: 20_500, d: 1, e: 0 };
  const sumTo = (count: number) => (count * (count + 1)) / 2;
  const rows = Object.entries(counts).flatMap(([key, count]) =>
    Array.from({ length: count }, (_, index) => [`ledger/${key}`, index + 1])
  );
  await at(world.databases, 0).look(
    `INSERT INTO events SELECT key + 1, value ->> 0, value ->> 1, 'Added', 1, json_object('n', value ->> 1), 0, 'm', NULL, NULL
     FROM json_each(?)`,
    JSON.stringify(rows),
  );
  // One that is only summed: keeping all entries of so many would be what takes the time.
  const sum = actor("ledger", {
    initialState: () => ({ sum: 0 }),
    events: { Added: z.object({ n: z.int() }) },
    evolve: { Added: (state, { n }) => ({ sum: state.sum + n }) },
    commands: {},
  });
  await world.crash([sum]);
  const loaded = await Promise.all(Object.keys(counts).map((key) => world.runtime.state("ledger", key)));
  expect(loaded).toEqual(
    Object.values(counts).map((version) => ({ state: { sum: sumTo(version) }, version })),
  );
});
