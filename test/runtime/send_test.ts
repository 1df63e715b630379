import { describe, expect, test } from "vitest";
import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { ledger, names, sender } from "../support/actors.ts";
import { at, codeOf, World } from "../support/world.ts";

const s = sender.ref("s");
const to = (keys: string[]) => keys.map((key, n) => ({ key, n }));

async function entriesOf(world: World, key: string): Promise<number[]> {
  return ((await world.runtime.state("ledger", key)).state as { entries: number[] }).entries;
}

test("what a turn sends is in the transaction of its events, and is handled in the order sent", async () => {
  const world = await World.start({ modules: [ledger, sender] });
  const release = at(world.engines, 0).hang();
  const first = world.runtime.ask(s.fanOut({ to: to(["a", "b", "a", "a"]) }));
  await world.settle();
  release();
  await first;
  await world.settle();
  expect(await entriesOf(world, "a")).toEqual([0, 2, 3]);
  expect(await entriesOf(world, "b")).toEqual([1]);
  const commit = at(at(world.engines, 0).written, 0);
  expect(commit.events.map(([, name]) => name)).toContain("sender/s");
  expect(commit.messages).toHaveLength(4);
});

test("messages from one sender to one actor keep their order over turns, crashes and lost commits", async () => {
  const world = await World.start({ modules: [ledger, sender], limits: { commitTurnsMax: 3 } });
  for (let round = 0; round < 5; round++) {
    const numbers = Array.from({ length: 10 }, (_, n) => ({ key: "a", n: round * 10 + n }));
    await world.runtime.ask(s.fanOut({ to: numbers }));
    if (round === 1) await world.crash();
    if (round === 2) at(world.engines, 0).plan("ok", "before");
    await world.settle();
  }
  await world.clock.advance("1m");
  expect(await entriesOf(world, "a")).toEqual(Array.from({ length: 50 }, (_, n) => n));
});

test("a turn that fails or rejects sends nothing and records nothing", async () => {
  const world = await World.start({ modules: [ledger, sender] });
  const ask = (end: "reject" | "throw") => world.runtime.ask(s.fanOut({ to: to(["a"]), end }));
  expect(await ask("reject")).toMatchObject({ ok: false, rejection: { code: "no" } });
  expect(await codeOf(ask("throw"))).toBe("handler-failed");
  await world.settle();
  expect(await world.events()).toEqual([]);
  expect(at(world.engines, 0).written).toEqual([]);
});

test("a turn that sends what nobody can handle fails", async () => {
  const world = await World.start({ modules: [ledger, sender] });
  const bad = [
    { type: "nobody", key: "a", command: "add", input: { n: 1 } },
    { type: "ledger", key: "a", command: "nothing", input: { n: 1 } },
    { type: "ledger", key: "", command: "add", input: { n: 1 } },
    { type: "ledger", key: "a", command: "add", input: { n: "one" } },
  ];
  for (const request of bad) {
    expect(await codeOf(world.runtime.ask(s.forward({ requests: [request] })))).toBe("handler-failed");
  }
  expect(await world.events()).toEqual([]);
});

test("messages to other shards are in the outbox with the events, in the order sent, and nowhere else", async () => {
  const world = await World.start({ modules: [ledger, sender], shards: 4 });
  const keys = [...names(12), ...names(12)];
  const home = world.runtime.shardOf("sender/s").number;
  const away = to(keys).filter(({ key }) => world.runtime.shardOf(`ledger/${key}`).number !== home);
  expect(away.length).toBeGreaterThan(0);
  expect(away.length).toBeLessThan(keys.length);
  const { messageId } = await world.runtime.ask(s.fanOut({ to: to(keys) }));
  await world.settle();
  const outbox = await world.outbox();
  expect(outbox.map(({ message }) => message.input)).toEqual(away.map(({ n }) => ({ n })));
  for (const { from, to: shard, message } of outbox) {
    expect([from, shard]).toEqual([home, world.runtime.shardOf(message.actor).number]);
    expect(message).toMatchObject({ correlationId: messageId, causationId: messageId });
  }
  expect(await world.events()).toHaveLength(1 + keys.length - away.length);
});

