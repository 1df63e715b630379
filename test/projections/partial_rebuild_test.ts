/** Rebuilds that begin later than the log, where a projection says what becomes of earlier rows. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { type PartialRebuild, projection, query } from "../../src/core/projection.ts";
import { ledger, names } from "../support/actors.ts";
import { codeOf } from "../support/world.ts";
import { ReadWorld } from "./support.ts";

/** Keeps the last number of each ledger: events may be handled again. */
const latest = (partialRebuild: PartialRebuild, options: { version?: number; failsAt?: number } = {}) =>
  projection("sums", {
    version: options.version ?? 1,
    from: [ledger],
    tables: [`CREATE TABLE sums (ledger TEXT PRIMARY KEY, n INTEGER, twice AS (2 * n))`],
    on: {
      "ledger/Added": (write, { key, payload: { n } }) => {
        if (n === options.failsAt) throw new Error("failed, as planned");
        write(`INSERT INTO sums VALUES (?1, ?2) ON CONFLICT (ledger) DO UPDATE SET n = ?2`, [key, n]);
      },
    },
    queries: {
      all: query(
        z.object({}),
        z.object({ ledger: z.string(), n: z.int() }),
        () => [`SELECT ledger, n FROM sums`],
      ),
    },
    partialRebuild,
  });

/** The last number of each ledger, of those events that count. */
async function foldLast(read: ReadWorld, after: ReadonlyMap<number, number> = new Map()): Promise<unknown[]> {
  const rows = new Map<string, number>();
  for (const { actor, payload, shard, position } of await read.world.events()) {
    if (position > (after.get(shard) ?? 0)) rows.set(actor.slice(7), (payload as { n: number }).n);
  }
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, n]) => [key, n, 2 * n]);
}

const log = fc.array(
  fc.record({ key: fc.constantFrom(...names(5)), n: fc.integer({ min: 0, max: 50 }), pauses: fc.boolean() }),
  { minLength: 1, maxLength: 40 },
);

// Would catch events between the rows that are kept and the place to begin that nobody handles, rows that are not
// kept, and events of one shard that are measured by another's position.
test.each(["keep-rows", "leave-out"] as const)(
  "from any token or time, %s: the rows are a fold over what counts, and a check agrees",
  async (mode) => {
    await fc.assert(
      fc.asyncProperty(
        log,
        fc.nat(),
        fc.constantFrom(1, 3),
        fc.boolean(),
        async (added, place, shards, isTime) => {
          const read = await ReadWorld.start({ modules: [ledger, latest(mode)], shards });
          const starts = [{ at: read.clock.now(), after: new Map(read.world.runtime.positions()) }];
          for (const { key, n, pauses } of added) {
            await read.add(key, n);
            if (!pauses) continue;
            await read.clock.advance("1s");
            starts.push({ at: read.clock.now(), after: new Map(read.world.runtime.positions()) });
          }
          await read.settle();
          const { at, after } = starts[place % starts.length] ?? { at: 0, after: new Map() };
          await read.projections.rebuild("sums", isTime ? { at } : { after });
          await read.projections.built();
          const expected = () => foldLast(read, mode === "leave-out" ? after : undefined);
          expect(await read.rows()).toEqual(await expected());
          expect((await read.projections.check("sums")).status).toBe("equal");
          await read.crash();
          await read.add("l0", 77);
          await read.settle();
          expect(await read.rows()).toEqual(await expected());
          expect((await read.projections.check("sums")).status).toBe("equal");
        },
      ),
      { numRuns: 25, seed: 5 },
    );
  },
  60_000,
);

test("kept rows stay as they are, and only events from there on are handled again", async () => {
  const read = await ReadWorld.start({ modules: [ledger, latest("keep-rows")] });
  await read.add("a", 1);
  await read.add("b", 2);
  await read.settle();
  await read.shared.look(`UPDATE sums__1 SET n = 99`);
  await read.projections.rebuild("sums", { after: new Map([[0, 1]]) });
  await read.projections.built();
  expect(await read.rows()).toEqual([["a", 99, 198], ["b", 2, 4]]);
  expect((await read.projections.check("sums")).difference).toMatchObject({ key: { ledger: "a" } });
});

