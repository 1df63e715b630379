import { describe, expect, test } from "vitest";
import { createRuntime } from "../../src/create_runtime.ts";
import { DatabaseError } from "../../src/store/database.ts";
import { seededIds } from "../../src/testing/seeded_ids.ts";
import { ledger, unreliable } from "../support/actors.ts";
import { at, codeOf, watch, World } from "../support/world.ts";

const alice = ledger.ref("alice");
const bob = ledger.ref("bob");
const m = { messageId: "m" };

describe.each([1, 4])("with %i shards", (shards) => {
  const start = () => World.start({ modules: [ledger], shards });

  test("the same id again gives the stored reply, and nothing happens twice", async () => {
    const world = await start();
    const first = await world.runtime.ask(alice.add({ n: 1 }), m);
    await world.runtime.ask(alice.add({ n: 5 }));
    expect(await world.runtime.ask(alice.add({ n: 1 }), m)).toEqual(first);
    expect((await world.runtime.state("ledger", "alice")).state).toEqual({ sum: 6, entries: [1, 5] });
  });

  test("a rejection is stored too", async () => {
    const world = await start();
    const first = await world.runtime.ask(alice.addEven({ n: 1 }), m);
    expect(first).toMatchObject({ ok: false, rejection: { code: "odd", details: { n: 1 } } });
    expect(await world.runtime.ask(alice.addEven({ n: 1 }), m)).toEqual(first);
  });

  test("after a restart, and after a crash, the stored reply is still there", async () => {
    const world = await start();
    const first = await world.runtime.ask(alice.add({ n: 1 }), m);
    await world.restart();
    expect(await world.runtime.ask(alice.add({ n: 1 }), m)).toEqual(first);
    await world.crash();
    expect(await world.runtime.ask(alice.add({ n: 1 }), m)).toEqual(first);
    expect(await world.runtime.send(alice.add({ n: 1 }), m)).toMatchObject({ status: "accepted" });
    expect(await world.events()).toHaveLength(1);
  });

  // Would catch a second one that comes so early that the first is not on disk.
  test("a second one while the first is handled but not yet on disk gets the same reply with it", async () => {
    const world = await start();
    const release = world.engineOf("ledger/alice").hang();
    const first = watch(world.runtime.ask(alice.add({ n: 1 }), m));
    await world.settle();
    const second = watch(world.runtime.ask(alice.add({ n: 1 }), m));
    const other = watch(world.runtime.ask(alice.add({ n: 2 }), m));
    await world.settle();
    expect([first.state, second.state]).toEqual(["waiting", "waiting"]);
    expect(other.error).toMatchObject({ code: "message-mismatch" });
    release();
    await world.settle();
    expect(first.state).toBe("resolved");
    expect(second.value).toEqual(first.value);
    expect(await world.events()).toHaveLength(1);
  });

  test("a second one in the same moment is told that the first is in progress", async () => {
    const world = await start();
    const first = codeOf(world.runtime.ask(alice.add({ n: 1 }), m));
    expect(await codeOf(world.runtime.ask(alice.add({ n: 1 }), m))).toBe("message-in-progress");
    expect(await first).toMatchObject({ resolved: { version: 1 } });
  });

  test("the same id with other content is refused", async () => {
    const world = await start();
    await world.runtime.ask(alice.add({ n: 1 }), m);
    expect(await codeOf(world.runtime.ask(alice.add({ n: 2 }), m))).toBe("message-mismatch");
    expect(await codeOf(world.runtime.ask(alice.addEven({ n: 1 }), m))).toBe("message-mismatch");
    expect(await codeOf(world.runtime.send(alice.add({ n: 2 }), m))).toBe("message-mismatch");
    expect(await world.events()).toHaveLength(1);
  });

  test("the same content with its keys in another order is the same content", async () => {
    const world = await start();
    const request = { type: "ledger", key: "alice", command: "add" };
    await world.runtime.ask({ ...request, input: { n: 1, note: "x" } }, m);
    expect(await codeOf(world.runtime.ask({ ...request, input: { note: "x", n: 1 } }, m))).toHaveProperty(
      "resolved",
    );
  });

  test("the same id to another actor is a message of its own", async () => {
    const world = await start();
    const results = await Promise.all([alice, bob].map((ref) => world.runtime.ask(ref.add({ n: 1 }), m)));
    expect(results.map((result) => result.actor)).toEqual(["ledger/alice", "ledger/bob"]);
    expect(await world.events()).toHaveLength(2);
  });

  test("one that waits for its time is in progress for who wants the reply, accepted for who does not", async () => {
    const world = await start();
    const later = { ...m, deliverAt: world.clock.now() + 3_600_000 };
    await world.runtime.send(alice.add({ n: 1 }), later);
    expect(await codeOf(world.runtime.ask(alice.add({ n: 1 }), m))).toBe("message-in-progress");
    expect(await codeOf(world.runtime.ask(alice.add({ n: 2 }), m))).toBe("message-mismatch");
    expect(await world.runtime.send(alice.add({ n: 1 }), later)).toMatchObject({ status: "accepted" });
    await world.clock.advance("2h");
    expect(await world.runtime.ask(alice.add({ n: 1 }), m)).toMatchObject({ version: 1 });
    expect(await world.events()).toHaveLength(1);
  });
});

