import fc from "fast-check";
import { expect, test } from "vitest";
import { ledger, names } from "../support/actors.ts";
import { watch } from "../support/world.ts";
import { ReadWorld, sums, throwsAt } from "./support.ts";

test.each([1, 4])(
  "rows that are a replay of the log are equal to it, and a check leaves nothing behind, %i shards",
  async (shards) => {
    const read = await ReadWorld.start({ shards });
    for (const key of names(7)) await read.add(key, 1, 2, 3);
    const found = await read.projections.check("sums");
    expect(found).toEqual({
      projection: "sums",
      status: "equal",
      rowsCompared: 7,
      token: read.status().token,
    });
    expect(await read.tables()).toEqual(["sums__1"]);
    await read.add("l1", 4);
    await read.settle();
    expect(read.status()).toMatchObject({ status: "live", lagEvents: 0 });
  },
);

test.each([
  ["was changed", `UPDATE sums__1 SET sum = 99 WHERE ledger >= 'l3'`, "l3", { sum: 99 }, { sum: 3 }],
  ["is missing", `DELETE FROM sums__1 WHERE ledger = 'l2'`, "l2", undefined, { sum: 3 }],
  ["is one too many", `INSERT INTO sums__1 VALUES ('l0a', 7, 1, '')`, "l0a", { sum: 7 }, undefined],
])("a row that %s is named, with both contents", async (_, sql, key, served, replayed) => {
  const read = await ReadWorld.start();
  for (const name of names(6)) await read.add(name, 1, 2);
  await read.settle();
  await read.shared.look(sql);
  const { status, difference } = await read.projections.check("sums");
  expect(status).toBe("different");
  expect(difference).toMatchObject({ table: "sums", key: { ledger: key } });
  if (served) expect(difference?.served).toMatchObject(served);
  else expect(difference?.served).toBeUndefined();
  if (replayed) expect(difference?.replayed).toMatchObject(replayed);
  else expect(difference?.replayed).toBeUndefined();
});

// Would catch a comparison of values that SQLite takes for equal, and of sets where rows may be there twice.
test("rows of a table without a key are counted, and compared to the letter", async () => {
  const read = await ReadWorld.start({
    modules: [
      ledger,
      sums({
        tables: [`CREATE TABLE sums (ledger TEXT COLLATE NOCASE, sum, count)`],
        on: (write, event) => write(`INSERT INTO sums VALUES (?, 'x', 1)`, [event.key]),
      }),
    ],
  });
  await read.add("a", 1, 1, 1);
  expect((await read.projections.check("sums")).status).toBe("equal");
  await read.shared.look(`DELETE FROM sums__1 WHERE rowid = 2`);
  expect((await read.projections.check("sums")).status).toBe("different");
  await read.shared.look(`INSERT INTO sums__1 VALUES ('A', 'x', 1)`);
  expect((await read.projections.check("sums")).status).toBe("different");
});

test("code that would give other rows is found out, and code that cannot handle the log any more", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1, 2);
  await read.settle();
  // The handler was changed, and the version was not raised.
  await read.crash([ledger, sums({ on: throwsAt(2) })]);
  expect(await read.projections.check("sums")).toMatchObject({
    status: "failed",
    failure: { error: "Error: cannot take 2, as planned", event: { position: 2 } },
  });
  await read.crash([
    ledger,
    sums({ on: (write, event) => write(`REPLACE INTO sums VALUES (?, 5, 2, '')`, [event.key]) }),
  ]);
  expect(await read.projections.check("sums")).toMatchObject({
    status: "different",
    difference: { key: { ledger: "l1" }, served: { sum: 3 }, replayed: { sum: 5 } },
  });
  expect(await read.tables()).toEqual(["sums__1"]);
});

test("a check that a crash has ended is forgotten, and never serves", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1);
  await read.settle();
  read.database.onWrite = (sql) => {
    if (sql.includes("INSERT INTO sums__2")) read.database.kill();
  };
  void read.projections.check("sums");
  await read.settle();
  expect(await read.tables()).toEqual(["sums__1", "sums__2"]);
  await read.crash();
  expect(await read.tables()).toEqual(["sums__1"]);
  expect(read.status().build).toBeUndefined();
});

test("a check can be given up, and events go on afterwards", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1, 2);
  await read.settle();
  read.database.onWrite = (sql) => {
    if (sql.includes("INSERT INTO sums__2")) void read.projections.cancelRebuild("sums");
  };
  const check = watch(read.projections.check("sums"));
  await read.settle();
  await read.settle();
  expect(check.value).toMatchObject({ status: "cancelled" });
  await read.add("l1", 3);
  await read.settle();
  expect(await read.rows()).toEqual(await read.fold());
});