// Would catch what is between the rows and the place to begin being passed over.
test("kept rows that have not come as far as the place to begin go on from where they are", async () => {
  const read = await ReadWorld.start({ modules: [ledger, latest("keep-rows", { failsAt: 2 })] });
  for (const [key, n] of [["a", 1], ["b", 2], ["c", 3]] as const) await read.add(key, n);
  await read.settle();
  expect(read.status()).toMatchObject({ status: "failed", token: "0.1" });
  await read.projections.rebuild("sums", { after: new Map([[0, 3]]) });
  await read.projections.built();
  expect(read.status().build?.failure?.event).toMatchObject({ position: 2 });
  expect(await read.rows()).toEqual([["a", 1, 2]]);
});

test("what was left out is told, outlives the process, and comes back with a rebuild from the beginning", async () => {
  const read = await ReadWorld.start({ modules: [ledger, latest("leave-out")] });
  for (const [n, key] of names(4).entries()) await read.add(key, n);
  await read.settle();
  expect(read.status().startsAfter).toBeUndefined();
  await read.projections.rebuild("sums", { after: new Map([[0, 2]]) });
  await read.projections.built();
  await read.crash();
  expect(read.status()).toMatchObject({ startsAfter: "0.2", token: "0.4", lagEvents: 0 });
  expect((await read.rows()).map((row) => (row as string[])[0])).toEqual(["l2", "l3"]);
  await read.projections.rebuild("sums");
  await read.projections.built();
  expect(read.status().startsAfter).toBeUndefined();
  expect(await read.rows()).toEqual(await foldLast(read));
});

test.each(["keep-rows", "leave-out"] as const)(
  "a build with %s that a crash has ended goes on",
  async (mode) => {
    const read = await ReadWorld.start({ modules: [ledger, latest(mode)] });
    for (const [n, key] of names(6).entries()) await read.add(key, n);
    await read.settle();
    read.database.onWrite = (sql) => {
      if (sql.includes("INSERT INTO sums__2 VALUES")) read.database.kill();
    };
    const after = new Map([[0, 3]]);
    await read.projections.rebuild("sums", { after });
    await read.settle();
    expect(await read.tables()).toEqual(["sums__1", "sums__2"]);
    await read.crash();
    await read.projections.built();
    expect(await read.tables()).toEqual(["sums__2"]);
    expect(await read.rows()).toEqual(await foldLast(read, mode === "leave-out" ? after : undefined));
  },
);

test("a raised version is built from the beginning, whatever was left out before", async () => {
  const read = await ReadWorld.start({ modules: [ledger, latest("leave-out")] });
  for (const [n, key] of names(4).entries()) await read.add(key, n);
  await read.settle();
  await read.projections.rebuild("sums", { after: new Map([[0, 2]]) });
  await read.projections.built();
  await read.crash([ledger, latest("leave-out", { version: 2 })]);
  await read.projections.built();
  expect(await read.rows()).toEqual(await foldLast(read));
});

test("it is refused where the projection does not allow it, where old rows serve, and beyond the log", async () => {
  const plain = await ReadWorld.start();
  await plain.add("a", 1);
  await plain.settle();
  const from = { after: new Map([[0, 1]]) };
  expect(await codeOf(plain.projections.rebuild("sums", from))).toBe("partial-rebuild-refused");
  expect(await plain.tables()).toEqual(["sums__1"]);
  await plain.crash([ledger, latest("keep-rows", { version: 2, failsAt: 1 })]);
  expect(await codeOf(plain.projections.rebuild("sums", from))).toBe("partial-rebuild-refused");

  const read = await ReadWorld.start({ modules: [ledger, latest("leave-out")] });
  await read.add("a", 1);
  expect(await codeOf(read.projections.rebuild("sums", { after: new Map([[0, 2]]) }))).toBe("malformed");
  expect(await read.tables()).toEqual(["sums__1"]);
});

test("a build that is under way is not taken for the one that is asked for", async () => {
  const read = await ReadWorld.start({ modules: [ledger, latest("leave-out")] });
  await read.add("a", 1);
  await read.settle();
  await read.projections.rebuild("sums");
  read.database.plan("before", "before");
  expect(await codeOf(read.projections.rebuild("sums", { after: new Map([[0, 1]]) }))).toBe(
    "projection-behind",
  );
  await read.clock.advance("5s");
  await read.projections.built();
  expect(read.status().startsAfter).toBeUndefined();
  expect(await read.tables()).toEqual(["sums__2"]);
});
