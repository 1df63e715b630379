import { expect, test } from "vitest";
import { ledger, names } from "../support/actors.ts";
import { watch } from "../support/world.ts";
import type { Fault } from "./faulty_database.ts";
import { ReadWorld, sums, throwsAt } from "./support.ts";

const second = sums({ version: 2 });
const doubled = (version: number) =>
  sums({
    version,
    on: (write, event) =>
      write(
        `INSERT INTO sums VALUES (?1, ?2, 1, '') ON CONFLICT (ledger) DO UPDATE SET sum = sum + ?2, count = count + 1`,
        [event.key, 2 * event.payload.n],
      ),
  });

/** Holds the build's first write back. */
function holdBuild(read: ReadWorld): { release: () => void } {
  const gate = Promise.withResolvers<void>();
  const { database } = read;
  const batch = database.batch.bind(database);
  database.batch = async (statements, mode) => {
    if (statements.some(({ sql }) => sql.includes("INSERT INTO sums__2"))) await gate.promise;
    return await batch(statements, mode);
  };
  return { release: () => gate.resolve() };
}

test("a raised version: old rows serve, marked stale, until the new ones take their place and they are dropped", async () => {
  const read = await ReadWorld.start({ shards: 4 });
  for (const key of names(5)) await read.add(key, 1, 2);
  await read.settle();
  const before = await read.query("all");
  await read.crash([ledger, doubled(2)]);
  await read.projections.built();
  await read.settle();
  const after = await read.query("all");
  expect(after.rows.map((row) => row.sum)).toEqual(before.rows.map((row) => 2 * Number(row.sum)));
  expect(after.isStale).toBe(false);
  expect(read.status()).toMatchObject({ version: 2, servedVersion: 2, status: "live" });
  expect(read.status().build).toBeUndefined();
  expect(await read.tables()).toEqual(["sums__2"]);
});

test("while the new tables are built, the old ones serve and say how far the build is", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1, 2, 3);
  await read.settle();
  const { release } = holdBuild(read);
  await read.projections.rebuild("sums");
  await read.add("l1", 4);
  await read.settle();
  expect(read.status()).toMatchObject({
    status: "live",
    token: "0.4",
    build: { eventsDone: 0, eventsTotal: 4, startedAt: read.clock.now() },
  });
  expect(await read.query("all")).toMatchObject({ rows: [{ sum: 10, count: 4 }], isStale: false });
  release();
  await read.projections.built();
  expect(await read.tables()).toEqual(["sums__2"]);
  expect(await read.rows()).toEqual(await read.fold());
});

// Would catch events lost or doubled between the last batch of the build and the switch.
test.each([1, 4])(
  "a rebuild while commands go on gives the rows of a fold, and no query fails, %i shards",
  async (shards) => {
    const read = await ReadWorld.start({ shards });
    for (const key of names(8)) await read.add(key, 1, 2, 3);
    await read.settle();
    let isOver = false;
    const failures: unknown[] = [];
    const commands = (async () => {
      for (let n = 0; !isOver; n++) {
        await read.add(names(8)[n % 8] ?? "", n, -n);
        await read.clock.settle();
      }
    })();
    const queries = (async () => {
      let last = 0;
      while (!isOver) {
        try {
          const { rows } = await read.query("all");
          const count = rows.reduce((sum, row) => sum + Number(row.count), 0);
          // Would catch a switch to rows that have seen less.
          if (count < last) failures.push(`from ${last} back to ${count}`);
          last = count;
        } catch (error) {
          failures.push(error);
        }
        await read.clock.settle();
      }
    })();
    for (let round = 0; round < 10; round++) {
      await read.projections.rebuild("sums");
      await read.projections.built();
      await read.clock.settle();
    }
    isOver = true;
    await Promise.all([commands, queries]);
    await read.settle();
    expect(failures).toEqual([]);
    expect(await read.rows()).toEqual(await read.fold());
    expect(await read.tables()).toEqual(["sums__11"]);
  },
);

test("two rebuilds that are asked for at once are one", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1);
  await Promise.all([1, 2, 3].map(() => read.projections.rebuild("sums")));
  await read.projections.built();
  await read.settle();
  expect(await read.tables()).toEqual(["sums__2"]);
});

