import type { Registry } from "../../src/runtime/registry.ts";
import type { Commit } from "../../src/store/commit.ts";
import type { Database } from "../../src/store/database.ts";
import { ScriptError } from "../support/errors.ts";
import { openStoreFolder, openToRead, shardFile } from "../support/store_folder.ts";
import { checkApplied } from "./applied.ts";
import { checkChain, type NotedHead } from "./chain.ts";
import { checkBetween, checkFile } from "./commits.ts";
import type { Findings } from "./findings.ts";
import { checkCheckpoints, checkMessages, checkOutbox, checkTimers } from "./mailboxes.ts";
import { checkProjections } from "./projections.ts";
import { SagaWaits } from "./sagas.ts";
import { checkLog, checkStreams } from "./streams.ts";

/** Until the process ends. */
const leftOpen: Database[] = [];

/**
 * Checks all that a folder holds, and changes nothing.
 *
 * @param heads Ends of hash chains that were noted earlier: the chains still have to go through them.
 * @throws {ScriptError} When it cannot be checked: it is held, or none of Folio's.
 */
export async function verifyFolder(
  path: string,
  registry: Registry,
  findings: Findings,
  heads: readonly NotedHead[] = [],
): Promise<void> {
  const lock = await shareFolder(path);
  try {
    await verifyHeld(path, registry, findings, heads);
  } finally {
    lock?.close();
  }
}

async function verifyHeld(
  path: string,
  registry: Registry,
  findings: Findings,
  heads: readonly NotedHead[],
): Promise<void> {
  const unflushed = await filesWithWal(path);
  // The last connection to be closed would move what is in the log beside a file into the file.
  for (const name of unflushed) leftOpen.push(await openToRead(`${path}/${name}`));
  const folder = await openStoreFolder(path);
  const shards = folder.shards.map(({ number, database }) => ({
    number,
    shards: folder.shards.length,
    database,
    name: shardFile(number),
  }));
  const nowhere = heads.find(({ shard }) => shard >= shards.length);
  if (nowhere) {
    throw new ScriptError(`Cannot use --head ${nowhere.text}: ${path} has ${shards.length} shards`);
  }
  const kept = new Map<number, readonly Commit[]>();
  const waits = new SagaWaits();
  for (const shard of shards) {
    const check = (name: string, work: () => Promise<void>) => findings.check(name, shard.name, work);
    await check("file", async () => void kept.set(shard.number, await checkFile(shard, findings)));
    await check("log", () => checkLog(shard, findings));
    const noted = heads.filter((head) => head.shard === shard.number);
    await check("chain", () => checkChain(shard, noted, findings));
    await check("streams", () => checkStreams(shard, registry, findings, waits));
    await check("messages", () => checkMessages(shard, registry, findings));
    await check("outbox", () => checkOutbox(shard, findings));
    await check("timers", () => checkTimers(shard, findings));
    await check("checkpoints", () => checkCheckpoints(shard, findings));
    await check("commits", () => checkApplied(shard, kept.get(shard.number) ?? [], findings));
  }
  await findings.check("between shards", path, () => checkBetween(shards, kept, findings));
  await findings.check("sagas", path, () => waits.check(shards, findings));
  const readFile = `${path}/read.db`;
  const hasRead = await Deno.stat(readFile).then(() => true, () => false);
  if (hasRead) {
    await findings.check("projections", "read.db", async () => {
      const database = await openToRead(readFile);
      try {
        await checkProjections({ database, path: readFile }, shards, registry, findings);
      } finally {
        await database.close();
      }
    });
  } else findings.note("There is no read.db: read models are made again from the log when a server starts");
  await folder.close();
}

/**
 * Makes sure that no server has the folder.
 *
 * @throws {ScriptError} When one has.
 */
async function shareFolder(path: string): Promise<Deno.FsFile | undefined> {
  const file = await Deno.open(`${path}/folio.lock`).catch(() => undefined);
  if (!file || file.tryLockSync(false)) return file;
  file.close();
  const holder = (await Deno.readTextFile(`${path}/folio.lock`)).trim();
  throw new ScriptError(`Cannot verify ${path}: it is held by ${holder}; stop it, or verify a backup`);
}

/** Databases whose newest commits are still in the log beside them: closing one would move them. */
async function filesWithWal(path: string): Promise<Set<string>> {
  const names = new Set<string>();
  try {
    for await (const { name } of Deno.readDir(path)) {
      if (name.endsWith(".db-wal") && (await Deno.stat(`${path}/${name}`)).size > 0) {
        names.add(name.slice(0, -4));
      }
    }
  } catch {
    // No such folder: it is opened next, and named.
  }
  return names;
}
