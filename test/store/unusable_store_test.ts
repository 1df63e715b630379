import { expect, test } from "vitest";
import type { Statement } from "../../src/store/database.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { shardMigrations, UnusableStoreError } from "../../src/store/migrations.ts";
import { openShardStore } from "../../src/store/shard_store.ts";
import { closedAtEnd, commitOf, eventRow, temporaryFolder } from "./databases.ts";

const shard = { name: "shard-1.db", shard: 1, shards: 4, isFile: true };

/** A file that a database was written to, all of it: nothing is left in a log beside it. */
async function fileOf(statements: readonly Statement[], options?: typeof shard): Promise<string> {
  const made = `${temporaryFolder()}/made.db`;
  const database = await closedAtEnd(openLibsqlDatabase({ url: `file:${made}` }));
  if (options) {
    const { engine } = await openShardStore(database, options);
    await engine.acquire();
    for (let index = 1; index <= 30; index++) {
      const payload = "x".repeat(1_000);
      await engine.append(index - 1, commitOf(index, { events: [eventRow(index, { payload })] }));
    }
  }
  await database.batch(statements, "write");
  await database.execute({ sql: `PRAGMA wal_checkpoint(TRUNCATE)` });
  const file = `${temporaryFolder()}/shard-1.db`;
  Deno.copyFileSync(made, file);
  return file;
}

function fileWith(bytes: Uint8Array): string {
  const file = `${temporaryFolder()}/shard-1.db`;
  Deno.writeFileSync(file, bytes);
  return file;
}

async function cutFile(bytesKept: (length: number) => number): Promise<string> {
  const bytes = Deno.readFileSync(await fileOf([], shard));
  return fileWith(bytes.slice(0, bytesKept(bytes.length)));
}

const setMeta = (key: string, value: string | number): Statement => ({
  sql: `UPDATE meta SET value = ? WHERE key = ?`,
  args: [value, key],
});
const text = (content: string) => new TextEncoder().encode(content);

async function open(file: string, options = shard) {
  const database = await closedAtEnd(openLibsqlDatabase({ url: `file:${file}` }));
  return await openShardStore(database, options);
}

test("a shard's own file is opened again, with all that is in it", async () => {
  const file = await fileOf([], shard);
  const { engine } = await open(file);
  expect(await engine.head()).toMatchObject({ index: 30, position: 30, epoch: 1 });
});

const damage: [what: string, make: () => Promise<string> | string, message: string][] = [
  ["another shard", () => fileOf([], { ...shard, shard: 2 }), "its shard is 2, not 1"],
  [
    "a shard of a store with another count",
    () => fileOf([], { ...shard, shards: 8 }),
    "its shards is 8, not 4",
  ],
  ["the file of another kind", () => fileOf([setMeta("kind", "read")], shard), "its kind is read, not shard"],
  ["a newer schema", () => fileOf([setMeta("schema", 999)], shard), `999, and this program knows up to`],
  ["a schema version that is text", () => fileOf([setMeta("schema", "two")], shard), "schema version is two"],
  [
    "a schema version that is no whole number",
    () => fileOf([setMeta("schema", 0.5)], shard),
    "version is 0.5",
  ],
  ["a negative schema version", () => fileOf([setMeta("schema", -1)], shard), "schema version is -1"],
  [
    "no schema version",
    () => fileOf([{ sql: `DELETE FROM meta WHERE key = 'schema'` }], shard),
    "schema version is undefined",
  ],
  ["a database of another program", () => fileOf([{ sql: `CREATE TABLE users (id)` }]), "of another program"],
  [
    "a database of another program that has a meta table",
    () =>
      fileOf([{ sql: `CREATE TABLE meta (key, value)` }, { sql: `INSERT INTO meta VALUES ('shard', 1)` }]),
    "its application is undefined, not folio",
  ],
  [
    "a database of another program with another meta table",
    () => fileOf([{ sql: `CREATE TABLE meta (id INTEGER, name TEXT)` }]),
    "its meta table is not Folio's",
  ],
  ["a text file", () => fileWith(text("Dear diary,\n".repeat(1_000))), "file is not a database"],
  ["a short text file", () => fileWith(text("hello")), "file is not a database"],
  ["a file cut in half", () => cutFile((length) => length / 2), "malformed"],
  ["a file without its last page", () => cutFile((length) => length - 4_096), "malformed"],
  ["a file cut down to its header", () => cutFile(() => 100), "malformed"],
  ["a file cut down to its first words", () => cutFile(() => 16), "not a database"],
];

// Would catch a wrong setting, or the wrong folder, destroying somebody's data before the mistake is seen.
test.each(damage)("%s is refused, and not a byte of it changes", async (_, make, message) => {
  const file = await make();
  const before = Deno.readFileSync(file);
  const error: unknown = await open(file).then(() => expect.fail("it was opened"), (error: unknown) => error);
  expect(error).toBeInstanceOf(UnusableStoreError);
  expect(error).toMatchObject({ message: expect.stringContaining("Cannot use shard-1.db: ") });
  expect(error).toMatchObject({ message: expect.stringContaining(message) });
  expect(Deno.readFileSync(file)).toEqual(before);
});

test("an empty file is set up, as one that is not there", async () => {
  const { engine, database } = await open(fileWith(new Uint8Array()));
  expect(await engine.head()).toMatchObject({ index: 0, epoch: 0 });
  const [[schema] = []] = await database.execute({ sql: `SELECT value FROM meta WHERE key = 'schema'` });
  expect(schema).toBe(shardMigrations.length);
});

// Would catch an acknowledged commit that a power cut takes back.
test("a file is written with full synchronisation, ahead of its log", async () => {
  const { database } = await open(`${temporaryFolder()}/shard-1.db`);
  expect(await database.execute({ sql: `PRAGMA journal_mode` })).toEqual([["wal"]]);
  expect(await database.execute({ sql: `PRAGMA synchronous` })).toEqual([[2]]);
});
