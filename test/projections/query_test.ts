import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { query, type SqlArgument } from "../../src/core/projection.ts";
import { createRuntime } from "../../src/create_runtime.ts";
import { temporaryFolder } from "../store/databases.ts";
import { ledger, names } from "../support/actors.ts";
import { codeOf, watch } from "../support/world.ts";
import { ReadWorld, sums } from "./support.ts";

/** A projection that asks whatever the test wants to know. */
function asking(sql: string, args?: readonly SqlArgument[], row = z.object({ ledger: z.string() })) {
  const base = sums();
  return { ...base, queries: new Map([["ask", query(z.object({}), row, () => args ? [sql, args] : [sql])]]) };
}

test("a query gives its rows in order, what they reflect, and how far behind that is", async () => {
  const read = await ReadWorld.start({ shards: 4 });
  for (const [index, key] of names(6).entries()) await read.add(key, index);
  await read.settle();
  const { rows, ...rest } = await read.query("at-least", { sum: "2" });
  expect(rows.map((row) => row.ledger)).toEqual(["l5", "l4", "l3", "l2"]);
  expect(rest).toMatchObject({ isTruncated: false, isStale: false, lagEvents: 0 });
  expect([...read.world.runtime.parseToken(rest.token)].sort()).toEqual(
    [...read.world.runtime.positions()].filter(([, position]) => position > 0).sort(),
  );
});

test("there are as many rows as may be, and one more is said to be cut off", async () => {
  const read = await ReadWorld.start({ limits: { queryRowsMax: 3 } });
  for (const key of names(3)) await read.add(key, 1);
  await read.settle();
  expect(await read.query("all")).toMatchObject({ rows: { length: 3 }, isTruncated: false });
  await read.add("l9", 1);
  await read.settle();
  expect(await read.query("all")).toMatchObject({ rows: { length: 3 }, isTruncated: true });
});

test("unknown projections and queries, and input that does not fit, are told apart", async () => {
  const read = await ReadWorld.start();
  expect(await codeOf(read.projections.query("nothing", "all", {}, { waitMs: 0 }))).toBe(
    "unknown-projection",
  );
  expect(await codeOf(read.query("nothing"))).toBe("unknown-query");
  expect(await codeOf(read.query("of"))).toBe("invalid-input");
  expect(await codeOf(read.query("at-least", { sum: "many" }))).toBe("invalid-input");
  expect(await codeOf(read.projections.rebuild("nothing"))).toBe("unknown-projection");
  expect(await codeOf(read.projections.cancelRebuild("nothing"))).toBe("unknown-projection");
  expect(await codeOf(read.projections.check("nothing"))).toBe("unknown-projection");
});

// Would catch a query that writes, reads what is not its projection's, or gets around the limit of its rows.
test.each([
  `INSERT INTO sums VALUES ('x', 1, 1, '') RETURNING ledger`,
  `DELETE FROM sums RETURNING ledger`,
  `WITH x AS (SELECT 1) INSERT INTO sums SELECT 'x', 1, 1, '' FROM x RETURNING ledger`,
  `UPDATE sums SET sum = 0`,
  `DROP TABLE sums`,
  `ATTACH 'x.db' AS ledger`,
  `PRAGMA journal_mode = DELETE`,
  `PRAGMA query_only = 0`,
  `VACUUM INTO '/tmp/folio-x.db'`,
  `SELECT ledger FROM sums; DELETE FROM sums`,
  `SELECT ledger FROM sums) LIMIT 1; DELETE FROM sums; --`,
  `SELECT ledger FROM sums) UNION ALL SELECT ledger FROM (SELECT ledger FROM sums`,
  `SELECT projection AS ledger FROM projection_checkpoints`,
  `SELECT name AS ledger FROM generation_tables`,
  `SELECT ledger FROM other`,
  `SELECT value AS ledger FROM read_meta`,
  `SELECT name AS ledger FROM sqlite_schema`,
  `SELECT name AS ledger FROM pragma_function_list`,
  `SELECT name AS ledger FROM dbstat`,
  `SELECT name AS ledger FROM fsdir('/')`,
  `SELECT hex(readfile('/etc/hostname')) AS ledger`,
  `SELECT writefile('/tmp/folio-x', 'x') AS ledger`,
  `SELECT sha3_query('SELECT 1') AS ledger`,
  `SELECT ledger FROM sums WHERE ledger = ?`,
  `SELECT absent AS ledger FROM sums`,
  `SELECT sum FROM sums`,
  ``,
  `SELECT 'x' AS ledger /* `,
])("a query that is %s fails, and changes nothing", async (sql) => {
  const other = sums({ name: "other", tables: [`CREATE TABLE other (ledger)`, ...sums().tables] });
  const read = await ReadWorld.start({ modules: [ledger, asking(sql), other] });
  await read.add("l1", 1);
  await read.settle();
  const before = await read.rows();
  expect(await codeOf(read.query("ask"))).toBe("query-failed");
  expect(await read.rows()).toEqual(before);
  expect(await read.shared.look("PRAGMA journal_mode")).toEqual([["memory"]]);
});

