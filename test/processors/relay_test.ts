import { expect, test } from "vitest";
import { Relay } from "../../src/processors/relay.ts";
import { ledger, names, sender, unreliable } from "../support/actors.ts";
import { at } from "../support/world.ts";
import { range, startRelayed } from "./relayed.ts";

const s = sender.ref("s");

test("messages to other shards arrive, in the order sent, and leave the outbox", async () => {
  const { world, away, entriesOf } = await startRelayed();
  const keys = away("sender/s", 20);
  for (const n of range(5)) await world.runtime.ask(s.fanOut({ to: keys.map((key) => ({ key, n })) }));
  await world.settle();
  for (const key of keys) expect(await entriesOf(key)).toEqual(range(5));
  expect(await world.outbox()).toEqual([]);
});

test("more messages than are read at a time keep their order", async () => {
  const { world, away, entriesOf } = await startRelayed({ limits: { mailboxDepthMax: 2_000 } });
  const [key = ""] = away("sender/s", 1);
  for (const turn of range(2)) {
    await world.runtime.ask(s.fanOut({ to: range(750).map((n) => ({ key, n: turn * 750 + n })) }));
  }
  await world.clock.advance("5s");
  expect(await entriesOf(key)).toEqual(range(1_500));
  expect(await world.outbox()).toEqual([]);
});

// Would catch a message that finds room which those before it, a page earlier, did not find yet.
test("messages that find no room are not overtaken by those read after them", async () => {
  const { world, away, entriesOf } = await startRelayed({ limits: { mailboxDepthMax: 100 } });
  const [key = ""] = away("sender/s", 1);
  await world.runtime.ask(s.fanOut({ to: range(750).map((n) => ({ key, n })) }));
  await world.clock.advance("1m");
  expect(await entriesOf(key)).toEqual(range(750));
});

test("what was left by an earlier life is carried at the start", async () => {
  const { world, away, entriesOf, crash, relay } = await startRelayed();
  await relay.stop();
  const keys = away("sender/s", 3);
  await world.runtime.ask(s.fanOut({ to: keys.map((key) => ({ key, n: 1 })) }));
  await world.clock.advance("1m");
  expect(await world.outbox()).toHaveLength(3);
  await crash();
  await world.settle();
  for (const key of keys) expect(await entriesOf(key)).toEqual([1]);
});

// Would catch a message that is handled twice because the process died before it could forget it.
test("a crash between arrival and forgetting: carried twice, handled once", async () => {
  const { world, away, entriesOf, crash } = await startRelayed();
  const keys = away("sender/s", 5, { inOneShard: true });
  await world.runtime.ask(s.fanOut({ to: keys.map((key) => ({ key, n: 1 })) }));
  world.engineOf("sender/s").hang(); // what has arrived cannot be forgotten
  await world.settle();
  for (const key of keys) expect(await entriesOf(key)).toEqual([1]);
  expect(await world.outbox()).toHaveLength(5);
  await crash();
  await world.settle();
  expect(await world.outbox()).toEqual([]);
  for (const key of keys) expect(await entriesOf(key)).toEqual([1]);
  const events = await world.events();
  expect(events.filter(({ type }) => type === "Added")).toHaveLength(5);
});

test("a shard that takes nothing now holds back no messages for others", async () => {
  const { world, away, entriesOf } = await startRelayed();
  const keys = away("sender/s", 20);
  const stuck = world.runtime.shardOf(`ledger/${at(keys, 0)}`).number;
  const release = at(world.engines, stuck).hang();
  await world.runtime.ask(s.fanOut({ to: keys.map((key) => ({ key, n: 1 })) }));
  await world.settle();
  const others = keys.filter((key) => world.runtime.shardOf(`ledger/${key}`).number !== stuck);
  expect(others.length).toBeGreaterThan(0);
  for (const key of others) expect(await entriesOf(key)).toEqual([1]);
  release();
  await world.settle();
  for (const key of keys) expect(await entriesOf(key)).toEqual([1]);
  expect(await world.outbox()).toEqual([]);
});

test("a crash before arrival: carried by the next life", async () => {
  const { world, away, entriesOf, crash } = await startRelayed();
  const keys = away("sender/s", 5);
  for (const key of keys) world.engineOf(`ledger/${key}`).hang();
  await world.runtime.ask(s.fanOut({ to: keys.map((key) => ({ key, n: 1 })) }));
  await world.settle();
  await crash();
  await world.settle();
  for (const key of keys) expect(await entriesOf(key)).toEqual([1]);
  expect(await world.outbox()).toEqual([]);
});

test.each(["before", "after"] as const)(
  "a commit of the other shard that is lost %s it was written: carried again, handled once",
  async (fault) => {
    const { world, away, entriesOf } = await startRelayed();
    const keys = away("sender/s", 5, { inOneShard: true });
    world.engineOf(`ledger/${at(keys, 0)}`).plan(fault);
    await world.runtime.ask(s.fanOut({ to: range(10).flatMap((n) => keys.map((key) => ({ key, n }))) }));
    await world.clock.advance("10s");
    for (const key of keys) expect(await entriesOf(key)).toEqual(range(10));
    expect(await world.outbox()).toEqual([]);
  },
);

