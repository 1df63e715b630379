import type { Database } from "../../src/store/database.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { digest, type Manifest } from "./manifest.ts";
import { ScriptError } from "./errors.ts";
import { fileUrl, identityOf } from "./store_folder.ts";

/**
 * Makes sure that a file is the shard that a manifest says, whole and undamaged, with its archive.
 *
 * @param pathOf Where the files of the manifest lie.
 * @param onRead Is told of bytes as they are read.
 * @throws {ScriptError} Naming the first thing that is wrong.
 */
export async function verifyShard(
  pathOf: (file: string) => string,
  shard: number,
  manifest: Manifest,
  onRead: (bytes: number) => void,
): Promise<void> {
  const expected = manifest.shards[shard];
  if (!expected) throw new RangeError(`The manifest has no shard ${shard}`);
  const archive = manifest.archives.find((each) => each.shard === shard);
  if (archive) await verifyFile(pathOf(archive.file), archive, onRead);
  const path = pathOf(expected.file);
  await verifyFile(path, expected, onRead);
  const refuse = (reason: string) => new ScriptError(`Cannot restore ${expected.file}: ${reason}`);
  const archiveUrl = archive && fileUrl(pathOf(archive.file));
  const database = openLibsqlDatabase({ url: fileUrl(path), archiveUrl });
  try {
    await database.execute({ sql: "PRAGMA query_only = 1" });
    const { schema } = await identityOf(database, expected.file, shard, manifest.shards.length);
    if (schema !== manifest.schema) throw refuse(`it has schema version ${schema}, not ${manifest.schema}`);
    const fault = await damageOf(database) ?? await gapOf(database, expected.position);
    if (fault) throw refuse(fault);
  } finally {
    await database.close();
  }
}

async function verifyFile(
  path: string,
  expected: { readonly file: string; readonly bytes: number; readonly sha256: string },
  onRead: (bytes: number) => void,
): Promise<void> {
  const refuse = (reason: string) => new ScriptError(`Cannot restore ${expected.file}: ${reason}`);
  const { bytes, sha256 } = await digest(path, onRead);
  if (bytes !== expected.bytes) throw refuse(`it has ${bytes} bytes, not ${expected.bytes}`);
  if (sha256 !== expected.sha256) throw refuse("its content is not what was backed up (SHA-256)");
}

async function damageOf(database: Database): Promise<string | undefined> {
  const rows = await database.execute({ sql: "PRAGMA integrity_check(1)" });
  const found = rows.map(([text]) => text).join(" ").replaceAll("\n", " ");
  return found === "ok" ? undefined : `it is damaged: ${found}`;
}

/** What keeps the log from being positions 1 to `position`, and each stream versions 1 to its last. */
async function gapOf(database: Database, position: number): Promise<string | undefined> {
  const [log] = await database.execute({
    sql: `SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0) FROM events`,
  });
  const [events, first, last] = (log ?? []).map(Number);
  if (last !== position) return `its log ends at position ${last}, not ${position}`;
  if (first !== 1 || events !== position) return `its log has ${events} events from ${first} to ${last}`;
  const [stream] = await database.execute({
    sql: `SELECT actor, count(*), max(version) FROM events GROUP BY actor
      HAVING min(version) <> 1 OR count(*) <> max(version) LIMIT 1`,
  });
  return stream && `${stream[0]} has ${stream[1]} events, and version ${stream[2]}`;
}
