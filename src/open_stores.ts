import type { Database } from "./store/database.ts";
import { type HeldFolder, holdFolder } from "./store/folder.ts";
import { openLibsqlDatabase } from "./store/libsql_database.ts";
import { UnusableStoreError } from "./store/migrations.ts";
import { openReadStore, openShardStore, type ShardStore } from "./store/shard_store.ts";
import { openWorkerDatabase } from "./store/worker_database.ts";

/** Where a store is. */
export interface StoreOptions {
  /**
   * A folder, made if it is not there; `:memory:`; or the URL of a libSQL server (`libsql:`, `http:`,
   * `https:`), with `{shard}` in it where there are several shards. Or what opens the databases `shard-0`,
   * `shard-1`, … and `read` of a store of one's own.
   */
  readonly data: string | ((name: string) => Promise<Database>);
  readonly dataToken?: string | undefined;
  /** Fixed once the store is made (1). */
  readonly shards?: number | undefined;
}

/** The databases of a store, set up. */
export interface OpenStores {
  readonly stores: readonly ShardStore[];
  readonly readDatabase: Database;
  /** Closes them, and lets others hold the folder. */
  release(): Promise<void>;
}

/** @throws {UnusableStoreError} When the store is held by another process, or is not Folio's. */
export async function openStores(options: StoreOptions): Promise<OpenStores> {
  const opened: Database[] = [];
  let folder: HeldFolder | undefined;
  const release = async () => {
    for (const database of opened) await database.close().catch(() => {});
    folder?.release();
  };
  try {
    const { data, shards = 1 } = options;
    if (typeof data === "string" && isRemote(data) && shards > 1 && !data.includes("{shard}")) {
      throw new UnusableStoreError(`Cannot use ${data} for ${shards} shards: it has no {shard} in it`);
    }
    if (typeof data === "string" && !isRemote(data) && data !== ":memory:") folder = holdFolder(data);
    const shardFiles = folder ? shardFilesOf(String(data)) : new Set<string>();
    const isFile = folder !== undefined;
    const open = async (name: string) => {
      const database = await openDatabase(name, options, folder);
      opened.push(database);
      return database;
    };
    const stores: ShardStore[] = [];
    for (let shard = 0; shard < shards; shard++) {
      const name = nameOf(`shard-${shard}`, data, folder);
      if (folder && !shardFiles.has(`shard-${shard}.db`) && await isUsed(folder, shardFiles)) {
        // Not to be taken for a new one: its actors would begin again from nothing.
        throw new UnusableStoreError(`Cannot use ${data}: ${name} is not there, but other shards are`);
      }
      stores.push(await openShardStore(await open(`shard-${shard}`), { name, shard, shards, isFile }));
    }
    const readDatabase = await open("read");
    await openReadStore(readDatabase, { name: nameOf("read", data, folder), shards, isFile });
    return { stores, readDatabase, release };
  } catch (error) {
    await release();
    throw error;
  }
}

function isRemote(data: string): boolean {
  return /^(libsql|https?|wss?):/.test(data);
}

/** What a database is called in messages: of a server, its URL. */
function nameOf(database: string, data: StoreOptions["data"], folder: HeldFolder | undefined): string {
  if (typeof data !== "string") return database;
  return folder ? `${data}/${database}.db` : data.replaceAll("{shard}", database.replace("shard-", ""));
}

async function openDatabase(
  name: string,
  { data, dataToken }: StoreOptions,
  folder: HeldFolder | undefined,
): Promise<Database> {
  if (typeof data === "function") return await data(name);
  if (data === ":memory:") return openLibsqlDatabase({ url: "file::memory:" });
  if (!folder) return openLibsqlDatabase({ url: nameOf(name, data, folder), authToken: dataToken });
  const url = folder.databaseUrl(`${name}.db`);
  try {
    return await openWorkerDatabase({ url });
  } catch (error) {
    throw new UnusableStoreError(`Cannot open ${url}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/** Names of the shard files that a folder has. */
function shardFilesOf(folder: string): Set<string> {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name);
  return new Set(names.filter((name) => /^shard-\d+\.db$/.test(name)));
}

/** Whether any of these shards was ever used; a first start may have died before it had made them all. */
async function isUsed(folder: HeldFolder, shardFiles: ReadonlySet<string>): Promise<boolean> {
  for (const name of shardFiles) {
    const database = openLibsqlDatabase({ url: folder.databaseUrl(name) });
    const found = await database.execute({
      sql: `SELECT 1 FROM events UNION ALL SELECT 1 FROM messages LIMIT 1`,
    }).catch(() => [[1]]);
    await database.close();
    if (found.length > 0) return true;
  }
  return false;
}