// Would catch an id that is used up by a failure, so that the caller can never succeed with it.
test("a command with an id whose handler throws is not recorded, and may be repeated", async () => {
  const { worker, failures } = unreliable();
  const world = await World.start({ modules: [worker] });
  failures.set("a", 1);
  expect(await codeOf(world.runtime.ask(worker.ref("w").work({ label: "a" }), m))).toBe("handler-failed");
  expect(await world.message("m")).toBeUndefined();
  expect(await world.events()).toEqual([]);
  expect(await world.runtime.ask(worker.ref("w").work({ label: "a" }), m)).toMatchObject({ version: 1 });
});

test("a repeated dead letter says that it failed", async () => {
  const { worker, failures } = unreliable({ attemptsMax: 1 });
  const world = await World.start({ modules: [worker] });
  failures.set("a", 9);
  const request = worker.ref("w").work({ label: "a" });
  await world.runtime.send(request, m);
  await world.settle();
  expect(await codeOf(world.runtime.ask(request, m))).toBe("handler-failed");
  expect(await codeOf(world.runtime.send(request, m))).toMatchObject({ resolved: { status: "accepted" } });
});

// Would catch a delayed message that is lost when it is repeated just as its window is read from the disk.
test("a delayed message that is repeated while its window is being read is still delivered, once", async () => {
  const world = await World.start({ modules: [ledger], limits: { delayWindowMs: 60_000 } });
  const dueAt = world.clock.now() + 70_000;
  await world.runtime.send(alice.add({ n: 1 }), { ...m, deliverAt: dueAt });
  await world.clock.advance(29_999);
  const release = at(world.databases, 0).hangReads();
  const repeated = codeOf(world.runtime.ask(alice.add({ n: 1 }), m));
  await world.clock.advance(1); // the next window is read
  release();
  expect(await repeated).toBe("message-in-progress");
  await world.clock.advance("5m");
  expect((await world.runtime.state("ledger", "alice")).state).toEqual({ sum: 1, entries: [1] });
});

test("a store in a folder keeps ids and replies over a restart, and shows what was acknowledged", async () => {
  const data = await Deno.makeTempDir();
  const ids = seededIds(1);
  try {
    const replies: unknown[] = [];
    for (let run = 0; run < 2; run++) {
      await using runtime = await createRuntime({ modules: [ledger], data, shards: 2, ids });
      replies.push(await runtime.ask(alice.add({ n: 1 }), m));
      await runtime.send(bob.add({ n: 2 }), { messageId: `later-${run}` });
      await runtime.drain();
    }
    expect(replies[1]).toEqual(replies[0]);
    await using runtime = await createRuntime({ modules: [ledger], data, shards: 2, ids });
    expect(await runtime.ask(bob.look())).toMatchObject({ reply: { sum: 4, version: 2 } });
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

// Would catch a repeat that is forgotten because the first one came into memory while it was looked up.
test("a repeat that is looked up while the first one is read from the disk is answered", async () => {
  const world = await World.start({ modules: [ledger] });
  const database = at(world.databases, 0);
  const options = { messageId: "m", deliverAt: world.clock.now() + 80_000 };
  await world.runtime.send(alice.add({ n: 1 }), options);
  const gate = Promise.withResolvers<void>();
  const { batch } = database;
  database.batch = async (statements, mode) => {
    if (mode === "read") await gate.promise;
    return await batch(statements, mode);
  };
  const again = watch(world.runtime.send(alice.add({ n: 1 }), options));
  await world.clock.advance("60s"); // by now the window has been read
  expect(again.state).toBe("waiting");
  gate.resolve();
  await world.settle();
  expect(again).toMatchObject({ state: "resolved", value: { status: "accepted" } });
  await world.clock.advance("30s");
  expect((await world.runtime.state("ledger", "alice")).state).toEqual({ sum: 1, entries: [1] });
});

// Would catch a later message overtaking an earlier one of its sender, which is sent again after the failure.
test("when a lookup fails, messages behind it for the same actor fail as well", async () => {
  const world = await World.start({ modules: [ledger] });
  const database = at(world.databases, 0);
  await world.runtime.ask(alice.look());
  const gate = Promise.withResolvers<void>();
  const { batch } = database;
  let reads = 0;
  database.batch = async (statements, mode) => {
    if (mode === "write" || ++reads > 1) return await batch(statements, mode);
    await gate.promise;
    throw new DatabaseError("read failed, as planned", "SQLITE_IOERR");
  };
  const first = watch(world.runtime.ask(alice.add({ n: 1 }), { messageId: "m1" }));
  await world.settle();
  // These are looked up together, after the first.
  const second = watch(world.runtime.ask(alice.add({ n: 2 }), { messageId: "m2" }));
  const other = watch(world.runtime.ask(bob.add({ n: 3 }), { messageId: "m3" }));
  await world.settle();
  gate.resolve();
  await world.settle();
  expect([first.state, second.state, other.state]).toEqual(["rejected", "rejected", "resolved"]);
  await world.runtime.ask(alice.add({ n: 1 }), { messageId: "m1" });
  await world.runtime.ask(alice.add({ n: 2 }), { messageId: "m2" });
  expect((await world.runtime.state("ledger", "alice")).state).toEqual({ sum: 3, entries: [1, 2] });
});