test("a commit of its own shard that is lost: what had arrived is carried again, handled once", async () => {
  const { world, away, entriesOf } = await startRelayed();
  const keys = away("sender/s", 5);
  world.engineOf("sender/s").plan("ok", "before", "after");
  await world.runtime.ask(s.fanOut({ to: keys.map((key) => ({ key, n: 1 })) }));
  await world.clock.advance("10s");
  for (const key of keys) expect(await entriesOf(key)).toEqual([1]);
  expect(await world.outbox()).toEqual([]);
});

test("an actor that has no room holds back its own messages, and no others", async () => {
  const { worker, failures } = unreliable();
  const { world, away } = await startRelayed({
    modules: [ledger, sender, worker],
    limits: { mailboxDepthMax: 2 },
  });
  const [home] = away("sender/s", 1);
  const target = world.runtime.shardOf(`ledger/${home}`).number;
  const [blocked = "", free = ""] = names(200).filter((key) =>
    world.runtime.shardOf(`worker/${key}`).number === target
  );
  failures.set("0", 1);
  const labels = range(6).map(String);
  const requests = labels.flatMap((label) => [
    worker.ref(blocked).work({ label }),
    ...(Number(label) < 2 ? [worker.ref(free).work({ label: `free ${label}` })] : []),
  ]);
  await world.runtime.ask(s.forward({ requests }));
  await world.settle();
  const doneBy = async (key: string) =>
    ((await world.runtime.state("worker", key)).state as { done: string[] }).done;
  expect(await doneBy(free)).toEqual(["free 0", "free 1"]);
  expect(await doneBy(blocked)).toEqual([]);
  expect((await world.outbox()).map(({ message }) => message.input)).toEqual(
    labels.slice(2).map((label) => ({ label })),
  );
  // A later one does not overtake those that wait.
  await world.runtime.ask(s.forward({ requests: [worker.ref(blocked).work({ label: "6" })] }));
  await world.clock.advance("10s");
  expect(await doneBy(blocked)).toEqual([...labels, "6"]);
  expect(await world.outbox()).toEqual([]);
});

test("runOnce says whether something had to stay", async () => {
  const { world, away, relay } = await startRelayed({ limits: { mailboxDepthMax: 1 } });
  await relay.stop();
  const again = new Relay(world.runtime);
  const source = world.runtime.shardOf("sender/s");
  expect(await again.runOnce(source)).toBe(false);
  const [key = ""] = away("sender/s", 1);
  await world.runtime.ask(s.fanOut({ to: range(2).map((n) => ({ key, n })) }));
  expect(await again.runOnce(source)).toBe(true);
  expect(await again.runOnce(source)).toBe(false);
});

test("a message for an actor type that is gone arrives, and ends as a dead letter", async () => {
  const { worker } = unreliable({ attemptsMax: 1 });
  const { world, away, relay } = await startRelayed({ modules: [ledger, sender, worker] });
  await relay.stop();
  const target = world.runtime.shardOf(`ledger/${away("sender/s", 1)[0]}`).number;
  const key = names(200).find((key) => world.runtime.shardOf(`worker/${key}`).number === target) ?? "";
  await world.runtime.ask(s.forward({ requests: [worker.ref(key).work({ label: "x" })] }));
  await world.restart([ledger, sender]);
  new Relay(world.runtime).start();
  await world.clock.advance("5m");
  expect(await world.outbox()).toEqual([]);
  const { deadLetters } = await world.runtime.deadLetters.list({}, { limit: 10 });
  expect(deadLetters).toMatchObject([{ actor: `worker/${key}` }]);
});

test("a store that cannot be read is said so, and carried on from later", async () => {
  const { world, away, entriesOf } = await startRelayed();
  const [key = ""] = away("sender/s", 1);
  const database = world.databaseOf("sender/s");
  database.failingReads = /outbox/;
  database.readFailures = 1;
  await world.runtime.ask(s.fanOut({ to: [{ key, n: 1 }] }));
  await world.settle();
  expect(world.logged.join()).toContain("warn Outbox cannot be carried on");
  await world.clock.advance("1s");
  expect(await entriesOf(key)).toEqual([1]);
});

test("stopped in the midst of it, it leaves what is not carried, and no timer", async () => {
  const { world, away, relay } = await startRelayed({ limits: { mailboxDepthMax: 1 } });
  const [key = ""] = away("sender/s", 1);
  await world.runtime.ask(s.fanOut({ to: range(3).map((n) => ({ key, n })) }));
  await relay.stop();
  await world.settle();
  const left = await world.outbox();
  await world.clock.advance("1m");
  expect(await world.outbox()).toEqual(left);
});
