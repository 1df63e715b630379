/**
 * Puts a backup in place, where a server then runs on it. Every file is verified as it lies in the new folder,
 * before any of them gets its name: size and SHA-256, SQLite's own check, that it is the shard it should be,
 * that no position and no version is missing.
 *
 * @module
 */
import { type HeldFolder, holdFolder } from "../../src/store/folder.ts";
import { shardMigrations } from "../../src/store/migrations.ts";
import type { Progress } from "./backup.ts";
import { ScriptError } from "./errors.ts";
import { type Manifest, readManifest, syncToDisk } from "./manifest.ts";
import { verifyShard } from "./verify_shard.ts";

/** A file that is not in place yet ends so. */
const PARTIAL = ".restoring";
const lockFile = "folio.lock";

/** @throws {ScriptError} When the backup is damaged, or the target is not empty; then nothing is in place. */
export async function restoreBackup(source: string, target: string, progress: Progress): Promise<Manifest> {
  const manifest = await readManifest(source);
  if (manifest.schema > shardMigrations.length) {
    throw new ScriptError(
      `Cannot restore ${source}: it has schema version ${manifest.schema}, and this program knows up to ${shardMigrations.length}`,
    );
  }
  const folder = await holdEmpty(target);
  try {
    await putInPlace(source, target, manifest, progress);
  } finally {
    folder.release();
  }
  return manifest;
}

/** Takes the folder, so that no server starts on half of it. */
async function holdEmpty(target: string): Promise<HeldFolder> {
  const before = await namesIn(target);
  // A folder that was never Folio's is not to get a lock file either.
  if (before.length > 0 && !before.includes(lockFile)) throw notEmpty(target, before);
  const folder = holdFolder(target);
  const names = (await namesIn(target)).filter((name) => name !== lockFile);
  if (names.length === 0) return folder;
  folder.release();
  throw notEmpty(target, names);
}

function notEmpty(target: string, names: readonly string[]): ScriptError {
  return new ScriptError(`Cannot restore to ${target}: it is not empty, it has ${names[0]}`);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new ScriptError(`Cannot restore to ${folder}: ${error instanceof Error ? error.message : error}`);
  }
}

async function putInPlace(
  source: string,
  target: string,
  manifest: Manifest,
  progress: Progress,
): Promise<void> {
  const partial = (file: string) => `${target}/${file}${PARTIAL}`;
  const { shards, archives } = manifest;
  const files = [...archives, ...shards];
  // Each is written once, and read once more to be verified.
  const total = 2 * files.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const advance = (bytes: number) => progress(done = Math.min(done + bytes, total), total);
  const bring = async ({ file, bytes }: { file: string; bytes: number }) => {
    await copy(`${source}/${file}`, partial(file));
    advance(bytes);
  };
  try {
    for (const archive of archives) await bring(archive);
    for (const [shard, file] of shards.entries()) {
      await bring(file);
      await verifyShard(partial, shard, manifest, advance);
    }
  } catch (error) {
    for (const { file } of files) await Deno.remove(partial(file)).catch(() => {});
    throw error;
  }
  for (const { file } of files) await Deno.rename(partial(file), `${target}/${file}`);
  await syncToDisk(target);
}

async function copy(from: string, to: string): Promise<void> {
  try {
    await Deno.copyFile(from, to);
  } catch (error) {
    throw new ScriptError(`Cannot restore ${from}: ${error instanceof Error ? error.message : error}`);
  }
  await syncToDisk(to);
}
