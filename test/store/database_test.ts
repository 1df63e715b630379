import { describe, expect, test } from "vitest";
import { type Database, DatabaseError } from "../../src/store/database.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { openWorkerDatabase } from "../../src/store/worker_database.ts";
import { closedAtEnd, databaseKinds, temporaryFolder } from "./databases.ts";

/** What a promise failed with; fails itself when it did not. */
async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    (value) => expect.fail(`it should have failed, and gave ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

describe.each(databaseKinds)("a database $kind", ({ open }) => {
  const openItems = async (): Promise<Database> => {
    const database = await closedAtEnd(open());
    await database.execute({ sql: `CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT) STRICT` });
    return database;
  };
  const insert = (id: number, name: string | null = `item ${id}`) => ({
    sql: `INSERT INTO items VALUES (?, ?)`,
    args: [id, name],
  });
  const idsIn = async (database: Database) =>
    (await database.execute({ sql: `SELECT id FROM items ORDER BY id` })).map(([id]) => id);

  test("gives rows as arrays, in the order of the columns", async () => {
    const database = await openItems();
    await database.batch([insert(1, "a"), insert(2, null)], "write");
    const rows = await database.execute({ sql: `SELECT name, id, id AS name FROM items ORDER BY id` });
    expect(rows).toEqual([["a", 1, 1], [null, 2, 2]]);
    expect(rows.every((row) => Array.isArray(row))).toBe(true);
  });

  test("gives the rows of each statement of a batch, which sees what those before it wrote", async () => {
    const database = await openItems();
    const count = { sql: `SELECT count(*) FROM items` };
    const answers = await database.batch([count, insert(1), count, insert(2), count], "write");
    expect(answers).toEqual([[[0]], [], [[1]], [], [[2]]]);
    expect(await database.batch([], "write")).toEqual([]);
  });

  // Would catch half a commit on disk: an event without the record that its message was handled.
  test("runs a batch as a whole or not at all", async () => {
    const database = await openItems();
    await database.execute(insert(2));
    for (const wrong of [insert(2), { sql: `INSERT INTO nowhere VALUES (1)` }, { sql: `SELECT FROM` }]) {
      const failure = await failureOf(database.batch([insert(1), wrong, insert(3)], "write"));
      expect(failure).toBeInstanceOf(DatabaseError);
      expect(failure).toMatchObject({ name: "DatabaseError", code: expect.stringMatching(/^SQLITE_/) });
      expect(await idsIn(database)).toEqual([2]);
    }
  });

  test("names the constraint that was violated, by code and by message", async () => {
    const database = await openItems();
    await database.execute(insert(1));
    const failures = [
      await failureOf(database.execute(insert(1))),
      await failureOf(database.batch([insert(1)], "write")),
    ];
    for (const failure of failures) {
      expect(failure).toMatchObject({
        code: expect.stringMatching(/^SQLITE_CONSTRAINT/),
        message: expect.stringContaining("UNIQUE constraint failed: items.id"),
      });
    }
  });

  // Would catch a transaction that stays open behind a failure and swallows all that is written after it.
  test("works on after a failed batch", async () => {
    const database = await openItems();
    await failureOf(database.batch([insert(1), insert(1)], "write"));
    await database.batch([insert(4)], "write");
    await database.execute(insert(5));
    await failureOf(database.execute({ sql: `SELEC` }));
    await database.batch([insert(6)], "write");
    expect(await idsIn(database)).toEqual([4, 5, 6]);
  });

  // Would catch a commit being overtaken by the one behind it.
  test("answers requests in the order they were made, failed ones too", async () => {
    const database = await openItems();
    await database.execute(insert(0));
    const settled: number[] = [];
    const add = { sql: `UPDATE items SET id = id + 1 RETURNING id` };
    const requests = Array.from({ length: 30 }, (_, n) => {
      const statements = n % 3 === 2 ? [add, { sql: `SELECT nothing` }] : [add];
      const request = n % 3 === 0 ? database.execute(add) : database.batch(statements, "write");
      const settle = () => settled.push(n);
      request.then(settle, settle);
      return request;
    });
    const answers = await Promise.allSettled<unknown>(requests);
    const ids = answers.map((answer) => answer.status === "fulfilled" ? [answer.value].flat(3)[0] : "failed");
    expect(ids).toEqual(requests.map((_, n) => n % 3 === 2 ? "failed" : 2 * Math.floor(n / 3) + n % 3 + 1));
    expect(settled).toEqual(requests.map((_, n) => n));
  });

  test("keeps texts and numbers as they are", async () => {
    const database = await openItems();
    const texts = [
      "",
      "'",
      '"',
      "''; DROP TABLE items; --",
      "😀 é 語",
      "a\nb\tc",
      "\\u0000",
      "?1 :a",
      "x".repeat(1e5),
    ];
    for (const [id, text] of texts.entries()) await database.execute(insert(id, text));
    const rows = await database.execute({ sql: `SELECT name FROM items ORDER BY id` });
    expect(rows.map(([name]) => name)).toEqual(texts);

    const numbers = [0, -1, 2 ** 31, -(2 ** 53) + 1, 2 ** 53 - 1, 1_700_000_000_000];
    await database.batch(
      [{ sql: `DELETE FROM items` }, ...numbers.map((number) => insert(number, null))],
      "write",
    );
    expect(await idsIn(database)).toEqual([...numbers].sort((a, b) => a - b));
  });

  // Would catch a whole number that becomes a fraction on its way: as text it is then another one.
  test("takes whole numbers for whole numbers, and others for fractions", async () => {
    const database = await openItems();
    const sql = `SELECT typeof(?1) || ' ' || ?1`;
    const texts = await Promise.all(
      [2, -7, 2.5, 2 ** 53 - 1].map((n) => database.execute({ sql, args: [n] })),
    );
    expect(texts.flat(2)).toEqual(["integer 2", "integer -7", "real 2.5", "integer 9007199254740991"]);
    // The driver would end the process.
    const notTyped: unknown[] = [true, undefined, new Date(0), {}, [1]];
    for (const wrong of [NaN, Infinity, ...notTyped as number[]]) {
      expect(await failureOf(database.execute({ sql, args: [wrong] }))).toBeInstanceOf(DatabaseError);
    }
    const tooLarge = { sql: `SELECT 9007199254740993` };
    expect(await failureOf(database.execute(tooLarge))).toBeInstanceOf(DatabaseError);
  });

  // Would catch a statement that is run again with what it was given the last time.
  test("takes arguments that are not given for NULL, each time", async () => {
    const database = await openItems();
    const select = { sql: `SELECT ?1, ?2` };
    const given = [[1, "a"], [2], [], [null, "b"]];
    for (const args of given) {
      if (database.isRemote && args.length < 2) {
        // The protocol leaves it to the server, and calls it an error.
        expect(await failureOf(database.execute({ ...select, args }))).toBeInstanceOf(DatabaseError);
        continue;
      }
      const rows = await database.execute({ ...select, args });
      expect(rows).toEqual([[args[0] ?? null, args[1] ?? null]]);
    }
  });

  // Would catch statements that were made for tables as they were before.
  test("runs the same statements when the tables have changed, and when they are more than can be kept", async () => {
    const database = await openItems();
    const all = { sql: `SELECT * FROM items ORDER BY id` };
    await database.batch([insert(1, "a"), all], "write");
    const [, changed] = await database.batch(
      [{ sql: `ALTER TABLE items ADD COLUMN size INTEGER` }, all],
      "write",
    );
    expect(changed).toEqual([[1, "a", null]]);
    expect(await failureOf(database.execute(insert(2)))).toBeInstanceOf(DatabaseError);

    await database.batch([{ sql: `DROP TABLE items` }, { sql: `CREATE TABLE items (id, name)` }], "write");
    for (let n = 0; n < 500; n++) await database.execute({ sql: `SELECT ${n}` });
    await database.execute(insert(3));
    expect(await database.execute(all)).toEqual([[3, "item 3"]]);
  });

  test("fails with a DatabaseError once it is closed", async () => {
    const database = await openItems();
    await database.close();
    for (const late of [database.execute({ sql: `SELECT 1` }), database.batch([insert(1)], "write")]) {
      const failure = await failureOf(late);
      expect(failure).toBeInstanceOf(DatabaseError);
      expect(failure).toMatchObject({ code: expect.stringMatching(/CLOSED$/) });
    }
  });

  // Would catch a request that is never answered: whoever asked would wait for ever, and the process never end.
  test("answers every request made before and while it is being closed", async () => {
    const database = await openItems();
    const before = database.execute(insert(1));
    const closing = database.close();
    const during = database.execute({ sql: `SELECT 1` });
    const [, closed, late] = await Promise.allSettled([before, closing, during]);
    expect(closed.status).toBe("fulfilled");
    expect(late).toMatchObject({ status: "rejected", reason: { name: "DatabaseError" } });
  });
});

test("what a worker has answered is in the file, for whoever opens it next", async () => {
  const url = `file:${temporaryFolder()}/kept.db`;
  const database = await closedAtEnd(openWorkerDatabase({ url }));
  await database.batch([{ sql: `CREATE TABLE t (n)` }, { sql: `INSERT INTO t VALUES (7)` }], "write");
  await database.close();
  const again = await closedAtEnd(openLibsqlDatabase({ url }));
  expect(await again.execute({ sql: `SELECT n FROM t` })).toEqual([[7]]);
});

test.each(["file:/nowhere/at/all/test.db", "gopher://example.com/"])(
  "a database at %s is refused with a DatabaseError, by the worker too",
  async (url) => {
    const failure = await failureOf(openWorkerDatabase({ url }));
    expect(failure).toBeInstanceOf(DatabaseError);
  },
);
