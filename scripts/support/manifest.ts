import { createHash } from "node:crypto";
import { z } from "zod";
import { ScriptError } from "./errors.ts";
import { archiveFile, shardFile } from "./store_folder.ts";

const manifestFile = "manifest.json";
const count = z.int().min(0);

const Manifest = z.object({
  format: z.literal("folio-backup"),
  formatVersion: z.literal(1),
  /** The instant that all shards are copies of. */
  takenAt: z.iso.datetime(),
  /** Schema version of the shards. */
  schema: count,
  /** Names everything that is in it. */
  token: z.string(),
  /** In order of their numbers. */
  shards: z.array(z.object({
    file: z.string(),
    /** Of the newest event. */
    position: count,
    /** Index of the newest commit. */
    commit: count,
    bytes: count,
    sha256: z.string(),
  })).min(1),
  /** Of the shards that have one. */
  archives: z.array(z.object({ file: z.string(), shard: count, bytes: count, sha256: z.string() })).default(
    [],
  ),
}).refine(
  ({ shards }) => shards.every(({ file }, shard) => file === shardFile(shard)),
  "shards must be shard-0.db and so on, in order",
).refine(
  ({ shards, archives }) =>
    archives.every(({ file, shard }) => shard < shards.length && file === archiveFile(shard)) &&
    new Set(archives.map(({ shard }) => shard)).size === archives.length,
  "archives must be those of shards",
);

/** What a backup holds. It is written last: a folder without one is no backup. */
export type Manifest = z.infer<typeof Manifest>;

/** @throws {ScriptError} When there is none, or it is not one that this program reads. */
export async function readManifest(folder: string): Promise<Manifest> {
  let json: unknown;
  try {
    json = JSON.parse(await Deno.readTextFile(`${folder}/${manifestFile}`));
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound ? `it has no ${manifestFile}` : String(error);
    throw new ScriptError(`Cannot restore ${folder}: ${reason}`, { cause: error });
  }
  const parsed = Manifest.safeParse(json);
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`.trim());
  throw new ScriptError(
    `Cannot restore ${folder}: its ${manifestFile} cannot be read: ${reasons.join("; ")}`,
  );
}

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const path = `${folder}/${manifestFile}`;
  await Deno.writeTextFile(`${path}.partial`, `${JSON.stringify(manifest, null, 2)}\n`);
  await syncToDisk(`${path}.partial`);
  await Deno.rename(`${path}.partial`, path);
  await syncToDisk(folder);
}

/** Size and checksum of a file. @param onRead Is told of bytes as they are read. */
export async function digest(
  path: string,
  onRead: (bytes: number) => void = () => {},
): Promise<{ bytes: number; sha256: string }> {
  using file = await Deno.open(path, { read: true });
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of file.readable) {
    hash.update(chunk);
    bytes += chunk.length;
    onRead(chunk.length);
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Brings a file, or the names in a folder, to the disk. */
export async function syncToDisk(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true });
  await file.sync();
}
