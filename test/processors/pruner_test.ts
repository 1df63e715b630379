import { expect, test } from "vitest";
import { Pruner } from "../../src/processors/pruner.ts";
import { Relay } from "../../src/processors/relay.ts";
import { ledger, names, sender, unreliable } from "../support/actors.ts";
import { at, World } from "../support/world.ts";

const HOUR_MS = 3_600_000;
const limits = { handledRetentionMs: HOUR_MS };

test("a handled message is kept for its retention, to the millisecond, and then forgotten", async () => {
  const world = await World.start({ modules: [ledger], limits });
  const pruner = new Pruner(world.runtime);
  await world.runtime.ask(ledger.ref("l").add({ n: 1 }), { messageId: "done" });
  await world.runtime.ask(ledger.ref("l").addEven({ n: 1 }), { messageId: "rejected" });
  await world.clock.advance(HOUR_MS);
  expect(await pruner.runOnce()).toBe(0);
  expect(await world.message("done")).toBeDefined();
  await world.clock.advance(1);
  expect(await pruner.runOnce()).toBe(2);
  expect(await world.message("done")).toBeUndefined();
  expect(await world.message("rejected")).toBeUndefined();
  expect(await pruner.runOnce()).toBe(0);
});

test("what is not handled is never forgotten: delayed, retrying, dead", async () => {
  const { worker, failures } = unreliable({ attemptsMax: 2 });
  const world = await World.start({ modules: [ledger, worker], limits });
  const pruner = new Pruner(world.runtime);
  failures.set("dead", Infinity);
  await world.runtime.send(worker.ref("d").work({ label: "dead" }), { messageId: "dead" });
  await world.runtime.send(worker.ref("e").work({ label: "dead" }), { messageId: "discarded" });
  const deliverAt = world.clock.now() + 10 * HOUR_MS;
  await world.runtime.send(ledger.ref("l").add({ n: 1 }), { messageId: "delayed", deliverAt });
  await world.clock.advance(2 * HOUR_MS);
  await world.runtime.deadLetters.discard("discarded");
  expect(await pruner.runOnce()).toBe(0);
  await world.clock.advance(HOUR_MS + 1);
  expect(await pruner.runOnce()).toBe(1);
  expect(await world.message("discarded")).toBeUndefined();
  expect(await world.message("dead")).toMatchObject({ status: "dead" });
  expect(await world.message("delayed")).toMatchObject({ status: "queued" });
  await world.runtime.deadLetters.redrive("dead", { input: { label: "well" } });
  await world.settle();
  await world.clock.advance(HOUR_MS);
  expect(await pruner.runOnce()).toBe(0); // its retention begins when it is handled
});

// Would catch a message that is handled twice: its row is all that tells that it has been carried already.
test("nothing is forgotten that a shard may still be carrying", async () => {
  const world = await World.start({ modules: [ledger, sender], shards: 4, limits });
  const pruner = new Pruner(world.runtime);
  const home = world.runtime.shardOf("sender/s").number;
  const key = names(50).find((key) => world.runtime.shardOf(`ledger/${key}`).number !== home) ?? "";
  await world.runtime.ask(ledger.ref(key).add({ n: 0 }), { messageId: "before" });
  await world.clock.advance(1_000);
  await world.runtime.ask(sender.ref("s").fanOut({ to: [{ key, n: 1 }] }));
  const relay = new Relay(world.runtime);
  const release = at(world.engines, home).hang();
  const carried = relay.runOnce(at(world.runtime.shards, home));
  await world.settle(); // it has arrived and is handled, and cannot be forgotten in the outbox
  const [left] = await world.outbox();
  const id = left?.message.id ?? "";
  expect(await world.message(id)).toMatchObject({ status: "done" });
  await world.clock.advance(5 * HOUR_MS);
  await world.runtime.ask(ledger.ref(key).look({}), { messageId: "after" });

  expect(await pruner.runOnce()).toBe(1);
  expect(await world.message("before")).toBeUndefined();
  expect(await world.message(id)).toBeDefined();

  release();
  await carried;
  expect(await world.outbox()).toEqual([]);
  expect(await pruner.runOnce()).toBe(1);
  expect(await world.message(id)).toBeUndefined();
  expect(await world.message("after")).toBeDefined();
});

test("more than a commit takes is forgotten in several, in all shards", async () => {
  const world = await World.start({ modules: [ledger], shards: 4, limits });
  const keys = names(40);
  await Promise.all(
    Array.from(
      { length: 5_000 },
      (_, n) => world.runtime.ask(ledger.ref(at(keys, n % 40)).look({}), { messageId: `m${n}` }),
    ),
  );
  await world.clock.advance(2 * HOUR_MS);
  expect(await new Pruner(world.runtime).runOnce()).toBe(5_000);
  for (const database of world.databases) {
    expect(await database.look("SELECT count(*) FROM messages")).toEqual([[0]]);
  }
  // The facts stay.
  for (const shard of world.runtime.shards) {
    const pruning = world.engines[shard.number]?.written.filter(({ prune }) => prune !== null) ?? [];
    expect(pruning.length).toBeGreaterThan(0);
  }
});

test("it runs by itself every minute, also after it failed, until it is stopped", async () => {
  const world = await World.start({ modules: [ledger], limits });
  const pruner = new Pruner(world.runtime);
  pruner.start();
  const ask = (messageId: string) => world.runtime.ask(ledger.ref("l").look({}), { messageId });
  await ask("m1");
  await world.clock.advance(HOUR_MS);
  const database = world.databaseOf("ledger/l");
  database.failingReads = /handled_at </;
  database.readFailures = 1;
  await world.clock.advance("1m");
  expect(world.logged.join()).toContain("warn Handled messages cannot be pruned");
  expect(await world.message("m1")).toBeDefined();
  await world.clock.advance("1m");
  expect(await world.message("m1")).toBeUndefined();

  await ask("m2");
  await pruner.stop();
  await world.clock.advance(3 * HOUR_MS);
  expect(await world.message("m2")).toBeDefined();
});
