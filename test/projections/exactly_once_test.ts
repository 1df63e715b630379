import fc from "fast-check";
import { expect, test } from "vitest";
import { ledger, names, sender } from "../support/actors.ts";
import type { Fault } from "./faulty_database.ts";
import { ReadWorld, sums } from "./support.ts";

test.each([1, 4])("rows are a fold over the log, %i shards", async (shards) => {
  const read = await ReadWorld.start({ shards });
  for (let n = 1; n <= 50; n++) await read.add(names(7)[n % 7] ?? "", n, -n, 2 * n);
  await read.settle();
  expect(await read.rows()).toEqual(await read.fold());
  expect(read.status()).toMatchObject({ status: "live", lagEvents: 0 });
  expect(read.status().token).toBe(read.world.runtime.formatToken(read.world.runtime.positions()));
});

// Would catch rows without their checkpoint or a checkpoint without its rows, wherever the process dies.
for (const shards of [1, 4]) {
  for (const fault of ["before", "after", "lost", "unanswered"] as const) {
    test(`each event changes the rows once when a write goes ${fault}, and after a crash, ${shards} shards`, async () => {
      const read = await ReadWorld.start({ shards });
      await read.add("l1", 1, 2, 3);
      await read.settle();
      read.database.plan(fault, fault, fault);
      for (const key of names(5)) await read.add(key, 4, 5);
      await read.settle();
      await read.crash();
      await read.add("l1", 6);
      await read.settle();
      expect(await read.rows()).toEqual(await read.fold());
      expect(read.status().lagEvents).toBe(0);
    });
  }
}

// Would catch a checkpoint in memory that stays behind the one on disk, so that nothing fits any more.
test.each<Fault>(["before", "after"])(
  "a write that goes %s is repeated by the same process",
  async (fault) => {
    const read = await ReadWorld.start();
    read.database.plan(fault, fault);
    await read.add("l1", 1);
    await read.settle();
    await read.add("l1", 2);
    expect(read.status().status).toBe("live");
    await read.clock.advance("3s");
    expect(await read.rows()).toEqual([["l1", 3, 2, "1,2"]]);
    expect(read.status()).toMatchObject({ status: "live", lagEvents: 0 });
  },
);

test("whatever happens in whatever order, rows are a fold over the log", async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        key: fc.constantFrom(...names(6)),
        numbers: fc.array(fc.integer({ min: -99, max: 99 }), { minLength: 1, maxLength: 8 }),
      }),
    },
    { weight: 2, arbitrary: fc.constantFrom<Fault>("before", "after", "lost", "unanswered") },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        "crash" as const,
        "restart" as const,
        "second" as const,
        "rebuild" as const,
        "cancel" as const,
      ),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(1, 4), fc.array(step, { maxLength: 25 }), async (shards, steps) => {
      const read = await ReadWorld.start({ shards });
      for (const each of steps) {
        if (typeof each === "object") await read.add(each.key, ...each.numbers);
        else if (each === "crash") await read.crash();
        else if (each === "restart") {
          // A write that is never answered cannot be waited for.
          await read.crash();
          await read.restart();
        } else if (each === "second") await read.clock.advance("1s");
        else if (each === "rebuild") read.projections.rebuild("sums").catch(() => {});
        else if (each === "cancel") read.projections.cancelRebuild("sums").catch(() => {});
        else read.database.plan(each);
        if (steps.length % 2 === 0) await read.settle();
      }
      await read.crash();
      await read.settle();
      await read.projections.built();
      expect(await read.rows()).toEqual(await read.fold());
      expect(read.status()).toMatchObject({ status: "live", lagEvents: 0 });
      expect(await read.tables()).toHaveLength(1);
    }),
    { numRuns: 150 },
  );
});

// Would catch a shard under load that keeps the others waiting for ever.
test("events of other types and actors move the checkpoint and change nothing", async () => {
  const read = await ReadWorld.start({ modules: [ledger, sender, sums()] });
  for (let n = 0; n < 30; n++) await read.world.runtime.ask(sender.ref("s").fanOut({ to: [] }));
  await read.settle();
  await read.world.clock.advance(50); // what is not for a projection may wait so long
  await read.settle();
  expect(await read.rows()).toEqual([]);
  expect(read.status().token).toBe("0.30");
});

test("batches that are full end where the next one begins", async () => {
  const read = await ReadWorld.start();
  for (let round = 0; round < 3; round++) {
    await read.world.runtime.ask(ledger.ref("l1").burst({ count: 1_000 }));
    await read.world.runtime.ask(ledger.ref("l2").burst({ count: 333 }));
  }
  await read.settle();
  await read.projections.rebuild("sums");
  await read.projections.built();
  expect(await read.rows()).toEqual(await read.fold());
});

test("deleting the read database costs nothing but time", async () => {
  const read = await ReadWorld.start({ shards: 4 });
  for (const key of names(9)) await read.add(key, 1, 2, 3);
  await read.settle();
  const before = await read.rows();
  for (
    const table of [
      "sums__1",
      "projections",
      "generations",
      "generation_tables",
      "projection_checkpoints",
      "read_meta",
    ]
  ) {
    await read.shared.look(`DROP TABLE ${table}`);
  }
  await read.crash();
  await read.settle();
  expect(await read.rows()).toEqual(before);
  expect(before).toEqual(await read.fold());
});

// Would catch rows of events that no longer exist being served for ever: a log that was restored from a backup.
test("rows that are ahead of the log are built anew", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1, 2, 3);
  await read.settle();
  await read.shared.look(`UPDATE projection_checkpoints SET position = 99`);
  await read.shared.look(`UPDATE sums__1 SET sum = 1000`);
  await read.crash();
  await read.projections.built();
  await read.settle();
  expect(await read.rows()).toEqual(await read.fold());
  // An error, so that whoever runs it is told: what was on disk is gone.
  expect(read.logged).toContainEqual(
    expect.stringMatching(/^error .*events that the log does not have.*"rowsUpTo":"0\.99","logUpTo":"0\.3"/),
  );
});
