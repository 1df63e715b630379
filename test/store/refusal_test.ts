import { describe, expect, test } from "vitest";
import { DatabaseError } from "../../src/store/database.ts";
import { LocalEngine } from "../../src/store/engine.ts";
import { isRefusal, RefusedError } from "../../src/store/refusal.ts";
import { closedTo, POISON } from "../support/poison.ts";
import { commitOf, databaseKinds, dump, eventRow, openStore, queuedMessage } from "./databases.ts";

describe.each(databaseKinds)("a database $kind", (kind) => {
  test("refuses for good what a table does not take, whatever else is in the commit, and takes the next one", async () => {
    const { database } = await openStore(kind);
    for (const sql of closedTo("events", "messages")) await database.execute({ sql });
    const engine = new LocalEngine(database);
    await engine.acquire();
    await engine.append(0, commitOf(1, { events: [eventRow(1)] }));
    const before = await dump(database);
    const poisons = [
      { events: [eventRow(2), eventRow(3, { payload: { text: POISON } })] },
      { events: [eventRow(2)], messages: [queuedMessage(1), queuedMessage(2, { input: POISON })] },
      // No trigger of ours: what SQLite itself says of text that is no JSON, and of a number that is none.
      {
        events: [eventRow(2)],
        buried: [["m", "thing/a", 1, NaN, "x"] as const],
        prune: { handledBefore: NaN, limit: 1 },
      },
    ];
    for (const changes of poisons) {
      await expect(engine.append(1, commitOf(2, changes))).rejects.toThrow(RefusedError);
      expect(await dump(database)).toEqual(before);
    }
    expect(await engine.append(1, commitOf(2, { events: [eventRow(2)] }))).toBe(2);
  });

  test.each([
    ["a constraint", "INSERT INTO things VALUES (1, NULL)", []],
    ["a check", "INSERT INTO things VALUES (1, 'no')", []],
    ["a trigger", "INSERT INTO things VALUES (1, ?)", [POISON]],
    ["a type", "INSERT INTO things VALUES (?, 'a')", ["x"]],
    ["a text that is no JSON", "INSERT INTO things SELECT 1, value FROM json_each(?)", ["[1,"]],
    ["JSON that is too deep", "INSERT INTO things SELECT 1, value FROM json_each(?)", [
      `${"[".repeat(1_100)}${"]".repeat(1_100)}`,
    ]],
    ["a value that is too long", "INSERT INTO things VALUES (1, hex(zeroblob(700000000)))", []],
    ["a number that is none", "INSERT INTO things VALUES (?, 'a')", [NaN]],
  ])("%s is a refusal", async (_what, sql, args) => {
    expect(await refusalOf(kind, sql, args)).toBe(true);
  });

  test.each([
    ["a table that is not there", "INSERT INTO absent VALUES (1)"],
    ["a column that is not there", "INSERT INTO things (absent) VALUES (1)"],
    ["a transaction that is over", "COMMIT"],
  ])("%s is none", async (_what, sql) => {
    expect(await refusalOf(kind, sql, [])).toBe(false);
  });
});

async function refusalOf(kind: typeof databaseKinds[number], sql: string, args: (string | number)[]) {
  const { database } = await openStore(kind);
  await database.batch([
    { sql: "CREATE TABLE things (a INTEGER PRIMARY KEY, b TEXT NOT NULL CHECK (b <> 'no')) STRICT" },
    {
      sql: `CREATE TRIGGER closed BEFORE INSERT ON things WHEN new.b = '${POISON}'
        BEGIN SELECT RAISE(ABORT, 'not here'); END`,
    },
  ], "write");
  try {
    await database.batch([{ sql, args }], "write");
  } catch (error) {
    return isRefusal(error);
  }
  throw new Error("It was taken");
}

test("errors of the store, of the way to it, and unknown ones are no refusals", () => {
  const codes = [
    ...[
      "BUSY",
      "LOCKED",
      "IOERR",
      "FULL",
      "READONLY",
      "CANTOPEN",
      "NOMEM",
      "INTERRUPT",
      "PROTOCOL",
      "CORRUPT",
    ],
    ...["NOTADB", "PERM", "AUTH", "INTERNAL", "ABORT", "SCHEMA", "MISUSE"],
  ].map((code) => `SQLITE_${code}`);
  const others = [
    "CLOSED",
    "UNKNOWN",
    "THREAD_FAILED",
    "TRANSACTION_CLOSED",
    "HRANA_CLOSED_ERROR",
    "STREAM_EXPIRED",
  ];
  for (const code of [...codes, ...others]) expect(isRefusal(new DatabaseError("failed", code))).toBe(false);
  expect(isRefusal(new TypeError("fetch failed"))).toBe(false);
  // A code that the driver has no name for: a constraint about a type, and an I/O error.
  expect(isRefusal(new DatabaseError("cannot store", "UNKNOWN_SQLITE_ERROR_3091"))).toBe(true);
  expect(isRefusal(new DatabaseError("cannot write", "UNKNOWN_SQLITE_ERROR_8714"))).toBe(false);
  expect(isRefusal(new DatabaseError("Server returned HTTP status 502", "SERVER_ERROR"))).toBe(false);
  expect(isRefusal(new DatabaseError("Server returned HTTP status 413", "SERVER_ERROR"))).toBe(true);
  expect(isRefusal(new DatabaseError("database disk image is malformed", "SQLITE_ERROR"))).toBe(false);
  expect(isRefusal(new DatabaseError("database or disk is full", "SQLITE_ERROR"))).toBe(false);
});
