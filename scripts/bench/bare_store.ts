import type { Commit } from "../../src/store/commit.ts";
import type { Database } from "../../src/store/database.ts";
import { openShardStore } from "../../src/store/shard_store.ts";
import { openWorkerDatabase } from "../../src/store/worker_database.ts";

/** What a commit changes; what is left out stays as it is. */
export type Changes = Partial<Omit<Commit, "index" | "epoch" | "at">>;

/** A shard with nothing around it: what is measured against it does its work beside the very same commits. */
export interface BareStore {
  /** The next commit with these changes, made before its time is taken. */
  next(changes: Changes): Commit;
  /** Resolves when it is on disk. */
  append(commit: Commit): Promise<unknown>;
}

/**
 * Opens a shard in a folder, and closes it when the work is done.
 *
 * @param open Where its statements run: on a thread of its own, unless it is said otherwise.
 */
export async function withBareStore<T>(
  folder: string,
  work: (store: BareStore) => Promise<T>,
  open: (options: { url: string }) => Database | Promise<Database> = openWorkerDatabase,
): Promise<T> {
  const url = `file:${folder}/shard-0.db`;
  const database = await open({ url });
  try {
    const { engine } = await openShardStore(database, { name: url, shard: 0, shards: 1, isFile: true });
    const { epoch } = await engine.acquire();
    let index = 0;
    return await work({
      next: (changes) => ({
        ...nothing,
        ...{ index: ++index, epoch, id: `c${index}`, at: Date.now() },
        ...changes,
      }),
      append: (commit) => engine.append(commit.index - 1, commit),
    });
  } finally {
    await database.close();
  }
}

const nothing = {
  events: [],
  messages: [],
  outbox: [],
  relayed: [],
  snapshots: [],
  checkpoints: [],
  timers: [],
  timersGone: [],
  prune: null,
};
