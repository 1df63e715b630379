import type { Limits } from "./config.ts";
import type { Clock } from "./core/clock.ts";
import { errorMessage } from "./core/errors.ts";
import type { Ids } from "./core/ids.ts";
import type { Log } from "./core/log.ts";
import { StepError } from "./core/step.ts";
import { Activities } from "./processors/activities.ts";
import { Pruner } from "./processors/pruner.ts";
import { Projections } from "./processors/projections.ts";
import { QueryRunner } from "./processors/query_runner.ts";
import { Reactors } from "./processors/reactors.ts";
import { Relay } from "./processors/relay.ts";
import type { AnyModule } from "./runtime/registry.ts";
import { Runtime } from "./runtime/runtime.ts";
import type { Database } from "./store/database.ts";
import { type HeldFolder, holdFolder } from "./store/folder.ts";
import { openLibsqlDatabase } from "./store/libsql_database.ts";
import { UnusableStoreError } from "./store/migrations.ts";
import { openReadStore, openShardStore, type ShardStore } from "./store/shard_store.ts";
import { openWorkerDatabase } from "./store/worker_database.ts";

/** How a runtime is put together. */
export interface CreateRuntimeOptions {
  readonly modules: readonly AnyModule[];
  /**
   * A folder, made if it is not there; `:memory:`; or the URL of a libSQL server (`libsql:`, `http:`,
   * `https:`), with `{shard}` in it where there are several shards.
   */
  readonly data: string;
  readonly dataToken?: string | undefined;
  /** Fixed once the store is made (1). */
  readonly shards?: number | undefined;
  readonly limits?: Partial<Limits> | undefined;
  readonly clock?: Clock | undefined;
  readonly ids?: Ids | undefined;
  readonly log?: Log | undefined;
}

/** A runtime that owns its store: disposing of it ends its work and closes the store. */
export interface OpenRuntime extends Runtime {
  readonly projections: Projections;
  readonly reactors: Reactors;
  readonly activities: Activities;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a store and runs the modules on it.
 *
 * @throws {UnusableStoreError} When the store is held by another process, or is not Folio's.
 *
 * @example
 * ```ts
 * import { createRuntime } from "folio";
 * import { counter } from "../actors/counter.ts";
 *
 * await using runtime = await createRuntime({ modules: [counter], data: ":memory:" });
 * const result = await runtime.ask(counter.ref("clicks").increment({ by: 2 }));
 * if (result.ok) console.assert(result.reply.value === 2);
 * ```
 */
export async function createRuntime(options: CreateRuntimeOptions): Promise<OpenRuntime> {
  const opened: Database[] = [];
  let folder: HeldFolder | undefined;
  const release = async () => {
    for (const database of opened) await database.close().catch(() => {});
    folder?.release();
  };
  try {
    const isRemote = /^(libsql|https?|wss?):/.test(options.data);
    const isMemory = options.data === ":memory:";
    const shards = options.shards ?? 1;
    if (isRemote && shards > 1 && !options.data.includes("{shard}")) {
      throw new UnusableStoreError(
        `Cannot use ${options.data} for ${shards} shards: it has no {shard} in it`,
      );
    }
    if (!isRemote && !isMemory) folder = holdFolder(options.data);
    const shardFiles = folder ? shardFilesOf(options.data) : new Set<string>();
    const stores: ShardStore[] = [];
    for (let shard = 0; shard < shards; shard++) {
      const name = folder
        ? `${options.data}/shard-${shard}.db`
        : options.data.replaceAll("{shard}", String(shard));
      if (folder && !shardFiles.has(`shard-${shard}.db`) && await isUsed(folder, shardFiles)) {
        // Not to be taken for a new one: its actors would begin again from nothing.
        throw new UnusableStoreError(
          `Cannot use ${options.data}: ${name} is not there, but other shards are`,
        );
      }
      const url = folder?.databaseUrl(`shard-${shard}.db`) ?? (isMemory ? "file::memory:" : name);
      const location = { url, authToken: options.dataToken };
      const database = folder ? await openDatabase(location.url) : openLibsqlDatabase(location);
      opened.push(database);
      stores.push(await openShardStore(database, { name, shard, shards, isFile: folder !== undefined }));
    }
    const readName = folder ? `${options.data}/read.db` : options.data.replaceAll("{shard}", "read");
    const readLocation = {
      url: folder?.databaseUrl("read.db") ?? (isMemory ? "file::memory:" : readName),
      authToken: options.dataToken,
    };
    const readDatabase = folder ? await openDatabase(readLocation.url) : openLibsqlDatabase(readLocation);
    opened.push(readDatabase);
    await openReadStore(readDatabase, { name: readName, shards, isFile: folder !== undefined });
    const runtime = await Runtime.start({ ...options, stores });
    const projections = new Projections(runtime, readDatabase, new QueryRunner(runtime, readDatabase));
    const reactors = new Reactors(runtime);
    const activities = new Activities(runtime);
    const processors = [new Relay(runtime), new Pruner(runtime), projections, reactors, activities];
    for (const processor of processors) await processor.start();
    // A step of a saga may fail before the saga awaits it, which must not end the process.
    const onUnhandled = (event: PromiseRejectionEvent) => {
      if (!(event.reason instanceof StepError)) return;
      event.preventDefault();
      runtime.log("warn", "Step of a saga failed before it was awaited", {
        error: errorMessage(event.reason),
      });
    };
    globalThis.addEventListener("unhandledrejection", onUnhandled);
    let isDisposed = false;
    return Object.assign(runtime, {
      projections,
      reactors,
      activities,
      async [Symbol.asyncDispose]() {
        if (isDisposed) return;
        isDisposed = true;
        globalThis.removeEventListener("unhandledrejection", onUnhandled);
        await Promise.all(processors.map((processor) => processor.stop()));
        await runtime.stop();
        await release();
      },
    });
  } catch (error) {
    await release();
    throw error;
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

async function openDatabase(url: string): Promise<Database> {
  try {
    return await openWorkerDatabase({ url });
  } catch (error) {
    throw new UnusableStoreError(`Cannot open ${url}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}
