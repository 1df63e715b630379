import { errorMessage } from "../core/errors.ts";
import { nextDeliveryAt, readPending } from "../store/messages.ts";
import type { ShardStore } from "../store/shard_store.ts";
import type { Committer } from "./committer.ts";
import { DueWindow } from "./due_window.ts";
import { Entry } from "./mailbox.ts";
import type { Pending } from "./pending.ts";
import type { World } from "./world.ts";

/** What a backlog needs of its shard. */
export interface BacklogOwner {
  readonly world: World;
  readonly store: ShardStore;
  readonly committer: Committer;
  readonly pending: Pending;
  /** Puts a message that is due into its mailbox. */
  enqueue(entry: Entry): void;
}

const PENDING_PER_QUERY = 1_000;

/**
 * The messages of a shard that wait on its disk: those that are due are loaded once, when the shard begins, and
 * those that come later are held as their time comes near.
 */
export class Backlog {
  #delays: DueWindow<Entry>;
  #isOver = false;

  constructor(private readonly owner: BacklogOwner) {
    this.#delays = this.#newDelays(owner.world.clock.now());
  }

  /** Delayed messages in memory. */
  get held(): number {
    return this.#delays.held;
  }

  /** Leaves an admitted message to its time. */
  delay(entry: Entry): void {
    if (this.#delays.add(entry)) return;
    entry.waiters.push({
      wantsOutcome: false,
      handled: () => {},
      failed: () => {},
      admitted: () => this.owner.pending.delete(entry),
    });
  }

  /** Fills the mailboxes with what is due by now, and holds what is due soon. */
  async load(now: number): Promise<void> {
    this.#delays.stop();
    const delays = this.#delays = this.#newDelays(now);
    for (const entry of await this.#readDue(now)) {
      if (this.owner.pending.remember(entry)) this.owner.enqueue(entry);
    }
    // These, and not those of a loading that has begun meanwhile.
    await delays.runOnce();
    delays.start();
  }

  /** Forgets what it holds; what is being read for it comes to nothing. */
  stop(): void {
    this.#isOver = true;
    this.#delays.stop();
  }

  /** @param from What was due by then stands in the mailboxes. */
  #newDelays(from: number): DueWindow<Entry> {
    const { world, store, committer, pending } = this.owner;
    const delays: DueWindow<Entry> = new DueWindow<Entry>(world.clock, world.limits.delayWindowMs, {
      keyOf: ({ message, seq }) => ({ at: message.deliverAt, order: seq }),
      read: async ({ after, upTo, limit }) => {
        await committer.flushed();
        const { items: records, hasMore } = await readPending(store.database, store.shard, {
          ...{ after: { deliverAt: after.at, seq: Number(after.order) }, deliverBefore: upTo },
          ...{ limit, bytesMax: world.limits.pageBytesMax },
        });
        const entries = records.map((record) => Entry.fromRecord(record));
        // What was read for a memory that has been dropped since must not stand in the way of the new one.
        if (this.#isOver || delays !== this.#delays) return { items: [], reached: undefined };
        const items = entries.filter((entry) => pending.remember(entry));
        const last = hasMore ? records.at(-1) : undefined;
        return { items, reached: last && { at: last.deliverAt, order: last.seq } };
      },
      next: (after) => nextDeliveryAt(store.database, after),
      due: (entry) => this.owner.enqueue(entry),
      failed: (error) =>
        world.log("error", "Delayed messages cannot be read", { error: errorMessage(error) }),
    }, { at: from, order: Number.MAX_SAFE_INTEGER });
    return delays;
  }

  async #readDue(deliverBefore: number): Promise<Entry[]> {
    const { store, world } = this.owner;
    const entries: Entry[] = [];
    let cursor = { deliverAt: -1, seq: 0 };
    while (true) {
      const { items: records, hasMore } = await readPending(store.database, store.shard, {
        ...{ after: cursor, deliverBefore },
        ...{ limit: PENDING_PER_QUERY, bytesMax: world.limits.pageBytesMax },
      });
      for (const record of records) entries.push(Entry.fromRecord(record));
      const last = records.at(-1);
      if (!last || !hasMore) return entries;
      cursor = { deliverAt: last.deliverAt, seq: last.seq };
    }
  }
}