test("projections whose tables have the same names are kept apart, also when both are rebuilt", async () => {
  const read = await ReadWorld.start({ modules: [ledger, sums(), sums({ name: "twin", on: throwsAt(99) })] });
  await read.add("l1", 1, 2);
  await Promise.all([read.projections.rebuild("sums"), read.projections.rebuild("twin")]);
  await read.projections.built();
  await read.settle();
  expect(await read.rows("sums")).toEqual(await read.fold());
  expect(await read.rows("twin")).toEqual(await read.fold());
  expect(await read.tables()).toHaveLength(2);
});

// Would catch a build that begins at position 1 again, and one that skips or repeats a batch.
test("a build that a crash has ended goes on from its checkpoint", async () => {
  const read = await ReadWorld.start();
  for (let round = 0; round < 5; round++) {
    await read.world.runtime.ask(ledger.ref("l1").burst({ count: 900 }));
  }
  await read.settle();
  let batches = 0;
  read.database.onWrite = (sql) => {
    if (sql.includes("INSERT INTO sums__2") && ++batches === 3) read.database.kill();
  };
  void read.projections.rebuild("sums");
  await read.settle();
  await read.settle();
  expect(batches).toBe(3);
  const [row] = await read.shared.look(`SELECT position FROM projection_checkpoints WHERE generation = 2`);
  // The write that was on its way when the process died may have gone through.
  expect(Number(row?.[0])).toBeGreaterThanOrEqual(2_000);
  expect(Number(row?.[0])).toBeLessThan(4_500);
  const written: string[] = [];
  const original = read.shared.connect.bind(read.shared);
  read.shared.connect = () => {
    const database = original();
    database.onWrite = (sql) => void written.push(sql);
    return database;
  };
  await read.crash();
  await read.projections.built();
  await read.settle();
  expect(await read.tables()).toEqual(["sums__2"]);
  expect(await read.rows()).toEqual(await read.fold());
  const repeated = written.join("\n").match(/INSERT INTO sums__2/g)?.length ?? 0;
  expect(repeated).toBeLessThanOrEqual(4_500 - Number(row?.[0]));
});

// Would catch a switch whose answer is lost: tables that are gone being served, or a projection marked failed.
test.each<Fault>(["before", "after", "lost", "unanswered"])(
  "a switch that goes %s leaves the right rows served",
  async (fault) => {
    const read = await ReadWorld.start();
    await read.add("l1", 1, 2);
    await read.settle();
    read.database.onWrite = (sql) => {
      if (!sql.includes("INSERT INTO projections")) return;
      read.database.onWrite = () => {};
      read.database.plan(fault);
    };
    await read.projections.rebuild("sums");
    await read.settle();
    await read.add("l1", 3);
    if (fault === "before" || fault === "after") {
      const query = watch(read.query("all"));
      await read.clock.advance("3s");
      expect(query).toMatchObject({ state: "resolved" });
    } else await read.crash();
    await read.projections.built();
    await read.settle();
    expect(read.status()).toMatchObject({ status: "live", lagEvents: 0 });
    expect(read.logged.join()).not.toContain("Projection has stopped");
    expect(await read.tables()).toEqual(["sums__2"]);
    expect(await read.rows()).toEqual(await read.fold());
  },
);

test("a build goes on by itself when the store fails for a while, and what serves goes on too", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1, 2);
  await read.settle();
  await read.projections.rebuild("sums");
  read.database.plan("before", "before", "before", "before");
  await read.settle();
  await read.add("l1", 3);
  await read.clock.advance("10s");
  await read.projections.built();
  expect(read.status()).toMatchObject({ status: "live", lagEvents: 0 });
  expect(await read.tables()).toEqual(["sums__2"]);
  expect(await read.rows()).toEqual(await read.fold());
});

test("a build that is given up leaves nothing behind, and the old rows go on", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1, 2);
  await read.settle();
  const { release } = holdBuild(read);
  await read.projections.rebuild("sums");
  await read.settle();
  const cancelled = watch(read.projections.cancelRebuild("sums"));
  release();
  await read.settle();
  expect(cancelled.state).toBe("resolved");
  expect(read.status().build).toBeUndefined();
  expect(await read.tables()).toEqual(["sums__1"]);
  await read.add("l1", 3);
  await read.settle();
  expect(await read.rows()).toEqual(await read.fold());
});