test.each([
  [`SELECT ledger FROM sums;`, ["l1"]],
  [`SELECT ledger FROM sums -- all of them`, ["l1"]],
  [
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i || '' AS ledger FROM n ORDER BY i DESC`,
    ["3", "2", "1"],
  ],
  [`VALUES ('a'), ('b')`, undefined],
  [`SELECT value AS ledger FROM json_each('["x", "y"]')`, ["x", "y"]],
  [`SELECT ledger FROM sums UNION SELECT 'z' ORDER BY 1 DESC`, ["z", "l1"]],
])("a query that is %s reads", async (sql, found) => {
  const read = await ReadWorld.start({ modules: [ledger, asking(sql)] });
  await read.add("l1", 1);
  await read.settle();
  if (!found) return expect(await codeOf(read.query("ask"))).toBe("query-failed"); // no column of the row's name
  expect((await read.query("ask")).rows.map((row) => row.ledger)).toEqual(found);
});

test("a token is waited for until the rows reflect it, without asking again and again", async () => {
  const read = await ReadWorld.start({ shards: 4 });
  const release = hold(read);
  const tokens = [];
  for (const key of names(8)) tokens.push(await read.add(key, 1));
  const queries = tokens.map((atLeast) => watch(read.query("all", {}, { atLeast })));
  await read.settle();
  expect(queries.every(({ state }) => state === "waiting")).toBe(true);
  release();
  await read.settle();
  expect(queries.every(({ state }) => state === "resolved")).toBe(true);
  for (const [index, key] of names(8).entries()) {
    expect(queries[index]?.value?.rows).toContainEqual({ ledger: key, sum: 1, count: 1 });
  }
  expect(read.clock.pending).toBeLessThan(20);
});

test("a token that is not reached in time is told so, at that time and not before", async () => {
  const read = await ReadWorld.start();
  const query = watch(read.query("all", {}, { atLeast: "0.5", waitMs: 1_000 }));
  await read.clock.advance(999);
  expect(query.state).toBe("waiting");
  await read.clock.advance(1);
  expect(query).toMatchObject({ state: "rejected", error: { code: "projection-behind" } });
  await read.add("l1", 1, 2, 3, 4, 5);
  expect((await read.query("all", {}, { atLeast: "0.5" })).lagEvents).toBe(0);
});

test("a token that will never be reached is not waited for: the projection has failed", async () => {
  const read = await ReadWorld.start({
    modules: [
      ledger,
      sums({
        on: () => {
          throw new Error("as planned");
        },
      }),
    ],
  });
  const release = hold(read);
  const early = watch(read.query("all", {}, { atLeast: "0.1" }));
  await read.add("l1", 1);
  release();
  await read.settle();
  expect(early).toMatchObject({ state: "rejected", error: { code: "projection-behind" } });
  expect(await codeOf(read.query("all", {}, { atLeast: "0.1" }))).toBe("projection-behind");
});

// Would catch those who wait at the old projector being forgotten there.
test("a token that is waited for is reached by the tables that take the old ones' place", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1);
  await read.settle();
  await read.crash([ledger, sums({ version: 2 })]);
  const query = watch(read.query("all", {}, { atLeast: "0.2" }));
  await read.add("l1", 2);
  await read.projections.built();
  await read.settle();
  expect(query).toMatchObject({ state: "resolved", value: { rows: [{ sum: 3 }], isStale: false } });
});

test("draining ends all waiting", async () => {
  const read = await ReadWorld.start();
  const query = watch(read.query("all", {}, { atLeast: "0.5" }));
  await read.world.runtime.drain();
  await read.settle();
  expect(query).toMatchObject({ state: "rejected", error: { code: "projection-behind" } });
});

/** Keeps all writes back until it is released. */
function hold(read: ReadWorld): () => void {
  const gate = Promise.withResolvers<void>();
  const { database } = read;
  const batch = database.batch.bind(database);
  database.batch = async (statements, mode) => {
    await gate.promise;
    return await batch(statements, mode);
  };
  return () => gate.resolve();
}

test("queries in a folder see each write at once with its token, and survive rebuilds", async () => {
  const runtime = await createRuntime({ modules: [ledger, sums()], data: temporaryFolder(), shards: 4 });
  onTestFinished(() => runtime[Symbol.asyncDispose]());
  let rebuilds = 0;
  let isOver = false;
  const rebuilding = (async () => {
    while (!isOver) {
      await runtime.projections.rebuild("sums");
      await runtime.projections.built();
      rebuilds++;
    }
  })();
  await Promise.all(
    names(8).map(async (key) => {
      for (let n = 1; n <= 50; n++) {
        const { token } = await runtime.ask(ledger.ref(key).add({ n: 1 }));
        const { rows } = await runtime.projections.query("sums", "of", { ledger: key }, {
          atLeast: runtime.parseToken(token),
          waitMs: 10_000,
        });
        expect(rows).toEqual([{ ledger: key, sum: n, count: n }]);
      }
    }),
  );
  isOver = true;
  await rebuilding;
  expect(rebuilds).toBeGreaterThan(2);
  expect(await runtime.projections.check("sums")).toMatchObject({ status: "equal", rowsCompared: 8 });
});
