import type { Database } from "./database.ts";
import { LocalEngine, type ShardEngine } from "./engine.ts";
import { migrate, shardMigrations } from "./migrations.ts";

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
  // An acknowledged commit survives a power cut.
  "synchronous = FULL",
  // Fewer checkpoints: a page that many commits touch is copied to the database once.
  "wal_autocheckpoint = 8000",
  "cache_size = -65536",
  "busy_timeout = 5000",
];

/**
 * Opens one shard of a store of `shards`, setting it up if it is new.
 *
 * @throws {UnusableStoreError} When the database is not that shard.
 */
export async function openShardStore(
  database: Database,
  options: { name: string; shard: number; shards: number; isFile: boolean },
): Promise<ShardStore> {
  const { name, shard, shards } = options;
  await migrate(database, name, { application: "folio", kind: "shard", shard, shards }, shardMigrations);
  if (options.isFile) {
    for (const pragma of filePragmas) {
      await database.execute({ sql: `PRAGMA ${pragma}` });
    }
  }
  return {
    shard,
    engine: new LocalEngine(database),
    database,
    async close() {
      if (options.isFile) await database.execute({ sql: "PRAGMA wal_checkpoint(TRUNCATE)" });
      await database.close();
    },
  };
}
