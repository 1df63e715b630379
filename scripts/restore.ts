/**
 * Puts a backup in place, where a server then runs on it. Every file is verified as it lies in the new folder,
 * before any of them gets its name: size and SHA-256, SQLite's own check, that it is the shard it should be,
 * that no position and no version is missing.
 *
 * @module
 */
import { type HeldFolder, holdFolder } from "../src/store/folder.ts";
import { shardMigrations } from "../src/store/migrations.ts";
import { type Manifest, readManifest, syncToDisk } from "./support/manifest.ts";
import { runScript, ScriptError, UsageError } from "./support/script.ts";
import { verifyShard } from "./support/verify_shard.ts";

const usage = `Usage: deno task restore SRC DEST

  SRC    a folder that deno task backup has made
  DEST   a new or empty folder, held by no server

Verifies the manifest and every database before anything is in place. Read models are made again from the log
when a server starts on DEST.

  deno task restore /backups/2026-01-31 ./data
  FOLIO_DATA=./data FOLIO_SHARDS=1 deno task start`;

/** A file that is not in place yet ends so. */
const PARTIAL = ".restoring";
const lockFile = "folio.lock";

await runScript({ usage, options: {} }, async (_, words) => {
  const [source, target, ...others] = words;
  if (source === undefined || target === undefined || others.length > 0) {
    throw new UsageError("Cannot restore: name the backup, and the folder to put it in");
  }
  const manifest = await readManifest(source);
  if (manifest.schema > shardMigrations.length) {
    throw new ScriptError(
      `Cannot restore ${source}: it has schema version ${manifest.schema}, and this program knows up to ${shardMigrations.length}`,
    );
  }
  const folder = await holdEmpty(target);
  try {
    await restore(source, target, manifest);
  } finally {
    folder.release();
  }
  const { length } = manifest.shards;
  console.log(`Restored ${source} as of ${manifest.takenAt} to ${target}; every check passed`);
  console.log(
    `Start it with FOLIO_DATA=${target} FOLIO_SHARDS=${length}; read models are made again from the log`,
  );
});

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

async function restore(source: string, target: string, manifest: Manifest): Promise<void> {
  const partial = (file: string) => `${target}/${file}${PARTIAL}`;
  const files = [...manifest.archives, ...manifest.shards];
  try {
    for (const { file } of manifest.archives) await copy(`${source}/${file}`, partial(file));
    for (const [shard, { file, position }] of manifest.shards.entries()) {
      await copy(`${source}/${file}`, partial(file));
      await verifyShard(partial, shard, manifest);
      console.log(`${file}: up to position ${position}`);
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