test("a lost commit leaves nothing in the outbox, and an outbox limit fails the turn that goes beyond it", async () => {
  const world = await World.start({ modules: [ledger, sender], shards: 4, limits: { outboxDepthMax: 3 } });
  const home = world.runtime.shardOf("sender/s").number;
  const away = names(40).filter((key) => world.runtime.shardOf(`ledger/${key}`).number !== home);
  at(world.engines, home).plan("before");
  expect(await codeOf(world.runtime.ask(s.fanOut({ to: to(away.slice(0, 2)) })))).toBe("store-unavailable");
  await world.settle();
  expect(await world.outbox()).toEqual([]);
  expect(await codeOf(world.runtime.ask(s.fanOut({ to: to(away.slice(0, 4)) })))).toBe("shard-full");
  expect(await codeOf(world.runtime.ask(s.fanOut({ to: to(away.slice(0, 3)) })))).toHaveProperty("resolved");
  expect(await codeOf(world.runtime.ask(s.fanOut({ to: to(away.slice(0, 1)) })))).toBe("shard-full");
  const outbox = await world.outbox();
  await world.runtime.shardOf("sender/s").relayed([1, 2]);
  expect((await world.outbox()).length).toBe(outbox.length - 2);
  await world.restart();
  expect(await codeOf(world.runtime.ask(s.fanOut({ to: to(away.slice(0, 3)) })))).toBe("shard-full");
  expect(await codeOf(world.runtime.ask(s.fanOut({ to: to(away.slice(0, 2)) })))).toHaveProperty("resolved");
});

describe("causes", () => {
  const relay = actor("relay", {
    initialState: () => 0,
    events: { Passed: z.object({}) },
    evolve: { Passed: (state) => state + 1 },
    commands: {
      pass: command(z.object({ left: z.int() }), (turn, input): void => {
        turn.emit("Passed", {});
        if (input.left > 0) {
          turn.send({
            type: "relay",
            key: `r${input.left}`,
            command: "pass",
            input: { left: input.left - 1 },
          });
        }
      }),
    },
  });

  test("every event and message of a request carries its correlation id, and what caused it", async () => {
    const world = await World.start({ modules: [relay] });
    await world.runtime.ask(relay.ref("r").pass({ left: 3 }), {
      messageId: "root",
      correlationId: "request-7",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    });
    await world.settle();
    const events = await world.events();
    expect(events.map((event) => event.correlationId)).toEqual(Array(4).fill("request-7"));
    expect(events.map((event) => event.causationId)).toEqual([
      undefined,
      ...events.slice(0, 3).map((e) => e.messageId),
    ]);
    const last = await world.message(at(events, 3).messageId);
    expect(last?.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c/);
  });

  test("the trace of a request is the tree of what it led to", async () => {
    const world = await World.start({ modules: [relay, sender, ledger] });
    const { correlationId } = await world.runtime.ask(relay.ref("r").pass({ left: 2 }));
    await world.settle();
    const { roots, isTruncated } = await world.runtime.trace(correlationId);
    expect(isTruncated).toBe(false);
    expect(roots).toMatchObject([{
      actor: "relay/r",
      command: undefined,
      events: [{ type: "Passed", position: 1 }],
      children: [{
        actor: "relay/r2",
        command: "pass",
        status: "done",
        attempts: 1,
        children: [{ actor: "relay/r1", events: [{ position: 3 }], children: [] }],
      }],
    }]);
    const fan = await world.runtime.ask(s.fanOut({ to: to(names(5)) }));
    await world.settle();
    expect(at((await world.runtime.trace(fan.correlationId)).roots, 0).children).toHaveLength(5);
    expect((await world.runtime.trace("unheard-of")).roots).toEqual([]);
  });

  test("a trace has no more nodes than its limit, and says so", async () => {
    const world = await World.start({ modules: [sender, ledger], limits: { traceNodesMax: 3 } });
    const { correlationId } = await world.runtime.ask(s.fanOut({ to: to(names(5)) }));
    await world.settle();
    const { roots, isTruncated } = await world.runtime.trace(correlationId);
    expect(isTruncated).toBe(true);
    expect(1 + at(roots, 0).children.length).toBe(3);
  });
});

// Would catch mailboxes that are read back in another order, after the clock of the machine was put right.
test("messages keep their order over a clock that goes back and a crash", async () => {
  const world = await World.start({ modules: [ledger] });
  const release = at(world.databases, 0).hangReads(); // nothing is handled before the crash
  for (const n of [1, 2, 3]) {
    await world.runtime.send(ledger.ref("a").add({ n }));
    world.clock.set(world.clock.now() - 60_000);
  }
  release();
  await world.crash();
  await world.settle();
  expect(await entriesOf(world, "a")).toEqual([1, 2, 3]);
});
