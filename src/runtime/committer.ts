import type { Clock } from "../core/clock.ts";
import { errorMessage, FolioError } from "../core/errors.ts";
import type { Ids } from "../core/ids.ts";
import type { Observer } from "../core/observer.ts";
import type { Limits } from "../config.ts";
import type { Commit } from "../store/commit.ts";
import { FencedError, type Head, type ShardEngine, UnavailableError } from "../store/engine.ts";
import type { EventRow } from "../store/events.ts";
import { RefusedError } from "../store/refusal.ts";
import { InFlight, type Sent } from "./in_flight.ts";
import type { OpenCommit, Release } from "./open_commit.ts";
import { Patience } from "./patience.ts";
import { LostWithOthers } from "./pending.ts";
import { notOwner } from "./serving.ts";
import { type ChangeOptions, Unsent } from "./unsent.ts";

/** What a committer tells its shard. */
export interface CommitterOwner {
  /** A commit is on disk; those who wait for it are told next. */
  committed(events: readonly EventRow[], outbox: number): void;
  /** Turns may run again. */
  ready(): void;
  /** A change has joined: turns that were not to be part of it may run. */
  changed(): void;
  /** Another holder has the shard. */
  fenced(error: FolioError): void;
  /** Commits are lost: the shard's memory no longer agrees with its disk, and must be loaded again. */
  lost(head: Head, why: FolioError): Promise<void>;
}

/**
 * Releases of a commit from which on they are called in two halves. Callers who come again at once would
 * otherwise all come in one commit, and the thread of turns and the one of the disk wait for each other; so
 * the turns of the second half run while the first half is on its way. Below this, a commit more costs more.
 */
const HALVED_FROM = 64;
/** Commits on their way at once: the engine begins with the next one while the answer to the first comes back. */
const IN_FLIGHT_MAX = 2;

/**
 * Gathers what turns change into commits, and makes one durable after the other (group commit). Which commits are on
 * their way, and after which, is with `InFlight`; which are not yet, with `Unsent`; how long to wait with a store in
 * trouble, with `Patience`.
 *
 * Invariants:
 * 1. At most two commits are on their way to the engine, which takes them in their order; the next one fills
 *    meanwhile.
 * 2. A release is called only when its commit, and so every commit before it, is durable. Answers are looked at
 *    in the order of their commits.
 * 3. When a commit is lost, so are those after it, which were built on it; nothing of them is released.
 * 4. Whether commits whose answers did not come are durable is decided by their ids and the engine's head, once
 *    a new epoch keeps them from landing later.
 * 5. A change is blamed for a refusal only when it was alone in its commit, which is not on disk.
 */
export class Committer {
  readonly #unsent: Unsent;
  readonly #inFlight: InFlight;
  /** Releases of a durable commit that are called next, whatever becomes of those behind it. */
  #untold: Release[] = [];
  #flushScheduled = false;
  #state: "open" | "recovering" | "closed" = "open";
  #idle: (() => void)[] = [];
  #epoch: number;
  readonly #patience: Patience;

  constructor(
    private readonly engine: ShardEngine,
    private readonly owner: CommitterOwner,
    /** `now`: the shard's time, which never goes back. */
    private readonly world: {
      readonly shard: number;
      readonly clock: Clock;
      readonly now: () => number;
      readonly ids: Ids;
      readonly limits: Limits;
      readonly observer?: Observer | undefined;
    },
    head: Head,
  ) {
    this.#unsent = new Unsent(world.shard);
    this.#inFlight = new InFlight(head);
    this.#epoch = head.epoch;
    this.#patience = new Patience(world.clock, () => this.#isRecovering());
  }

  /** The commit that joins now. What joins becomes durable with it. */
  get open(): OpenCommit {
    return this.#unsent.open;
  }

  /** Index that the open commit will have. */
  get openIndex(): number {
    return this.#inFlight.nextIndex + this.#unsent.ahead;
  }

  /** Index of the newest durable commit. */
  get durableIndex(): number {
    return this.#inFlight.durableIndex;
  }

