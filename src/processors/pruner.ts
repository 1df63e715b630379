import { errorMessage } from "../core/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { countPrunable } from "../store/messages.ts";
import { readOutboxOldest } from "../store/outbox.ts";

const INTERVAL_MS = 60_000;
/** Few enough that a commit with them is no longer than others. */
const MESSAGES_PER_COMMIT = 1_000;

/** Forgets handled messages when their retention is over. */
export class Pruner {
  #cancel: () => void = () => {};
  #run: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(private readonly runtime: Runtime) {}

  start(): void {
    this.#cancel = this.runtime.clock.after(INTERVAL_MS, () => {
      this.#run = this.runOnce().then(
        () => {},
        (error) =>
          this.runtime.log("warn", "Handled messages cannot be pruned", { error: errorMessage(error) }),
      ).then(() => {
        if (!this.#isStopped) this.start();
      });
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#run;
  }

  /**
   * Forgets what is due in all shards. A message that another shard may still be carrying here is not: its
   * row is what keeps it from being handled twice.
   *
   * @returns How many were forgotten.
   */
  async runOnce(): Promise<number> {
    const { shards, clock, limits } = this.runtime;
    const carried = await Promise.all(shards.map(({ store }) => readOutboxOldest(store.database)));
    const handledBefore = Math.min(
      clock.now() - limits.handledRetentionMs,
      ...carried.filter((at) => at !== undefined),
    );
    let forgotten = 0;
    for (const shard of shards) {
      while (!this.#isStopped) {
        const count = await countPrunable(shard.store.database, handledBefore, MESSAGES_PER_COMMIT);
        if (count === 0) break;
        await shard.prune({ handledBefore, limit: MESSAGES_PER_COMMIT });
        forgotten += count;
      }
    }
    return forgotten;
  }
}
