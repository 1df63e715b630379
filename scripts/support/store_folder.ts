import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Database, Row } from "../../src/store/database.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { shardMigrations } from "../../src/store/migrations.ts";
import { ScriptError } from "./errors.ts";

/** What the meta table of a shard says. */
export interface ShardIdentity {
  readonly shard: number;
  readonly shards: number;
  readonly schema: number;
}

/** The shards of a folder, opened to be read, whoever else has them open. */
export interface StoreFolder {
  readonly schema: number;
  /** In order of their numbers. */
  readonly shards: readonly { readonly number: number; readonly database: Database }[];
  close(): Promise<void>;
}

export function shardFile(shard: number): string {
  return `shard-${shard}.db`;
}

export function archiveFile(shard: number): string {
  return `archive-${shard}.db`;
}

/** `file:` URL of a database, however its path is spelled. */
export function fileUrl(path: string): string {
  return pathToFileURL(resolve(path)).href;
}

/**
 * Opens all shards of a folder without taking it: a server may hold it, and goes on undisturbed. Nothing is
 * written.
 *
 * @throws {ScriptError} When the folder is not one of Folio's, or of a schema that this program does not read.
 */
export async function openStoreFolder(path: string): Promise<StoreFolder> {
  const shards: { number: number; database: Database }[] = [];
  const close = async () => {
    for (const { database } of shards) await database.close();
  };
  try {
    const { shards: count, schema } = await readIdentity(path, 0);
    if (schema !== shardMigrations.length) {
      throw new ScriptError(
        `Cannot read ${path}: it has schema version ${schema}, and this program reads ${shardMigrations.length}`,
      );
    }
    for (let number = 0; number < count; number++) {
      await readIdentity(path, number, count);
      shards.push({ number, database: await openWithArchive(path, number) });
    }
    return { schema, shards, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * A shard with what was archived of it.
 *
 * @throws {ScriptError} When that is not there.
 */
async function openWithArchive(folder: string, shard: number): Promise<Database> {
  const archive = `${folder}/${archiveFile(shard)}`;
  if (await isFile(archive)) return await openToRead(`${folder}/${shardFile(shard)}`, archive);
  const database = await openToRead(`${folder}/${shardFile(shard)}`);
  const [archived] = await database.execute({ sql: `SELECT actor FROM archived LIMIT 1` });
  if (!archived) return database;
  await database.close();
  throw new ScriptError(
    `Cannot read ${folder}: events of ${archived[0]} are in ${archiveFile(shard)}, and there is no such file`,
  );
}

/**
 * Makes sure that a file is a shard of Folio's, and tells which.
 *
 * @param shards How many there have to be; any number if it is not given.
 * @throws {ScriptError} When it is not the shard that its name says.
 */
export async function readIdentity(folder: string, shard: number, shards?: number): Promise<ShardIdentity> {
  if (/^(libsql|https?|wss?):/.test(folder)) {
    throw new ScriptError(`Cannot use ${folder}: it is a server, and this works on folders`);
  }
  const path = `${folder}/${shardFile(shard)}`;
  const database = await openToRead(path);
  try {
    return await identityOf(database, path, shard, shards);
  } finally {
    await database.close();
  }
}

/** As `readIdentity`, of an open database. @param path For messages. */
export async function identityOf(
  database: Database,
  path: string,
  shard: number,
  shards?: number,
): Promise<ShardIdentity> {
  let rows: Row[];
  try {
    rows = await database.execute({ sql: `SELECT key, value FROM meta` });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ScriptError(`Cannot use ${path}: it is not a shard of Folio's (${reason})`, { cause: error });
  }
  const meta = new Map(rows.map(([key, value]) => [key, value]));
  const count = Number(meta.get("shards"));
  const schema = Number(meta.get("schema"));
  const isShard = meta.get("application") === "folio" && meta.get("kind") === "shard" && count >= 1 &&
    schema >= 1;
  if (!isShard) throw new ScriptError(`Cannot use ${path}: it is not a shard of Folio's`);
  if (meta.get("shard") !== shard || count !== (shards ?? count)) {
    const expected = `shard ${shard}${shards === undefined ? "" : ` of ${shards}`}`;
    throw new ScriptError(
      `Cannot use ${path}: it is shard ${meta.get("shard")} of ${count}, not ${expected}`,
    );
  }
  return { shard, shards: count, schema };
}

/**
 * @param archive Path of the archive that belongs to it.
 * @throws {ScriptError} When there is no such file: SQLite would make it.
 */
export async function openToRead(path: string, archive?: string): Promise<Database> {
  if (!await isFile(path)) throw new ScriptError(`Cannot use ${path}: there is no such file`);
  const database = openLibsqlDatabase({
    url: fileUrl(path),
    archiveUrl: archive === undefined ? undefined : fileUrl(archive),
  });
  try {
    await database.execute({ sql: "PRAGMA query_only = 1" });
    // Another process that recovers the file after a crash is waited for.
    await database.execute({ sql: "PRAGMA busy_timeout = 5000" });
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** The shards of a folder as those who read beside a runtime want them: nothing is in memory here. */
export function storedShards({ shards }: StoreFolder) {
  return shards.map(({ number, database }) => ({ number, store: { database }, pendingById: () => [] }));
}

/** Reads something of a folder. @throws {ScriptError} As `openStoreFolder` does. */
export async function withStoreFolder<T>(
  path: string,
  read: (folder: StoreFolder) => Promise<T>,
): Promise<T> {
  const folder = await openStoreFolder(path);
  try {
    return await read(folder);
  } finally {
    await folder.close();
  }
}

export async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}
