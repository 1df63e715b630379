import type { FolioError } from "../core/errors.ts";
import { type Failure, parseActorName } from "../core/message.ts";
import { Signal } from "../core/signal.ts";
import type { Committer } from "./committer.ts";
import type { Entry } from "./mailbox.ts";
import type { Recorder } from "./recorder.ts";
import type { Refusals } from "./refusals.ts";

/** What the work of a shard needs of it. */
export interface WorkOwner {
  readonly committer: Committer;
  readonly recorder: Recorder;
  readonly refusals: Refusals;
}

/**
 * The activities of a shard: messages that are handled by workers (`processors/activities.ts`) and not by turns.
 * An attempt is on disk before it begins: one with fewer failures than attempts was begun, and what came of it
 * is not known.
 *
 * Invariant: an entry is in `#entries` from when workers are told of it until its outcome joins a commit. A worker that comes
 * with one that is not there any more (the shard was loaded again) is too late.
 */
export class Work {
  /** Told of each entry that may be begun, now or at its `nextAttemptAt`. */
  readonly arrived = new Signal<Entry>();
  /** Told when all entries are void. True: for good; false: they are read again from the disk. */
  readonly dropped = new Signal<boolean>();
  readonly #entries = new Set<Entry>();
  /** Read while the shard was loaded again. */
  readonly #untold: Entry[] = [];

  constructor(private readonly owner: WorkOwner) {}

  /** All that waits or is being done. */
  get entries(): ReadonlySet<Entry> {
    return this.#entries;
  }

  add(entry: Entry): void {
    // While the shard is loaded again, nothing may join a commit: the loading waits for what has.
    if (this.owner.committer.isAccepting) this.#tell(entry);
    else this.#untold.push(entry);
  }

  #tell(entry: Entry): void {
    this.#entries.add(entry);
    this.arrived.emit(entry);
  }

  /** Tells of what came while nothing could be begun. */
  resume(): void {
    if (this.#untold.length === 0 || !this.owner.committer.isAccepting) return;
    for (const entry of this.#untold.splice(0)) this.#tell(entry);
  }

  clear(isForGood: boolean): void {
    this.#entries.clear();
    this.#untold.length = 0;
    this.dropped.emit(isForGood);
  }

  /**
   * Whether the entry's outcome may still be told. Also while it is found out what became of a commit: what is
   * told then joins the open one, and is lost or kept with it.
   */
  has(entry: Entry): boolean {
    return this.#entries.has(entry);
  }

  /**
   * Records that an attempt begins. Resolves when that is on disk, rejects when it is lost.
   *
   * @param leaseUntil When another attempt may begin, should nothing be heard of this one.
   */
  begin(entry: Entry, leaseUntil: number): Promise<void> {
    entry.attempts++;
    entry.status = "retrying";
    entry.nextAttemptAt = leaseUntil;
    this.owner.recorder.beganWork(entry);
    this.owner.recorder.store(entry);
    return this.owner.committer.flushed();
  }

  /**
   * Records that the attempt that was begun last does not count: it is as if it had not been begun.
   *
   * @param delayMs Until the next one.
   */
  takeBack(entry: Entry, delayMs = 0): Promise<void> {
    if (!this.has(entry)) return Promise.resolve();
    entry.attempts--;
    entry.status = entry.attempts === 0 ? "queued" : "retrying";
    entry.nextAttemptAt = delayMs > 0 ? this.owner.recorder.now() + delayMs : null;
    this.owner.recorder.tookBackWork(entry);
    this.owner.recorder.store(entry);
    return this.owner.committer.flushed();
  }

  /**
   * Records that this process stops and gives up the attempt that was begun last: what came of it is not known, and
   * it is not one of those there may be.
   */
  handBack(entry: Entry): Promise<void> {
    if (!this.has(entry)) return Promise.resolve();
    const at = this.owner.recorder.now();
    entry.failures.push({ attempt: entry.attempts, at, error: HANDED_BACK, isCounted: false });
    entry.nextAttemptAt = at;
    this.owner.recorder.tookBackWork(entry);
    this.owner.recorder.store(entry);
    return this.owner.committer.flushed();
  }

  /** Records what an activity gave. No-op when it is too late. Resolves when that is on disk. */
  done(entry: Entry, output: unknown): Promise<void> {
    if (!this.#entries.delete(entry)) return Promise.resolve();
    const { recorder, committer } = this.owner;
    return recorder.ending(entry, () => {
      recorder.settleWork(entry, output);
      return committer.flushed();
    });
  }

  /** Records that it is too late to perform it. */
  expired(entry: Entry): Promise<void> {
    if (!this.#entries.delete(entry)) return Promise.resolve();
    const { recorder, committer } = this.owner;
    return recorder.ending(entry, () => {
      recorder.expireWork(entry);
      return committer.flushed();
    });
  }

  /**
   * Records that an attempt failed. No-op when it is too late. Resolves when that is on disk.
   *
   * @param delayMs Until the next attempt; undefined where there is none.
   */
  failed(entry: Entry, error: unknown, delayMs: number | undefined): Promise<void> {
    if (!this.has(entry)) return Promise.resolve();
    if (delayMs === undefined) this.#entries.delete(entry);
    const { recorder, committer } = this.owner;
    return recorder.failure(entry, () => {
      recorder.failWork(entry, error, delayMs);
      return committer.flushed();
    });
  }

  /** Why an entry cannot be begun: the store has refused what is recorded of it. */
  whyRefused(entry: Entry): FolioError | undefined {
    return this.owner.refusals.open(entry);
  }

  /** Whether the store takes nothing at all of an entry, which stays as it is until the next start. */
  isHeld(entry: Entry): boolean {
    return this.owner.refusals.whyHeld(entry) !== undefined;
  }

  /** Records that it cannot be performed at all: a dead letter at once. Resolves when that is on disk. */
  refuse(entry: Entry, error: unknown): Promise<void> {
    entry.attempts++;
    return this.failed(entry, error, undefined);
  }
}

const HANDED_BACK = "The process was stopped during the attempt, which does not count";

/** What is known of attempts that were begun; what was before it was redriven does not count. */
function historyOf({ failures }: Entry): readonly Failure[] {
  return failures.slice(failures.findLastIndex(({ attempt }) => attempt === 0) + 1);
}

/** Attempts of an entry that were begun, and of which it is not known what came. */
export function attemptsInDoubt(entry: Entry): number {
  return Math.max(0, entry.attempts - historyOf(entry).length);
}

/** Attempts of an entry that are some of those there may be. */
export function countedAttempts(entry: Entry): number {
  return entry.attempts - historyOf(entry).filter(({ isCounted }) => isCounted === false).length;
}

/** Whether a process that was stopped has given up one of its attempts. */
export function wasHandedBack(entry: Entry): boolean {
  return historyOf(entry).some(({ isCounted }) => isCounted === false);
}

/** Whether it is not known what came of the attempt that was begun last. */
export function isLatestInDoubt(entry: Entry): boolean {
  return entry.attempts > 0 && entry.failures.at(-1)?.attempt !== entry.attempts;
}

/** Name and key of the activity that an entry is for. */
export function activityOf(entry: Entry): { name: string; key: string } {
  const { type, key } = parseActorName(entry.message.actor);
  return { name: type.slice(type.indexOf(":") + 1), key };
}
