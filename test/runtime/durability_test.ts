import { describe, expect, test } from "vitest";
import { ledger } from "../support/actors.ts";
import { at, codeOf, watch, World } from "../support/world.ts";

const alice = ledger.ref("alice");

describe.each([1, 4])("with %i shards", (shards) => {
  const start = () => World.start({ modules: [ledger], shards });

  // Would catch an acknowledgement that a power cut can take back.
  test("no reply, rejection, acceptance or state is given before its commit is on disk", async () => {
    const world = await start();
    const { runtime } = world;
    const release = world.engineOf("ledger/alice").hang();
    const waiting = [
      watch(runtime.ask(alice.add({ n: 1 }))),
      watch(runtime.ask(alice.add({ n: 2 }), { messageId: "named" })),
      watch(runtime.ask(alice.addEven({ n: 3 }))),
      watch(runtime.send(alice.add({ n: 4 }))),
      watch(runtime.ask(alice.look())),
    ];
    await world.settle();
    const state = watch(runtime.state("ledger", "alice"));
    await world.clock.advance("10s");
    expect([...waiting, state].map((each) => each.state)).toEqual(Array(6).fill("waiting"));
    expect(runtime.positions().get(runtime.shardOf("ledger/alice").number)).toBe(0);
    release();
    await world.settle();
    expect([...waiting, state].map((each) => each.state)).toEqual(Array(6).fill("resolved"));
    expect(state.value).toEqual({ state: { sum: 7, entries: [1, 2, 4] }, version: 3 });
  });

  // Would catch a 412 from which a client concludes that a change is there which is then lost.
  test("a version mismatch with what is not yet on disk is not told before it is", async () => {
    const world = await start();
    const release = world.engineOf("ledger/alice").hang();
    const first = watch(world.runtime.ask(alice.add({ n: 1 })));
    await world.settle();
    const second = watch(world.runtime.ask(alice.add({ n: 2 }), { expectedVersion: "0" }));
    await world.settle();
    expect([first.state, second.state]).toEqual(["waiting", "waiting"]);
    release();
    await world.settle();
    expect(second.error).toMatchObject({ code: "version-mismatch", fields: { expected: "0", version: 1 } });
  });

  test("turns run ahead: the next message sees a state that is not yet on disk", async () => {
    const world = await start();
    const engine = world.engineOf("ledger/alice");
    const release = engine.hang();
    const first = world.runtime.ask(alice.add({ n: 1 }));
    await world.settle(); // the first commit is on its way
    const second = world.runtime.ask(alice.add({ n: 2 }));
    await world.settle();
    release();
    expect(await first).toMatchObject({ ok: true, reply: { sum: 1 }, version: 1, position: 1 });
    expect(await second).toMatchObject({ ok: true, reply: { sum: 3 }, version: 2, position: 2 });
    expect(engine.written.map((commit) => commit.events.length)).toEqual([1, 1]);
  });

  // Would catch a fsync a command.
  test("many commands share few commits", async () => {
    const world = await start();
    await world.runtime.ask(alice.look());
    const asks = Array.from({ length: 500 }, (_, n) => world.runtime.ask(alice.add({ n })));
    const results = await Promise.all(asks);
    expect(results.map((result) => result.version)).toEqual(asks.map((_, index) => index + 1));
    expect(world.engineOf("ledger/alice").written.length).toBeLessThanOrEqual(2);
  });

  test("a commit takes no more turns than its limit, and the rest follow", async () => {
    const world = await World.start({ modules: [ledger], shards, limits: { commitTurnsMax: 10 } });
    await world.runtime.ask(alice.look());
    await Promise.all(Array.from({ length: 35 }, (_, n) => world.runtime.ask(alice.add({ n }))));
    const { written } = world.engineOf("ledger/alice");
    expect(written.map((commit) => commit.events.length)).toEqual([10, 10, 10, 5]);
  });

  // Would catch a row for each command that nobody can repeat: half the throughput.
  test("a command whose id nobody knows leaves events, and no message", async () => {
    const world = await start();
    const { messageId } = await world.runtime.ask(alice.add({ n: 1 }));
    expect(await world.message(messageId)).toBeUndefined();
    expect(at(await world.events(), 0)).toMatchObject({
      messageId,
      correlationId: messageId,
      causationId: undefined,
    });
  });

  test("a command that changes nothing needs no commit, but waits for what it has seen", async () => {
    const world = await start();
    const engine = world.engineOf("ledger/alice");
    expect(await world.runtime.ask(alice.look())).toMatchObject({
      reply: { sum: 0 },
      version: 0,
      position: 0,
    });
    expect(engine.attempts).toBe(0);
    const release = engine.hang();
    void world.runtime.ask(alice.add({ n: 1 }));
    await world.settle();
    const look = watch(world.runtime.ask(alice.look()));
    await world.settle();
    expect(look.state).toBe("waiting");
    release();
    await world.settle();
    expect(look.value).toMatchObject({ reply: { sum: 1, version: 1 }, position: 1 });
  });
});

test("an answer's token is its shard and position", async () => {
  const world = await World.start({ modules: [ledger], shards: 4 });
  const result = await world.runtime.ask(alice.add({ n: 1 }));
  expect(result.token).toBe(`${world.runtime.shardOf("ledger/alice").number}.1`);
  expect(world.runtime.parseToken(result.token).get(result.shard)).toBe(result.position);
});

test("a process that dies before its commit is on disk has acknowledged nothing, and nothing is there", async () => {
  const world = await World.start({ modules: [ledger] });
  await world.runtime.ask(alice.add({ n: 1 }));
  at(world.engines, 0).hang();
  const lost = watch(world.runtime.ask(alice.add({ n: 2 })));
  await world.settle();
  await world.crash();
  expect(lost.state).toBe("waiting");
  expect(await world.runtime.state("ledger", "alice")).toEqual({
    state: { sum: 1, entries: [1] },
    version: 1,
  });
  expect(await codeOf(world.runtime.ask(alice.add({ n: 3 })))).toMatchObject({ resolved: { version: 2 } });
});
