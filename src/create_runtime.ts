import type { Limits } from "./config.ts";
import { type Clock, systemClock } from "./core/clock.ts";
import type { Ids } from "./core/ids.ts";
import { type Log, silentLog } from "./core/log.ts";
import { Observation, type ObserveOptions } from "./observe/observation.ts";
import { Pruner } from "./processors/pruner.ts";
import { Projections } from "./processors/projections.ts";
import { QueryRunner } from "./processors/query_runner.ts";
import { Reactors } from "./processors/reactors.ts";
import { Relay } from "./processors/relay.ts";
import type { AlertMonitor, MetricsPage } from "./runtime/observation.ts";
import { type AnyModule, Registry } from "./runtime/registry.ts";
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
  /** Metrics and alerts; `false` for none. */
  readonly observe?: ObserveOptions | false | undefined;
}

/** A runtime that owns its store: disposing of it ends its work and closes the store. */
export interface OpenRuntime extends Runtime {
  readonly projections: Projections;
  readonly reactors: Reactors;
  /** Undefined where `observe` is false. */
  readonly metrics: MetricsPage | undefined;
  readonly alerts: AlertMonitor | undefined;
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
    const { observe = {}, clock = systemClock, log = silentLog } = options;
    const observation = observe ? new Observation(new Registry(options.modules), clock) : undefined;
    const runtime = await Runtime.start({ ...options, stores, observer: observation?.observer });
    const projections = new Projections(runtime, readDatabase, new QueryRunner(runtime, readDatabase));
    const reactors = new Reactors(runtime);
    const processors = [new Relay(runtime), new Pruner(runtime), projections, reactors, runtime.schedules];
    for (const processor of processors) await processor.start();
    const watched = observation?.watch({
      clock,
      get isDraining() {
        return runtime.isDraining;
      },
      shards: runtime.shards,
      positions: () => runtime.positions(),
      projections,
      reactors,
    }, { ...observe, log, limits: runtime.limits });
    let isDisposed = false;
    return Object.assign(runtime, {
      projections,
      reactors,
      metrics: watched?.metrics,
      alerts: watched?.alerts,
      async [Symbol.asyncDispose]() {
        if (isDisposed) return;
        isDisposed = true;
        await watched?.stop();
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
