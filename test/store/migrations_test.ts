import { describe, expect, test } from "vitest";
import type { Database } from "../../src/store/database.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { migrate, type Migration, shardMigrations, UnusableStoreError } from "../../src/store/migrations.ts";
import { LocalEngine } from "../../src/store/engine.ts";
import { closedAtEnd, commitOf, dump, eventRow, openStore, queuedMessage } from "./databases.ts";

const identity = { application: "folio", kind: "shard", shard: 2, shards: 4 };
const later: Migration = [
  `ALTER TABLE events ADD COLUMN tenant TEXT NOT NULL DEFAULT 'none'`,
  `CREATE TABLE leases (id TEXT PRIMARY KEY) STRICT`,
];

const openEmpty = () => closedAtEnd(openLibsqlDatabase({ url: "file::memory:" }));
const openAt = async (migrations: readonly Migration[]) => {
  const database = await openEmpty();
  await migrate(database, "test.db", identity, migrations);
  return database;
};
const schemaOf = (database: Database) =>
  database.execute({ sql: `SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name` });
const metaOf = async (database: Database) =>
  Object.fromEntries(
    (await database.execute({ sql: `SELECT key, value FROM meta` })).map(([k, v]) => [k, v]),
  );

/** The same database, which notes what is asked of it. */
function watched(database: Database): { database: Database; asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    database: {
      ...database,
      execute(statement) {
        asked.push(statement.sql);
        return database.execute(statement);
      },
      batch(statements, mode) {
        asked.push(...statements.map(({ sql }) => sql));
        return database.batch(statements, mode);
      },
    },
  };
}

test("an empty database becomes what it is said to be, with the present schema and no rows", async () => {
  const database = await openAt(shardMigrations);
  expect(await metaOf(database)).toEqual({ ...identity, epoch: 0, schema: shardMigrations.length });
  const { meta: _, ...tables } = await dump(database);
  expect(Object.keys(tables)).toEqual(expect.arrayContaining(["commits", "events", "messages", "outbox"]));
  expect(Object.values(tables).flat()).toEqual([]);
});

// Would catch a start that writes, or that sets anything back, as the epoch.
test("a database of the present schema is only read", async () => {
  const { database, engine } = await openStore();
  await engine.acquire();
  await engine.append(0, commitOf(1, { events: [eventRow(1)], messages: [queuedMessage(1)] }));
  const before = [await schemaOf(database), await dump(database)];
  const { database: again, asked } = watched(database);
  await migrate(again, "test.db", { ...identity, shard: 0, shards: 1 }, shardMigrations);
  expect(asked.length).toBeGreaterThan(0);
  expect(asked.every((sql) => sql.startsWith("SELECT"))).toBe(true);
  expect([await schemaOf(database), await dump(database)]).toEqual(before);
});

// Whatever version a store was made by, this program must be able to bring it forward.
describe.each(Array.from({ length: shardMigrations.length + 1 }, (_, version) => version))(
  "a database of schema version %i",
  (version) => {
    test("gets the schema that a new one has", async () => {
      const database = await openAt(shardMigrations.slice(0, version));
      await migrate(database, "test.db", identity, shardMigrations);
      const fresh = await openAt(shardMigrations);
      expect(await schemaOf(database)).toEqual(await schemaOf(fresh));
      expect(await metaOf(database)).toEqual(await metaOf(fresh));
    });

    test("runs the later steps only, in one transaction", async () => {
      const old = await openAt(shardMigrations.slice(0, version));
      const { database, asked } = watched(old);
      let batches = 0;
      const batch: Database["batch"] = (statements, mode) => {
        batches++;
        return database.batch(statements, mode);
      };
      await migrate({ ...database, batch }, "test.db", identity, [...shardMigrations, later]);
      expect(batches).toBe(1);
      const steps = new Set([...shardMigrations, later].flat());
      expect(asked.filter((sql) => steps.has(sql))).toEqual(
        [...shardMigrations.slice(version), later].flat(),
      );
    });
  },
);

test("a step forward keeps every row, the epoch and the order of commits", async () => {
  const database = await openAt(shardMigrations);
  const engine = new LocalEngine(database);
  await engine.acquire();
  await engine.append(0, commitOf(1, { events: [eventRow(1), eventRow(2)], messages: [queuedMessage(1)] }));
  const before = await dump(database);
  await migrate(database, "test.db", identity, [...shardMigrations, later]);
  const after = await dump(database);
  expect(after).toEqual({
    ...before,
    events: before.events?.map((row) => [...row as unknown[], "none"]),
    leases: [],
    meta: before.meta?.map((row) =>
      (row as unknown[])[0] === "schema" ? ["schema", shardMigrations.length + 1] : row
    ),
  });
  expect(await engine.head()).toMatchObject({ index: 1, epoch: 1, position: 2 });
});

// Would catch an older program, started by mistake, writing into tables that it does not know.
test("a database that a later program has brought forward is refused by this one", async () => {
  const database = await openAt([...shardMigrations, later]);
  const before = await dump(database);
  const refused = migrate(database, "test.db", identity, shardMigrations);
  await expect(refused).rejects.toThrow(UnusableStoreError);
  await expect(refused).rejects.toThrow(
    `schema version ${shardMigrations.length + 1}, and this program knows up to`,
  );
  expect(await dump(database)).toEqual(before);
});

// Would catch a database half way between two versions, which no program could use.
test.each([0, shardMigrations.length])(
  "a step that fails leaves a database of version %i as it was",
  async (from) => {
    const database = await openAt(shardMigrations.slice(0, from));
    const before = [await schemaOf(database), await dump(database)];
    const broken: Migration = [`CREATE TABLE half (n INTEGER)`, `INSERT INTO nowhere VALUES (1)`];
    await expect(migrate(database, "test.db", identity, [...shardMigrations, broken])).rejects.toThrow(
      "nowhere",
    );
    expect([await schemaOf(database), await dump(database)]).toEqual(before);
    await migrate(database, "test.db", identity, [...shardMigrations, later]);
    expect(await metaOf(database)).toMatchObject({ schema: shardMigrations.length + 1 });
  },
);
