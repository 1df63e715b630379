import type { Database } from "./database.ts";
import { createEvents } from "./events.ts";
import { LocalEngine, type ShardEngine } from "./engine.ts";
import { migrate, type Migration, shardMigrations, UnusableStoreError } from "./migrations.ts";
import { readMigrations, readMigrationsBesideShard } from "./read_store.ts";

/** A shard's storage: the engine that orders its commits, and the database that they are applied to. */
export interface ShardStore {
  readonly shard: number;
  readonly engine: ShardEngine;
  readonly database: Database;
  /** Whether an archive is attached to the database. */
  readonly hasArchive?: boolean | undefined;
  /** Closes it, with all of it in the one file, so that a copy of that is a copy of the shard. */
  close(): Promise<void>;
}

/** Settings of a connection to a file; a server has its own. */
const filePragmas = [
  "journal_mode = WAL",
  // Fewer checkpoints: a page that many commits touch is copied to the database once.
  "wal_autocheckpoint = 8000",
  "cache_size = -65536",
];

/** Sets up a connection to a database that is known to be ours. */
async function prepare(database: Database, synchronous: "FULL" | "NORMAL"): Promise<void> {
  for (const pragma of [...filePragmas, `synchronous = ${synchronous}`]) {
    await database.execute({ sql: `PRAGMA ${pragma}` });
  }
}

/** Which shard it is, and how it is used. */
export interface ShardOptions {
  /** For messages. */
  readonly name: string;
  readonly shard: number;
  readonly shards: number;
  readonly isFile: boolean;
  /** Whether another process may take it while this one holds it (false). */
  readonly isShared?: boolean | undefined;
  /** Whether its log goes on with its hash chain (false). */
  readonly chain?: boolean | undefined;
  /** Whether the database has been opened with an archive (false). */
  readonly hasArchive?: boolean | undefined;
}

/**
 * Opens one shard of a store of `shards`, setting it up if it is new.
 *
 * @throws {UnusableStoreError} When the database is not that shard, or lacks what was archived.
 */
export async function openShardStore(
  database: Database,
  options: ShardOptions,
): Promise<ShardStore> {
  const { shard, hasArchive = false } = options;
  await migrateShard(database, options);
  await checkArchive(database, options.name, hasArchive);
  // An acknowledged commit survives a power cut.
  if (options.isFile) await prepare(database, "FULL");
  return {
    shard,
    engine: new LocalEngine(database, options),
    database,
    hasArchive,
    async close() {
      if (options.isFile) await database.execute({ sql: "PRAGMA wal_checkpoint(TRUNCATE)" });
      await database.close();
    },
  };
}

type Named = Pick<ShardOptions, "name" | "shard" | "shards">;

/** Brings a shard's database to the present schema. One with an archive has to have it when that is attached. */
export async function migrateShard(database: Database, { name, shard, shards }: Named): Promise<void> {
  await migrate(database, name, { application: "folio", kind: "shard", shard, shards }, shardMigrations);
}

/** Of an archive's database, as `shardMigrations` are of a shard's. */
const archiveMigrations: readonly Migration[] = [createEvents];

/**
 * Sets up an archive's database, or makes sure that it is what it should be.
 *
 * @throws {UnusableStoreError} When it is not the archive of that shard.
 */
export async function prepareArchive(database: Database, { name, shard, shards }: Named): Promise<void> {
  await migrate(database, name, { application: "folio", kind: "archive", shard, shards }, archiveMigrations);
  await database.execute({ sql: "PRAGMA journal_mode = WAL" });
}

/**
 * Makes sure that what was archived is there: without it, actors would begin again from nothing.
 *
 * @throws {UnusableStoreError}
 */
async function checkArchive(database: Database, name: string, hasArchive: boolean): Promise<void> {
  const [missing] = await database.execute({
    sql: hasArchive
      ? `SELECT m.actor FROM archived AS m WHERE NOT EXISTS (
          SELECT 1 FROM archive.events AS a WHERE a.actor = m.actor AND a.version = m.version) LIMIT 1`
      : `SELECT actor FROM archived LIMIT 1`,
  });
  if (!missing) return;
  const why = hasArchive ? "its archive lacks them" : "its archive is not there";
  throw new UnusableStoreError(`Cannot use ${name}: events of ${missing[0]} were archived, and ${why}`);
}

/**
 * Opens the read database, setting it up if it is new.
 *
 * @param options `besideShard`: it lies in one database with the only shard.
 * @throws {UnusableStoreError} When it is not the read database of a store of so many shards.
 */
export async function openReadStore(
  database: Database,
  options: { name: string; shards: number; isFile: boolean; besideShard?: boolean },
): Promise<void> {
  const identity = { application: "folio", kind: "read", shards: options.shards };
  const migrations = options.besideShard ? readMigrationsBesideShard : readMigrations;
  await migrate(database, options.name, identity, migrations, "read_meta");
  // What a power cut takes from it is made again from the log.
  if (options.isFile) await prepare(database, "NORMAL");
}
