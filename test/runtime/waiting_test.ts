import { describe, expect, test } from "vitest";
import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { ledger, unreliable } from "../support/actors.ts";
import { vault } from "../support/poison.ts";
import { at, codeOf, watch, World } from "../support/world.ts";

const alice = ledger.ref("alice");
const add = alice.add({ n: 1 });

test("an ask that waits longer than it may is kept, answered accepted, and done later", async () => {
  const { worker, failures } = unreliable();
  const world = await World.start({ modules: [worker] });
  failures.set("first", 2);
  await world.runtime.send(worker.ref("w").work({ label: "first" }));
  const answer = watch(world.runtime.submit(worker.ref("w").work({ label: "second" }), { waitMs: 500 }));
  await world.clock.advance(499);
  expect(answer.state).toBe("waiting");
  await world.clock.advance(1);
  const { messageId } = answer.value ?? { messageId: "" };
  expect(answer.value).toEqual({
    status: "accepted",
    messageId,
    correlationId: messageId,
    actor: "worker/w",
    shard: 0,
  });
  expect((await world.message(messageId))?.status).toBe("queued");
  await world.crash();
  await world.clock.advance("10s");
  expect(await world.message(messageId)).toMatchObject({
    status: "done",
    outcome: { reply: { done: ["first", "second"] } },
  });
});

test("an ask that is promoted while the store hangs is accepted only when it is on disk", async () => {
  const world = await World.start({ modules: [ledger], limits: { commitTurnsMax: 1 } });
  const release = at(world.engines, 0).hang();
  const first = world.runtime.ask(add);
  await world.settle();
  const second = world.runtime.ask(add); // fills the open commit: the third must wait for its turn
  await world.settle();
  const third = watch(world.runtime.submit(add, { waitMs: 1_000 }));
  await world.clock.advance("5s");
  expect(third.state).toBe("waiting");
  release();
  await Promise.all([first, second]);
  await world.settle();
  expect(third.state).toBe("resolved");
  expect((await world.runtime.state("ledger", "alice")).version).toBe(3);
});

// Would catch a promotion of what has been answered, which would be handled again after a restart.
test("an ask whose answer waits for the disk is not promoted, be it a success or a version mismatch", async () => {
  const world = await World.start({ modules: [ledger] });
  const release = at(world.engines, 0).hang();
  const done = watch(world.runtime.submit(add, { waitMs: 1_000 }));
  await world.settle();
  const mismatch = watch(world.runtime.submit(add, { waitMs: 1_000, expectedVersion: "7", messageId: "m" }));
  await world.clock.advance("5s");
  release();
  await world.settle();
  expect(done.value).toMatchObject({ status: "done", version: 1 });
  expect(mismatch.error).toMatchObject({ code: "version-mismatch" });
  expect(await world.message("m")).toBeUndefined();
  await world.restart();
  await world.clock.advance("1m");
  expect(await world.events()).toHaveLength(1);
});

test("ask gives up after the longest wait with message-in-progress, and the message is handled", async () => {
  const { worker, failures } = unreliable();
  const world = await World.start({ modules: [worker], limits: { requestWaitMsMax: 2_000 } });
  failures.set("first", 3);
  await world.runtime.send(worker.ref("w").work({ label: "first" }));
  const ask = codeOf(world.runtime.ask(worker.ref("w").work({ label: "second" })));
  await world.clock.advance("2s");
  expect(await ask).toBe("message-in-progress");
  await world.clock.advance("10s");
  expect(await world.runtime.state("worker", "w")).toMatchObject({ state: { done: ["first", "second"] } });
});

test("a promoted ask that fails is retried like any message", async () => {
  const { worker, failures } = unreliable();
  const world = await World.start({ modules: [worker] });
  failures.set("first", 1).set("second", 1);
  await world.runtime.send(worker.ref("w").work({ label: "first" }));
  const answer = await Promise.all([
    world.runtime.submit(worker.ref("w").work({ label: "second" }), { waitMs: 1 }),
    world.clock.advance("5s"),
  ]);
  expect(answer[0].status).toBe("accepted");
  expect(await world.runtime.state("worker", "w")).toMatchObject({ state: { done: ["first", "second"] } });
});

