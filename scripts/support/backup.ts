/**
 * Copies a folder, while a server may run on it, into a new one. All shards are copied as they were at one
 * instant: `shard_snapshots.ts` says why that is needed and how it is done. What was acknowledged before the
 * backup began is in it; every message between shards is in it exactly as often as it will be handled, which is
 * once.
 *
 * `read.db` is not copied: read models are made again from the log. Neither is `folio.lock`.
 *
 * @module
 */
import { formatToken } from "../../src/core/token.ts";
import { ScriptError } from "./errors.ts";
import { digest, type Manifest, syncToDisk, writeManifest } from "./manifest.ts";
import { type ShardSnapshots, takeSnapshots } from "./shard_snapshots.ts";
import { archiveFile, isFile, readIdentity, shardFile } from "./store_folder.ts";

/** Is told how many bytes have been dealt with, and of how many. */
export type Progress = (done: number, total: number) => void;

/** A backup that was made. */
export interface Backup {
  readonly manifest: Manifest;
  /** For how long commits had to wait. */
  readonly lockedMs: number;
}

/** @throws {ScriptError} When the folder is none, the target is not empty, or the shards are never free. */
export async function backUp(data: string, target: string, progress: Progress): Promise<Backup> {
  const { shards } = await readIdentity(data, 0);
  for (let shard = 1; shard < shards; shard++) await readIdentity(data, shard, shards);
  const isNew = await prepareTarget(target);
  try {
    return await copyAll(data, target, shards, progress);
  } catch (error) {
    await clear(target, isNew);
    throw error;
  }
}

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

async function copyAll(data: string, target: string, count: number, progress: Progress): Promise<Backup> {
  const numbers = Array.from({ length: count }, (_, shard) => shard);
  const archived: number[] = [];
  for (const shard of numbers) if (await isFile(`${data}/${archiveFile(shard)}`)) archived.push(shard);
  const names = [...numbers.map(shardFile), ...archived.map(archiveFile)];
  const files = names.map((name) => ({ source: `${data}/${name}`, target: `${target}/${name}` }));
  const sizes = await Promise.all(files.map(async ({ source }) => (await Deno.stat(source)).size));
  // Each is written once, and read once more for its checksum.
  const total = 2 * sizes.reduce((sum, size) => sum + size, 0);
  let done = 0;
  const advance = (bytes: number) => progress(done = Math.min(done + bytes, total), total);
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
      advance(sizes[shard] ?? 0);
    }
    for (const index of archived.keys()) {
      await snapshots.copy(count + index);
      advance(sizes[count + index] ?? 0);
    }
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
    Object.assign(shard, await digest(path, advance));
  }
  const archives: Manifest["archives"] = [];
  for (const shard of archived) {
    const file = archiveFile(shard);
    await syncToDisk(`${target}/${file}`);
    archives.push({ file, shard, ...await digest(`${target}/${file}`, advance) });
  }
  const token = formatToken(new Map(shards.map(({ position }, shard) => [shard, position])));
  const format = { format: "folio-backup", formatVersion: 1 } as const;
  const manifest: Manifest = { ...format, takenAt, schema, token, shards, archives };
  await writeManifest(target, manifest);
  return { manifest, lockedMs: snapshots.lockedMs };
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