// Would catch a build that is given up at the very moment in which it is let to serve: the tables that serve
// dropped, or the projector that fills them stopped.
test("giving a build up at any moment leaves rows that are served and go on", async () => {
  for (let turns = 0; turns < 60; turns++) {
    const read = await ReadWorld.start();
    await read.add("l1", 1, 2);
    await read.settle();
    const rebuilt = read.projections.rebuild("sums");
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await read.projections.cancelRebuild("sums");
    await rebuilt;
    await read.add("l1", 3);
    await read.settle();
    expect(await read.rows(), String(turns)).toEqual(await read.fold());
    expect(await read.tables()).toHaveLength(1);
    expect((await read.query("all")).isStale).toBe(false);
  }
});

test("a build that fails says so, harms nothing that serves, and can be begun again", async () => {
  let isBroken = false;
  const read = await ReadWorld.start({
    modules: [
      ledger,
      sums({
        on: (write, event) => {
          if (isBroken && event.position === 2) throw new Error("as planned");
          write(`INSERT INTO sums VALUES (?, ?, 1, '')`, [`${event.key}-${event.position}`, event.payload.n]);
        },
      }),
    ],
  });
  await read.add("l1", 1, 2, 3);
  await read.settle();
  isBroken = true;
  await read.projections.rebuild("sums");
  await read.projections.built();
  expect(read.status()).toMatchObject({
    status: "live",
    build: { eventsDone: 1, failure: { error: "Error: as planned", event: { position: 2 } } },
  });
  await read.add("l1", 4);
  await read.settle();
  expect((await read.query("all")).rows).toHaveLength(4);
  expect(read.status()).toMatchObject({ status: "live", lagEvents: 0 });
  isBroken = false;
  await read.projections.rebuild("sums");
  await read.projections.built();
  await read.settle();
  expect(read.status().build).toBeUndefined();
  expect((await read.query("all")).rows).toHaveLength(4);
  expect(await read.tables()).toEqual(["sums__3"]);
});

// Would catch the old projector being left standing when the build fails at the last few events.
test("a build that fails at its last event leaves what serves following the log", async () => {
  const read = await ReadWorld.start({ modules: [ledger, sums({ version: 1 })] });
  await read.add("l1", 1, 2);
  await read.settle();
  await read.crash([ledger, sums({ version: 2, on: throwsAt(2) })]);
  await read.projections.built();
  expect(read.status()).toMatchObject({
    status: "stale",
    servedVersion: 1,
    build: { failure: { event: { position: 2 } } },
  });
  expect(await read.query("all")).toMatchObject({ rows: [{ sum: 3 }], isStale: true });
  await read.crash([ledger, second]);
  await read.projections.built();
  expect(read.status()).toMatchObject({ status: "live", servedVersion: 2 });
  expect(await read.rows()).toEqual(await read.fold());
});

test("a version that is taken back is built anew too, and what newer code was building is dropped", async () => {
  const read = await ReadWorld.start({ modules: [ledger, sums({ version: 2 })] });
  await read.add("l1", 1);
  await read.settle();
  await read.crash([ledger, sums({ version: 3, on: throwsAt(1) })]);
  await read.projections.built();
  await read.crash([ledger, doubled(1)]);
  await read.projections.built();
  await read.settle();
  expect(read.status()).toMatchObject({ version: 1, servedVersion: 1, status: "live" });
  expect(await read.rows()).toEqual([["l1", 2, 1, ""]]);
  expect(await read.tables()).toHaveLength(1);
});

test("queries of new code that do not fit the old rows are told to come back, not that they failed", async () => {
  const read = await ReadWorld.start({
    modules: [ledger, sums({ tables: [`CREATE TABLE sums (ledger PRIMARY KEY, sum, n, trail)`] })],
  });
  await read.add("l1", 1);
  await read.settle();
  await read.crash([ledger, sums({ version: 2, on: throwsAt(1) })]);
  await read.projections.built();
  await expect(read.query("all")).rejects.toMatchObject({ code: "projection-behind" });
});