  /** Whether turns must wait for the next commit. */
  get isFull(): boolean {
    if (this.#unsent.isSingling) return this.#inFlight.length > 0 || this.#unsent.hasRows;
    const { commitTurnsMax, commitBytesMax } = this.world.limits;
    const { turns, bytes } = this.#unsent.open;
    return turns >= commitTurnsMax || bytes >= commitBytesMax;
  }

  get isAccepting(): boolean {
    return this.#state === "open";
  }

  /** Whether a change is just joining, which what is done now would be part of. */
  get isChanging(): boolean {
    return this.#unsent.isChanging;
  }

  /** Lets what `join` adds to the open commit be kept or refused as one. */
  change<Result>(join: () => Result, options?: ChangeOptions): Result {
    if (this.#unsent.isChanging) return join();
    try {
      return this.#unsent.change(join, options);
    } finally {
      this.owner.changed();
    }
  }

  /** Sends the open commit on its way as soon as the work of this moment has joined it. */
  flushSoon(): void {
    if (this.#flushScheduled || !this.#maySend()) return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  /** Resolves when all that has joined so far is durable; rejects when it is lost. */
  flushed(): Promise<void> {
    // Not of who only wants to be confirmed: while the shard is loaded again, nobody is, and the loading asks this.
    if (this.#inFlight.length === 0 && !this.#unsent.hasRows) return Promise.resolve();
    return new Promise((durable, lost) => {
      this.open.releases.push({ durable, lost });
      this.flushSoon();
    });
  }

  /**
   * Resolves when what is in memory now was so for everybody: where another process may have the shard, it has
   * not. Rejects when it has.
   */
  confirmed(): Promise<void> {
    if (!this.engine.isShared) return Promise.resolve();
    return new Promise((durable, lost) => {
      this.open.releases.push({ durable, lost });
      this.flushSoon();
    });
  }

  /** Resolves when nothing is open or on its way, or when the store does not answer. */
  idle(): Promise<void> {
    if (this.#state !== "open") return Promise.resolve();
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.flushSoon();
    });
  }

  /** Takes no more; what has not been sent is lost. */
  close(error: FolioError): void {
    this.#state = "closed";
    this.#loseAll(error);
  }

  #isIdle(): boolean {
    const { next, open, hasCut } = this.#unsent;
    return this.#inFlight.length === 0 && !hasCut && !next.hasRows && open.releases.length === 0;
  }

  #maySend(): boolean {
    if (this.#state !== "open") return false;
    if (this.#inFlight.length === 0) return true;
    // Behind one that may be refused, nothing is sent.
    if (this.#unsent.isSingling || this.#unsent.hasCut) return false;
    const { commitFollowsTurns, commitBytesMax } = this.world.limits;
    const { turns, bytes } = this.open;
    // Each commit has its price.
    const isWorthIt = turns >= commitFollowsTurns || bytes >= commitBytesMax;
    return this.#inFlight.length < IN_FLIGHT_MAX && isWorthIt;
  }

  #flush(): void {
    if (!this.#maySend()) return;
    const commit = this.#unsent.next;
    const wasFull = this.isFull;
    if (!commit.hasRows) {
      if (this.#inFlight.length > 0) return;
      if (commit.releases.length > 0) {
        this.#unsent.landed(this.#unsent.take());
        if (this.engine.isShared) return this.#confirm(commit);
        // Nothing to write, and nothing before it on its way: what was waited for is durable already.
        for (const release of commit.releases) release.durable();
      }
      if (this.#unsent.hasCut) return this.#flush();
      this.#wakeIdle();
      if (wasFull) this.owner.ready();
      return;
    }
    const { shard, ids, now } = this.world;
    const place = { index: this.#inFlight.nextIndex, epoch: this.#epoch, id: ids.next(), at: now() };
    this.#unsent.take();
    const sent = this.#inFlight.add(commit, place.id);
    this.world.observer?.committing?.(shard, commit);
    let sealed: Commit;
    try {
      sealed = commit.seal(place, shard);
    } catch (error) {
      // What cannot be made into JSON now could not be later.
      return this.#answered(sent, { error: new RefusedError(errorMessage(error), { cause: error }) });
    }
    this.engine.append(sealed.index - 1, sealed).then(
      () => this.#answered(sent, {}),
      (error) => this.#answered(sent, { error }),
    );
    if (wasFull) this.owner.ready();
  }

  /** What was rejected or only read is told once it is known that nobody else has gone on from there. */
  #confirm(commit: OpenCommit): void {
    const sent = this.#inFlight.addEmpty(commit);
    const isOurs = ({ epoch }: Head) => epoch === this.#epoch;
    this.engine.head().then(
      (head) =>
        this.#answered(sent, isOurs(head) ? {} : { error: new UnavailableError("The epoch is another") }),
      (error) => this.#answered(sent, { error }),
    );
  }

  #answered(sent: Sent, answer: { readonly error?: unknown }): void {
    sent.answer = answer;
    // What the engine's head says counts for more.
    if (this.#state !== "open") return;
    for (let oldest = this.#inFlight.oldest; oldest?.answer; oldest = this.#inFlight.oldest) {
      if ("error" in oldest.answer) return void this.#failed(oldest.answer.error);
      this.#succeeded();
    }
  }

  #succeeded(): void {
    this.#tellRest();
    const releases = this.#takeDurable();
    const first = releases.length < HALVED_FROM ? releases.length : Math.ceil(releases.length / 2);
    this.#untold = releases.slice(first);
    for (const release of releases.slice(0, first)) release.durable();
    queueMicrotask(() => {
      this.#tellRest();
      this.#flush();
      this.owner.ready();
    });
  }

  #tellRest(): void {
    for (const release of this.#untold.splice(0)) release.durable();
  }

  /** The oldest commit on its way is durable. @returns Who is to be told. */
  #takeDurable(): readonly Release[] {
    const sent = this.#inFlight.land();
    if (!sent) return [];
    const { commit, isEmpty } = sent;
    if (!isEmpty) {
      this.#unsent.landed(commit);
      this.#patience.succeeded();
      this.world.observer?.committed?.(this.world.shard, true);
    }
    this.owner.committed(commit.events, commit.outbox.length);
    return commit.releases;
  }

  /** @param count How many commits are durable after all. */
  #releaseDurable(count: number): void {
    for (; count > 0; count--) for (const release of this.#takeDurable()) release.durable();
  }

  async #failed(error: unknown): Promise<void> {
    this.#tellRest();
    if (error instanceof FencedError) return this.#fence();
    this.#state = "recovering";
    this.#wakeIdle();
    const head = await this.#recover();
    if (!this.#isRecovering()) return; // closed meanwhile
    if (!head) return this.#fence();
    this.#epoch = head.epoch;
    const durable = this.#inFlight.countUpTo(head.id);
    this.#releaseDurable(durable);
    if (this.#inFlight.length > 0) {
      const why = this.#whyLost(error);
      if (durable === 0 && error instanceof RefusedError) this.#refused(error);
      this.#loseAll(why);
      await this.owner.lost(head, why);
      await this.#patience.afterLoss(error instanceof RefusedError);
    }
    if (!this.#isRecovering()) return;
    this.#state = "open";
    this.#flush();
    this.owner.ready();
  }

  #whyLost(cause: unknown): FolioError {
    const what = `Store failed: ${cause instanceof Error ? cause.message : String(cause)}`;
    const Lost = cause instanceof RefusedError ? LostWithOthers : FolioError<"store-unavailable">;
    return new Lost("store-unavailable", what, { shard: this.world.shard }, { cause });
  }

  /** The oldest commit on its way was refused: its change is to blame, or it is to be found which of them is. */
  #refused(error: RefusedError): void {
    const { shard } = this.world;
    const commit = this.#inFlight.oldest?.commit;
    if (!commit) return;
    const { only, changes, releases } = commit;
    if (changes !== 1 || !only) return this.#unsent.goAlone(this.#inFlight.changes + this.#unsent.changes);
    const told = new FolioError("store-refused", `Store refuses this: ${error.message}`, { shard }, {
      cause: error,
    });
    for (const release of releases.splice(only.first, only.end - only.first)) release.lost(told);
    only.refused?.(told);
  }

  #isRecovering(): boolean {
    return this.#state === "recovering";
  }

  /** Asks where the shard is until there is an answer; undefined when it is another's, or this is closed. */
  async #recover(): Promise<Head | undefined> {
    const { places } = this.#inFlight;
    try {
      return await this.#patience.ask(() => this.engine.recover(places));
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      // These were there before the other holder came, and those who wait for them are told so.
      this.#releaseDurable(this.#inFlight.countOf(error.landed));
      return undefined;
    }
  }

  #fence(): void {
    const fenced = notOwner(this.world.shard);
    this.#state = "closed";
    this.#loseAll(fenced);
    this.owner.fenced(fenced);
  }

  #loseAll(error: FolioError): void {
    for (const { commit, isEmpty } of this.#inFlight.lose()) {
      if (!isEmpty) this.world.observer?.committed?.(this.world.shard, false);
      for (const release of commit.releases) release.lost(error);
    }
    for (const commit of this.#unsent.takeAll()) {
      for (const release of commit.releases) release.lost(error);
    }
    this.#wakeIdle();
  }

  #wakeIdle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}