test("nothing is left on the clock for asks that have been answered", async () => {
  const world = await World.start({ modules: [ledger] });
  await world.runtime.ask(add);
  const before = world.clock.pending;
  for (let index = 0; index < 10; index++) await world.runtime.ask(add);
  await codeOf(world.runtime.ask(add, { expectedVersion: "0" }));
  expect(world.clock.pending).toBe(before);
});

describe("stopping", () => {
  test("draining refuses new commands, waits for answers, and leaves what was accepted on disk", async () => {
    const world = await World.start({ modules: [ledger] });
    const release = at(world.engines, 0).hang();
    const ask = watch(world.runtime.ask(add));
    const send = watch(world.runtime.send(add));
    await world.settle();
    const drained = watch(world.runtime.drain());
    await world.settle();
    expect(drained.state).toBe("waiting");
    expect(await codeOf(world.runtime.ask(add))).toBe("draining");
    expect(world.runtime.isReady).toBe(false);
    release();
    await world.settle();
    expect([ask.state, send.state, drained.state]).toEqual(["resolved", "resolved", "resolved"]);
    await world.restart();
    await world.settle();
    expect((await world.runtime.state("ledger", "alice")).version).toBe(2);
  });

  test("stopping tells who still waits to come again, and handles their messages afterwards or not at all", async () => {
    const { worker, failures } = unreliable();
    const world = await World.start({ modules: [worker] });
    failures.set("first", 1);
    await world.runtime.send(worker.ref("w").work({ label: "first" }));
    const ask = codeOf(world.runtime.ask(worker.ref("w").work({ label: "second" })));
    await world.settle();
    await world.restart();
    expect(await ask).toBe("draining");
    await world.clock.advance("1m");
    expect(await world.runtime.state("worker", "w")).toMatchObject({ state: { done: ["first"] } });
  });

  test("a stopped runtime does nothing more, however long the clock runs", async () => {
    const world = await World.start({ modules: [ledger] });
    const { runtime } = world;
    await runtime.send(add, { deliverAt: world.clock.now() + 1_000 });
    await runtime.stop();
    await world.clock.advance("1h");
    expect(world.clock.pending).toBe(0);
    expect(await world.events()).toEqual([]);
    expect(await codeOf(runtime.ask(add))).toBe("draining");
    expect(await codeOf(runtime.state("ledger", "alice"))).toBe("draining");
  });

  // Would catch a stop that waits for a queue that never ends.
  test("a shard whose actors always have more to do can be drained and stopped", async () => {
    const restless = actor("restless", {
      initialState: () => 0,
      events: { Turned: z.object({}) },
      evolve: { Turned: (state) => state + 1 },
      commands: {
        turn: command(z.object({}), (turn): void => {
          turn.emit("Turned", {});
          turn.send({ type: "restless", key: turn.key, command: "turn", input: {} });
        }),
      },
    });
    const world = await World.start({ modules: [restless], limits: { commitTurnsMax: 4 } });
    const engine = at(world.engines, 0);
    const release = engine.hang(); // or it would turn for ever within this moment
    const sent = world.runtime.send(restless.ref("r").turn());
    await world.settle();
    const drained = watch(world.runtime.drain());
    const stopped = watch(world.runtime.stop());
    release();
    await sent;
    await world.settle();
    expect([drained.state, stopped.state]).toEqual(["resolved", "resolved"]);
  });

  test("stopping twice is stopping once", async () => {
    const world = await World.start({ modules: [ledger] });
    await world.runtime.ask(add);
    await world.runtime.stop();
    await world.runtime.stop();
  });
});

// Would catch messages that change places when the process dies, because one was stored after the one behind it.
test("an ask that is kept once it has waited too long stays before what was sent after it, over a crash", async () => {
  const world = await World.start({ modules: [vault], limits: { requestWaitMsMax: 100 } });
  await world.runtime.send(vault.ref("v").fail({}));
  await world.settle();
  const asked = codeOf(world.runtime.ask(vault.ref("v").note({ n: 1 })));
  await world.runtime.send(vault.ref("v").note({ n: 2 }));
  await world.clock.advance("200ms");
  expect(await asked).toBe("message-in-progress");
  await world.crash();
  await world.clock.advance("1m");
  expect((await world.runtime.state("vault", "v")).state).toMatchObject({ notes: [1, 2] });
});
