import { expect, test } from "vitest";
import type { Write } from "../../src/core/projection.ts";
import { ledger } from "../support/actors.ts";
import { codeOf } from "../support/world.ts";
import { ReadWorld, sums, throwsAt } from "./support.ts";

const healthy = sums({ name: "healthy" });
const broken = (n = 13) => sums({ on: throwsAt(n) });

test("a handler that throws stops its projection at the event, which says so, and no other", async () => {
  const read = await ReadWorld.start({ modules: [ledger, broken(), healthy] });
  await read.add("l1", 11, 12, 13, 14);
  await read.settle();
  await read.add("l1", 15);
  await read.settle();
  expect(read.status()).toMatchObject({
    status: "failed",
    token: "0.2",
    lagEvents: 3,
    failure: {
      error: "Error: cannot take 13, as planned",
      event: { shard: 0, position: 3, type: "Added", actor: "ledger/l1" },
      at: read.clock.now(),
    },
  });
  expect(read.logged.filter((line) => line.startsWith("error Projection has stopped"))).toHaveLength(1);
  expect(read.status("healthy")).toMatchObject({ status: "live", lagEvents: 0 });
  expect(await read.rows("healthy")).toEqual(await read.fold());
});

test("the last good rows are served, marked stale, and the failed event's own writes are not among them", async () => {
  const read = await ReadWorld.start({ modules: [ledger, broken()] });
  await read.add("l1", 11, 12, 13, 14);
  await read.settle();
  expect(await read.query("all")).toMatchObject({
    rows: [{ ledger: "l1", sum: 23, count: 2 }],
    isStale: true,
    token: "0.2",
    lagEvents: 2,
  });
});

test("a projection that has failed goes on from the same event once its code is mended", async () => {
  const read = await ReadWorld.start({ modules: [ledger, broken()], shards: 4 });
  for (const key of ["a", "b", "c", "d"]) await read.add(key, 11, 13, 14);
  await read.settle();
  await read.restart();
  expect(read.status().status).toBe("failed");
  await read.crash([ledger, sums()]);
  await read.add("a", 15);
  await read.settle();
  expect(read.status()).toMatchObject({ status: "live", lagEvents: 0, servedVersion: 1 });
  expect(read.status().failure).toBeUndefined();
  expect(await read.rows()).toEqual(await read.fold());
});

const insert = `INSERT INTO sums VALUES (?, ?, 1, '')`;
const faults: [what: string, on: (write: Write, n: number) => unknown, error: RegExp][] = [
  ["is malformed", (write) => write("INSERT INTO"), /syntax|incomplete/],
  ["breaks a constraint", (write) => (write(insert, ["x", 1]), write(insert, ["x", 1])), /UNIQUE/],
  ["breaks one of its columns", (write) => write(insert, ["x", null]), /NOT NULL/],
  ["names a table that is not there", (write) => write("DELETE FROM absent"), /no such table/],
  [
    "touches Folio's checkpoints",
    (write) => write("UPDATE projection_checkpoints SET position = 0"),
    /no such table/,
  ],
  ["names tables as the database has them", (write) => write("DELETE FROM other__2"), /no such table/],
  ["touches another projection's tables", (write) => write("DELETE FROM other"), /no such table/],
  [
    "reads another projection's tables",
    (write) => write(insert.replace("''", "(SELECT sum FROM other)"), ["x", 1]),
    /no such table/,
  ],
  [
    "reads the schema",
    (write) => write("INSERT INTO sums SELECT name, 1, 1, '' FROM sqlite_schema"),
    /belongs to the database/,
  ],
  ["ends the transaction", (write) => write("COMMIT"), /only INSERT/],
  ["begins a savepoint", (write) => write("SAVEPOINT x"), /only INSERT/],
  ["makes tables", (write) => write("CREATE TABLE more (x)"), /only INSERT/],
  ["drops its own", (write) => write("DROP TABLE sums"), /only INSERT/],
  ["attaches a file", (write) => write("ATTACH 'x.db' AS x"), /only INSERT/],
  ["sets a pragma", (write) => write("PRAGMA journal_mode = DELETE"), /only INSERT/],
  ["is two statements", (write) => write("DELETE FROM sums; DELETE FROM sums"), /more than one/],
  ["writes a file", (write) => write("DELETE FROM sums WHERE writefile('/tmp/folio-x', 'x')"), /reaches out/],
  ["rolls dice", (write) => write("DELETE FROM sums WHERE random() > 0"), /replay/],
  ["has too few arguments", (write) => write(insert, ["x"]), /takes 2 arguments with 1/],
  ["is given no number", (write) => write(insert, ["x", NaN]), /finite/],
  ["is given what is no value", (write) => write(insert, ["x", undefined as unknown as null]), /undefined/],
  ["is given an object", (write) => write(insert, ["x", {} as unknown as null]), /Object/],
];

