import { createArchived } from "./archive.ts";
import { createChain } from "./chain.ts";
import { createCheckpoints } from "./checkpoints.ts";
import { createCommits } from "./commits.ts";
import { type Database, DatabaseError, type Statement } from "./database.ts";
import { createEvents } from "./events.ts";
import { createMessages, extendMessages } from "./messages.ts";
import { createOutbox } from "./outbox.ts";
import { createSnapshots, moveSnapshots } from "./snapshots.ts";
import { createTimers, moveTimers } from "./timers.ts";
import { createWebhooks } from "./webhooks.ts";

/**
 * A step from one schema version to the next. A released step is never changed: later ones build on it.
 */
export type Migration = readonly string[];

/** Of a shard's database, in order; the schema version is how many have been run. */
export const shardMigrations: readonly Migration[] = [
  [
    ...createEvents,
    ...createMessages,
    ...createOutbox,
    ...createSnapshots,
    ...createCheckpoints,
    ...createCommits,
  ],
  [...extendMessages, ...createTimers],
  createWebhooks,
  createChain,
  createArchived,
  [...moveTimers, ...moveSnapshots],
];

/** What a file is, written into it when it is made. Values are whole numbers or text. */
export type Identity = Readonly<Record<string, string | number>>;

const metaTables = ["meta", "read_meta"] as const;
/** Which table says what a database is. */
type MetaTable = (typeof metaTables)[number];

/** A file that Folio will not touch: not its own, newer than the code, damaged, or of another shape. */
export class UnusableStoreError extends Error {
  override readonly name = "UnusableStoreError";
}

/**
 * Makes sure that a database is what `identity` says and has the present schema. An empty one is set up; an
 * older one is brought forward; anything else is refused before the first write.
 *
 * @param name Of the database, for messages.
 * @throws {UnusableStoreError}
 */
export async function migrate(
  database: Database,
  name: string,
  identity: Identity,
  migrations: readonly Migration[],
  metaTable: MetaTable = "meta",
): Promise<void> {
  const found = await readMeta(database, name, metaTable);
  if (found) {
    for (const [key, value] of Object.entries(identity)) {
      if (found[key] !== value) {
        throw new UnusableStoreError(`Cannot use ${name}: its ${key} is ${found[key]}, not ${value}`);
      }
    }
  }
  const version = found ? found.schema : 0;
  if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 0) {
    throw new UnusableStoreError(`Cannot use ${name}: its schema version is ${version}`);
  }
  if (version > migrations.length) {
    throw new UnusableStoreError(
      `Cannot use ${name}: it has schema version ${version}, and this program knows up to ${migrations.length}`,
    );
  }
  if (version === migrations.length) return;
  const statements: Statement[] = [];
  if (!found) {
    statements.push({
      sql: `CREATE TABLE ${metaTable} (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID`,
    });
    for (const [key, value] of Object.entries({ ...identity, epoch: 0 })) {
      statements.push({ sql: `INSERT INTO ${metaTable} VALUES (?, ?)`, args: [key, value] });
    }
  }
  for (const sql of migrations.slice(version).flat()) statements.push({ sql });
  statements.push({
    sql: `INSERT INTO ${metaTable} VALUES ('schema', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1`,
    args: [migrations.length],
  });
  await database.batch(statements, "write");
}

/** The meta table as an object, or undefined where the database is empty. */
async function readMeta(
  database: Database,
  name: string,
  metaTable: MetaTable,
): Promise<Identity | undefined> {
  let tables: string[];
  try {
    const rows = await database.execute({ sql: `SELECT name FROM sqlite_schema WHERE type = 'table'` });
    // Some servers keep tables of their own beside those of their users.
    tables = rows.map(([table]) => String(table)).filter((table) => !/^(sqlite|libsql)_/.test(table));
  } catch (error) {
    throw new UnusableStoreError(`Cannot use ${name}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  if (tables.length === 0) return undefined;
  if (!tables.includes(metaTable)) {
    // One database may hold both: on a server, a shard and the read models.
    if (metaTables.some((other) => tables.includes(other))) return undefined;
    throw new UnusableStoreError(`Cannot use ${name}: it is a database of another program`);
  }
  try {
    const rows = await database.execute({ sql: `SELECT key, value FROM ${metaTable}` });
    return Object.fromEntries(
      rows.map(([key, value]) => [String(key), typeof value === "number" ? value : String(value)]),
    );
  } catch (error) {
    // Only a statement that does not fit the table says something about the table.
    const isOther = error instanceof DatabaseError && !/^SQLITE_(ERROR|UNKNOWN)$/.test(error.code);
    const reason = isOther ? error.message : "its meta table is not Folio's";
    throw new UnusableStoreError(`Cannot use ${name}: ${reason}`, { cause: error });
  }
}
