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
