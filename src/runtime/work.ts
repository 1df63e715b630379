import { parseActorName } from "../core/message.ts";
import { Signal } from "../core/signal.ts";
import type { Committer } from "./committer.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Entry } from "./mailbox.ts";

/** What the work of a shard needs of it. */
export interface WorkOwner {
  readonly committer: Committer;
  readonly dispatcher: Dispatcher;
}

/**
 * The activities of a shard: messages that are handled by workers (`processors/activities.ts`) and not by turns.
 * An attempt is on disk before it begins: one with fewer failures than attempts was begun, and what came of it
 * is not known.
 *
 * Invariant: an entry is in `#entries` from its arrival until its outcome joins a commit. A worker that comes
 * with one that is not there any more (the shard was loaded again) is too late.
 */
export class Work {
  /** Told of each entry that may be begun, now or at its `nextAttemptAt`. */
  readonly arrived = new Signal<Entry>();
  /** Told when all entries are void, because the shard is loaded again or stops. */
  readonly dropped = new Signal();
  readonly #entries = new Set<Entry>();

  constructor(private readonly owner: WorkOwner) {}

  /** All that waits or is being done. */
  get entries(): ReadonlySet<Entry> {
    return this.#entries;
  }

  add(entry: Entry): void {
    this.#entries.add(entry);
    this.arrived.emit(entry);
  }

  clear(): void {
    this.#entries.clear();
    this.dropped.emit();
  }

  /** Whether the entry's outcome may still be told. */
  has(entry: Entry): boolean {
    return this.#entries.has(entry) && this.owner.committer.isAccepting;
  }

  /**
   * Records that an attempt begins. Resolves when that is on disk.
   *
   * @param leaseUntil When another attempt may begin, should nothing be heard of this one.
   */
  begin(entry: Entry, leaseUntil: number): Promise<void> {
    entry.attempts++;
    entry.status = "retrying";
    entry.nextAttemptAt = leaseUntil;
    this.owner.dispatcher.beganWork(entry);
    this.owner.dispatcher.store(entry);
    return this.owner.committer.flushed();
  }

  /** Records what an activity gave. No-op when it is too late. */
  done(entry: Entry, output: unknown): void {
    if (!this.has(entry)) return;
    this.#entries.delete(entry);
    this.owner.dispatcher.settleWork(entry, output);
  }

  /**
   * Records that an attempt failed. No-op when it is too late.
   *
   * @param delayMs Until the next attempt; undefined where there is none.
   * @returns Whether there will be another attempt.
   */
  failed(entry: Entry, error: unknown, delayMs: number | undefined): boolean {
    if (!this.has(entry)) return false;
    if (delayMs === undefined) this.#entries.delete(entry);
    this.owner.dispatcher.failWork(entry, error, delayMs);
    return delayMs !== undefined;
  }
}

/** Name and key of the activity that an entry is for. */
export function activityOf(entry: Entry): { name: string; key: string } {
  const { type, key } = parseActorName(entry.message.actor);
  return { name: type.slice(type.indexOf(":") + 1), key };
}
