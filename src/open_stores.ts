import { defaultLimits, type Limits } from "./config.ts";
import { type Database, DatabaseError } from "./store/database.ts";
import { takeReadDatabase } from "./store/fenced_database.ts";
import { type HeldFolder, holdFolder } from "./store/folder.ts";
import { openLibsqlDatabase } from "./store/libsql_database.ts";
import { UnusableStoreError } from "./store/migrations.ts";
import {
  migrateShard,
  openReadStore,
  openShardStore,
  prepareArchive,
  type ShardStore,
} from "./store/shard_store.ts";
import { openWorkerDatabase } from "./store/worker_database.ts";

/** Where a store is. */
export interface StoreOptions {
  /**
   * A folder, made if it is not there; `:memory:`; or the URL of a libSQL server (`libsql:`, `http:`,
   * `https:`), with `{shard}` in it where there are several shards. Or what opens the databases `shard-0`,
   * `shard-1`, … and `read` of a store of one's own; told whether shards get archives, which it may do.
   */
  readonly data: string | ((name: string, archives: boolean) => Promise<Database>);
  readonly dataToken?: string | undefined;
  /** Fixed once the store is made (1). */
  readonly shards?: number | undefined;
  /** Whether logs go on with their hash chains, which show later edits (false). */
  readonly chain?: boolean | undefined;
  /** Whether a folder, or a store of one's own, gets archives (false); one that has some keeps them. */
  readonly archives?: boolean | undefined;
  /** `storeAnswerMsMax` is what counts here. */
  readonly limits?: Partial<Limits> | undefined;
}

/** The databases of a store, set up. */
export interface OpenStores {
  readonly stores: readonly ShardStore[];
  /**
   * Takes the read database over, where others may use it. For after the shards: who fails to take those takes
   * nothing from the one that has them.
   *
   * @param lost Called when it is seen that another has taken it.
   */
  takeReadDatabase(lost: () => void): Promise<Database>;
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
    const { data, shards = 1, chain } = options;
    const isOnServer = typeof data === "string" && isRemote(data);
    const besideShard = isOnServer && !data.includes("{shard}");
    if (besideShard && shards > 1) {
      throw new UnusableStoreError(
        `Cannot use ${withoutSecrets(data)} for ${shards} shards: it has no {shard} in it`,
      );
    }
    if (typeof data === "string" && !isOnServer && data !== ":memory:") folder = holdFolder(data);
    const shardFiles = folder ? shardFilesOf(String(data)) : new Set<string>();
    const isFile = folder !== undefined;
    const isShared = isOnServer || typeof data === "function";
    const open = async (name: string, archiveUrl?: string) => {
      const database = await openDatabase(name, options, folder, archiveUrl);
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
      const archiveUrl = folder && await setUpArchive(folder, { ...options, name, shard, shards });
      const database = await open(`shard-${shard}`, archiveUrl);
      const hasArchive = archiveUrl !== undefined || database.hasArchive;
      stores.push(
        await openShardStore(database, { name, shard, shards, isFile, isShared, chain, hasArchive }),
      );
    }
    const readDatabase = await open("read");
    await openReadStore(readDatabase, { name: nameOf("read", data, folder), shards, isFile, besideShard });
    const take = (lost: () => void) =>
      isShared ? takeReadDatabase(readDatabase, lost) : Promise.resolve(readDatabase);
    return { stores, takeReadDatabase: take, release };
  } catch (error) {
    await release();
    throw toUnusable(error, options);
  }
}

/** What a database says of itself while it is opened is for whoever has named it. */
export function toUnusable(error: unknown, { data }: StoreOptions): unknown {
  if (!(error instanceof DatabaseError)) return error;
  const name = typeof data === "string" ? withoutSecrets(data) : "the store";
  return new UnusableStoreError(`Cannot use ${name}: ${error.message}`, { cause: error });
}

/** Whether data lies on a server. @throws {UnusableStoreError} When no server is spoken to like that. */
function isRemote(data: string): boolean {
  if (/^wss?:/.test(data)) {
    throw new UnusableStoreError(`Cannot use ${withoutSecrets(data)}: use libsql:, https: or http:`);
  }
  return /^(libsql|https?):/.test(data);
}

/** An address as it may be shown: a token may be part of its query. */
export function withoutSecrets(data: string): string {
  return /^(libsql|https?|wss?):/.test(data)
    ? data.replace(/[?#].*$/, "").replace(/^(\w+:\/\/)[^/]*@/, "$1")
    : data;
}

/** What a database is called in messages: of a server, its URL. */
function nameOf(database: string, data: StoreOptions["data"], folder: HeldFolder | undefined): string {
  if (typeof data !== "string") return database;
  return folder ? `${data}/${database}.db` : withoutSecrets(urlOf(database, data));
}

function urlOf(database: string, data: string): string {
  return data.replaceAll("{shard}", database.replace("shard-", ""));
}

async function openDatabase(
  name: string,
  { data, dataToken, limits, archives = false }: StoreOptions,
  folder: HeldFolder | undefined,
  archiveUrl: string | undefined,
): Promise<Database> {
  if (typeof data === "function") return await data(name, archives);
  if (data === ":memory:") return openLibsqlDatabase({ url: "file::memory:" });
  if (!folder) {
    const { storeAnswerMsMax: timeoutMs } = { ...defaultLimits, ...limits };
    return openLibsqlDatabase({ url: urlOf(name, data), authToken: dataToken, timeoutMs });
  }
  const url = folder.databaseUrl(`${name}.db`);
  try {
    return await openWorkerDatabase({ url, archiveUrl });
  } catch (error) {
    throw new UnusableStoreError(`Cannot open ${url}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/**
 * Makes sure that a shard's archive can be attached, if it is to have one: both have their schema by then.
 *
 * @returns Where it is; undefined where there is none.
 */
async function setUpArchive(
  folder: HeldFolder,
  options: StoreOptions & { name: string; shard: number; shards: number },
): Promise<string | undefined> {
  const { data, shard, archives = false } = options;
  const file = `archive-${shard}.db`;
  const isThere = Array.from(Deno.readDirSync(String(data))).some((entry) => entry.name === file);
  if (!isThere && !archives) return undefined;
  const url = folder.databaseUrl(file);
  const shardDatabase = openLibsqlDatabase({ url: folder.databaseUrl(`shard-${shard}.db`) });
  try {
    await migrateShard(shardDatabase, options);
    const database = openLibsqlDatabase({ url });
    try {
      await prepareArchive(database, { ...options, name: `${data}/${file}` });
    } finally {
      await database.close();
    }
  } finally {
    await shardDatabase.close();
  }
  return url;
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