test("events that come during a check are in the rows afterwards", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1);
  await read.settle();
  const check = read.projections.check("sums");
  for (let n = 0; n < 20; n++) await read.add("l1", n);
  expect((await check).status).toBe("equal");
  await read.settle();
  expect(await read.rows()).toEqual(await read.fold());
});

/** Keeps the last number of each ledger, and no row after a negative one: contents come back. */
const last = sums({
  on: (write, { key, payload: { n } }) => {
    if (n < 0) return write(`DELETE FROM sums WHERE ledger = ?`, [key]);
    write(`REPLACE INTO sums VALUES (?, ?, 1, '')`, [key, n]);
  },
});

// Would catch an event too early or too late, one of another row or shard, and one before the last at which the
// rows were equal.
test(
  "the event where a row parts is the one after the last at which a replay gives it as it serves",
  async () => {
    const added = fc.record({ key: fc.constantFrom(...names(3)), n: fc.integer({ min: -1, max: 2 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(added, { minLength: 1, maxLength: 30 }),
        fc.constantFrom(...names(3)),
        fc.integer({ min: 0, max: 3 }),
        fc.constantFrom(1, 3),
        async (log, key, served, shards) => {
          const read = await ReadWorld.start({ modules: [ledger, last], shards });
          for (const { key, n } of log) await read.add(key, n);
          await read.settle();
          // What the row is after each event; 3 is what it never is, and -1 that it is not there.
          const events = (await read.world.events()).filter(({ actor }) => actor === `ledger/${key}`);
          const contents = [-1, ...events.map(({ payload }) => (payload as { n: number }).n)];
          await read.shared.look(`DELETE FROM sums__1 WHERE ledger = '${key}'`);
          const wanted = served === 0 ? -1 : served;
          if (wanted >= 0) await read.shared.look(`INSERT INTO sums__1 VALUES ('${key}', ${wanted}, 1, '')`);
          const { status, difference } = await read.projections.check("sums");
          expect(status).toBe(contents.at(-1) === wanted ? "equal" : "different");
          if (status === "equal") return;
          const place = (index: number) => {
            const { shard, position, type, actor, version } = events[index - 1] ?? {};
            return { shard, position, type, actor, version };
          };
          const parted = contents.findLastIndex((content, index) =>
            content !== wanted && contents[index - 1] === wanted
          );
          const written = contents.findLastIndex((content, index) =>
            content === contents.at(-1) && index > 0 && contents[index - 1] !== content
          );
          expect(difference?.partedAt).toEqual(parted > 0 ? place(parted) : undefined);
          expect(difference?.writtenBy).toEqual(parted > 0 || written < 0 ? undefined : place(written));
          expect(await read.tables()).toEqual(["sums__1"]);
        },
      ),
      { numRuns: 60, seed: 31 },
    );
  },
  60_000,
);

test("rows without a key are traced too, and far back", async () => {
  const listed = sums({
    tables: [`CREATE TABLE sums (ledger TEXT COLLATE NOCASE, n)`],
    on: (write, event) => write(`INSERT INTO sums VALUES (?, ?)`, [event.key, event.payload.n]),
  });
  const read = await ReadWorld.start({ modules: [ledger, listed] });
  const numbers = Array.from({ length: 2_500 }, (_, n) => n % 1_200);
  while (numbers.length > 0) await read.add("a", ...numbers.splice(0, 500));
  await read.settle();
  await read.shared.look(`DELETE FROM sums__1 WHERE n = 7 AND rowid > 100`);
  const { difference } = await read.projections.check("sums");
  expect(difference).toMatchObject({
    key: { ledger: "a", n: 7 },
    partedAt: { position: 1_208, version: 1_208 },
  });
});

test("a check that is given up while it looks for the event still says what differs", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1, 2);
  await read.settle();
  await read.shared.look(`UPDATE sums__1 SET sum = 9`);
  read.database.onWrite = (sql) => {
    if (sql.includes("INSERT INTO sums__3")) void read.projections.cancelRebuild("sums");
  };
  const { difference } = await read.projections.check("sums");
  expect(difference).toMatchObject({ served: { sum: 9 }, replayed: { sum: 3 } });
  expect(await read.tables()).toEqual(["sums__1"]);
});
