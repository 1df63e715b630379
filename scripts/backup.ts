/**
 * Copies a folder, while a server may run on it, into a new one. All shards are copied as they were at one
 * instant: `support/shard_snapshots.ts` says why that is needed and how it is done. What was acknowledged
 * before the backup began is in it; every message between shards is in it exactly as often as it will be
 * handled, which is once.
 *
 * `read.db` is not copied: read models are made again from the log. Neither is `folio.lock`.
 *
 * @module
 */
import { formatToken } from "../src/core/token.ts";
import { digest, type Manifest, syncToDisk, writeManifest } from "./support/manifest.ts";
import { runScript, ScriptError, UsageError } from "./support/script.ts";
import { type ShardSnapshots, takeSnapshots } from "./support/shard_snapshots.ts";
import { archiveFile, defaultData, isFile, readIdentity, shardFile } from "./support/store_folder.ts";

const usage = `Usage: deno task backup DEST [--data FOLDER]

  DEST     a new or empty folder
  --data   the folder to copy (FOLIO_DATA, or ./data)

A server may run on the folder: all shards are copied as they were at one instant, for which commits wait
some milliseconds. read.db is not copied, since read models are made again from the log. DEST is a backup once
it has a manifest.json.

  deno task backup /backups/2026-01-31
  deno task backup /backups/2026-01-31 --data /var/lib/folio`;

await runScript(
  { usage, options: { data: { type: "string", default: defaultData() } } },
  async (flags, words) => {
    const [target, ...others] = words;
    if (target === undefined || others.length > 0) {
      throw new UsageError(
        "Cannot back up: name one folder to copy to",
      );
    }
    const { shards } = await readIdentity(flags.data, 0);
    for (let shard = 1; shard < shards; shard++) await readIdentity(flags.data, shard, shards);
    const isNew = await prepareTarget(target);
    try {
      await backUp(flags.data, target, shards);
    } catch (error) {
      await clear(target, isNew);
      throw error;
    }
  },
);

/** @returns Whether the folder was made. */
async function prepareTarget(target: string): Promise<boolean> {
  try {
    for await (const { name } of Deno.readDir(target)) {
      throw new ScriptError(`Cannot back up to ${target}: it is not empty, it has ${name}`);
    }
    return false;
  } catch (error) {
    if (error instanceof ScriptError) throw error;
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new ScriptError(`Cannot back up to ${target}: ${error instanceof Error ? error.message : error}`);
    }
  }
  await Deno.mkdir(target, { recursive: true });
  return true;
}

async function backUp(data: string, target: string, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, shard) => shard);
  const archived: number[] = [];
  for (const shard of numbers) if (await isFile(`${data}/${archiveFile(shard)}`)) archived.push(shard);
  const names = [...numbers.map(shardFile), ...archived.map(archiveFile)];
  const files = names.map((name) => ({ source: `${data}/${name}`, target: `${target}/${name}` }));
  const snapshots = await takeSnapshots(files);
  const takenAt = new Date().toISOString();
  const shards: Manifest["shards"] = [];
  const schemas = new Set<number>();
  try {
    for (const shard of numbers) {
      const { schema, ...head } = await readHead(snapshots, shard);
      schemas.add(schema);
      await snapshots.copy(shard);
      shards.push({ file: shardFile(shard), ...head, bytes: 0, sha256: "" });
    }
    for (const index of archived.keys()) await snapshots.copy(count + index);
  } finally {
    snapshots.close();
  }
  const [schema, ...others] = schemas;
  if (schema === undefined || others.length > 0) {
    throw new ScriptError(
      `Cannot back up ${data}: its shards have schema versions ${[...schemas].join(", ")}`,
    );
  }
  for (const shard of shards) {
    const path = `${target}/${shard.file}`;
    await syncToDisk(path);
    Object.assign(shard, await digest(path));
    console.log(`${shard.file}: up to position ${shard.position}, ${shard.bytes.toLocaleString("en")} bytes`);
  }
  const archives: Manifest["archives"] = [];
  for (const shard of archived) {
    const file = archiveFile(shard);
    await syncToDisk(`${target}/${file}`);
    const written = await digest(`${target}/${file}`);
    archives.push({ file, shard, ...written });
    console.log(`${file}: ${written.bytes.toLocaleString("en")} bytes`);
  }
  const token = formatToken(new Map(shards.map(({ position }, shard) => [shard, position])));
  const format = { format: "folio-backup", formatVersion: 1 } as const;
  await writeManifest(target, { ...format, takenAt, schema, token, shards, archives });
  console.log(
    `Backed up ${data} as of ${takenAt} to ${target}; commits waited ${Math.ceil(snapshots.lockedMs)} ms`,
  );
  console.log("read.db is not in it: read models are made again from the log");
}

async function readHead(snapshots: ShardSnapshots, shard: number) {
  const [row] = await snapshots.query(
    shard,
    `SELECT (SELECT value FROM source.meta WHERE key = 'schema'),
      (SELECT coalesce(max(position), 0) FROM source.events),
      (SELECT coalesce(max(idx), 0) FROM source.commits)`,
  );
  const [schema, position, commit] = (row ?? []).map(Number);
  if (schema === undefined || position === undefined || commit === undefined) throw new RangeError("No head");
  return { schema, position, commit };
}

/** Takes away what a failed backup has left. */
async function clear(target: string, isNew: boolean): Promise<void> {
  for await (const { name } of Deno.readDir(target)) await Deno.remove(`${target}/${name}`);
  if (isNew) await Deno.remove(target);
}
