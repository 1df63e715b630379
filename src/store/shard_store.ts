import type { Database } from "./database.ts";
import { LocalEngine, type ShardEngine } from "./engine.ts";
import { migrate, shardMigrations } from "./migrations.ts";
import { readMigrations, readMigrationsBesideShard } from "./read_store.ts";

/** A shard's storage: the engine that orders its commits, and the database that they are applied to. */
export interface ShardStore {
  readonly shard: number;
  readonly engine: ShardEngine;
  readonly database: Database;
  /** Closes it, with all of it in the one file, so that a copy of that is a copy of the shard. */
  close(): Promise<void>;
}

/** Settings of a connection to a file; a server has its own. */
const filePragmas = [
  "journal_mode = WAL",
  // Fewer checkpoints: a page that many commits touch is copied to the database once.
  "wal_autocheckpoint = 8000",
  "cache_size = -65536",
  "busy_timeout = 5000",
];

/** Sets up a connection to a database that is known to be ours. */
async function prepare(database: Database, synchronous: "FULL" | "NORMAL"): Promise<void> {
  for (const pragma of [...filePragmas, `synchronous = ${synchronous}`]) {
    await database.execute({ sql: `PRAGMA ${pragma}` });
  }
}

/**
 * Opens one shard of a store of `shards`, setting it up if it is new.
 *
 * @param options `isShared`: another process may take it while this one holds it.
 * @throws {UnusableStoreError} When the database is not that shard.
 */
export async function openShardStore(
  database: Database,
  options: { name: string; shard: number; shards: number; isFile: boolean; isShared?: boolean },
): Promise<ShardStore> {
  const { name, shard, shards } = options;
  await migrate(database, name, { application: "folio", kind: "shard", shard, shards }, shardMigrations);
  // An acknowledged commit survives a power cut.
  if (options.isFile) await prepare(database, "FULL");
  return {
    shard,
    engine: new LocalEngine(database, options.isShared),
    database,
    async close() {
      if (options.isFile) await database.execute({ sql: "PRAGMA wal_checkpoint(TRUNCATE)" });
      await database.close();
    },
  };
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