// Would catch SQL that does to the store what only Folio may, and a batch that is lost with the one bad event.
test.each(faults)(
  "SQL that %s stops the projection there, and events before it are kept",
  async (_, on, error) => {
    const bad = sums({
      on: (write, event) => {
        if (event.payload.n !== 13) write(insert, [`${event.key}-${event.payload.n}`, event.payload.n]);
        else on(write, 13);
      },
    });
    const other = sums({
      name: "other",
      tables: [
        `CREATE TABLE other (sum INTEGER)`,
        `CREATE TABLE sums (ledger TEXT PRIMARY KEY, sum, count, trail)`,
      ],
    });
    const read = await ReadWorld.start({ modules: [ledger, bad, other] });
    await read.add("l1", ...Array.from({ length: 40 }, (_, index) => index));
    await read.settle();
    expect(read.status()).toMatchObject({
      status: "failed",
      token: "0.13",
      failure: { event: { position: 14 } },
    });
    expect(read.status().failure?.error).toMatch(error);
    expect(await read.rows()).toHaveLength(13);
    expect(read.status("other")).toMatchObject({ status: "live", lagEvents: 0 });
    await read.crash([
      ledger,
      sums({ on: (write, { payload: { n } }) => write(insert, [`l1-${n}`, n]) }),
      other,
    ]);
    await read.settle();
    expect(await read.rows()).toHaveLength(40);
  },
);

// Would catch a promise that ends the process when nobody looks at it, and a write that comes too late.
test("an asynchronous handler is refused, whatever becomes of its promise", async () => {
  const late: unknown[] = [];
  const asynchronous = sums({
    on: (async (write: Write) => {
      write(insert, ["early", 1]);
      await Promise.resolve();
      try {
        write(insert, ["late", 1]);
      } catch (error) {
        late.push(error);
        throw error;
      }
    }) as never,
  });
  const read = await ReadWorld.start({ modules: [ledger, asynchronous] });
  await read.add("l1", 1);
  await read.settle();
  expect(read.status().failure?.error).toContain("must be synchronous");
  expect(String(late)).toContain("the handler has returned");
  expect(await read.rows()).toEqual([]);
});

test("a query whose rows are not as declared says that it failed, and the projection goes on", async () => {
  const read = await ReadWorld.start({
    modules: [
      ledger,
      sums({
        tables: [
          `CREATE TABLE sums (ledger TEXT PRIMARY KEY, sum TEXT, count INTEGER, trail TEXT)`,
        ],
      }),
    ],
  });
  await read.add("l1", 1);
  await read.settle();
  expect(await codeOf(read.query("all"))).toBe("query-failed");
  expect(read.logged.join()).toContain("error Query failed");
  expect(read.status().status).toBe("live");
});

test("tables of a projection that is no longer among the modules are kept, and it goes on when it comes back", async () => {
  const read = await ReadWorld.start();
  await read.add("l1", 1, 2);
  await read.settle();
  await read.crash([ledger]);
  expect(read.projections.list()).toEqual([]);
  expect(read.logged.join()).toContain("not among the modules");
  expect(await read.tables()).toEqual(["sums__1"]);
  await read.add("l1", 3);
  await read.crash([ledger, sums()]);
  await read.settle();
  expect(await read.rows()).toEqual(await read.fold());
});

test("tables of a projection that is no longer among the modules can be dropped, others cannot", async () => {
  const read = await ReadWorld.start({ modules: [ledger, sums(), healthy] });
  await read.crash([ledger, healthy]);
  await expect(read.projections.drop("healthy")).rejects.toThrow("among the modules");
  expect(await read.projections.drop("nothing")).toBe(false);
  expect(await read.projections.left()).toEqual(["sums"]);
  expect(await read.projections.drop("sums")).toBe(true);
  expect(await read.tables()).toEqual(["sums__2"]);
  expect(await read.projections.left()).toEqual([]);
  expect(await read.shared.look("SELECT count(*) FROM projection_checkpoints WHERE projection = 'sums'"))
    .toEqual([[0]]);
});
