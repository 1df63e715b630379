import type { Clock } from "../core/clock.ts";
import { FolioError } from "../core/errors.ts";
import type { Ids } from "../core/ids.ts";
import type { Observer } from "../core/observer.ts";
import type { Limits } from "../config.ts";
import type { CheckpointRow } from "../store/checkpoints.ts";
import type { Commit } from "../store/commit.ts";
import { FencedError, type Head, type ShardEngine, UnavailableError } from "../store/engine.ts";
import type { EventRow } from "../store/events.ts";
import { messageRow } from "../store/messages.ts";
import type { OutboxRow } from "../store/outbox.ts";
import type { SnapshotRow } from "../store/snapshots.ts";
import { type Timer, timerRow } from "../store/timers.ts";
import type { WebhookSecretsRow } from "../store/webhooks.ts";
import type { Entry } from "./mailbox.ts";

/** Who is told what became of a commit. */
export interface Release {
  durable(): void;
  lost(error: FolioError): void;
}

/** A commit while turns still join it. */
class OpenCommit {
  readonly events: EventRow[] = [];
  /** Messages whose rows are written as they are when the commit is sealed. */
  readonly entries = new Set<Entry>();
  readonly outbox: OutboxRow[] = [];
  readonly relayed: number[] = [];
  readonly snapshots: SnapshotRow[] = [];
  readonly checkpoints: CheckpointRow[] = [];
  /** Timers as they are after this commit, by `timerKey`; undefined where there is none any more. */
  readonly timers = new Map<string, { actor: string; name: string; timer: Timer | undefined }>();
  readonly webhookSecrets: WebhookSecretsRow[] = [];
  prune: Commit["prune"] = null;
  readonly releases: Release[] = [];
  turns = 0;
  bytes = 0;

  get hasRows(): boolean {
    return this.events.length > 0 || this.entries.size > 0 || this.outbox.length > 0 ||
      this.relayed.length > 0 || this.snapshots.length > 0 || this.checkpoints.length > 0 ||
      this.timers.size > 0 || this.webhookSecrets.length > 0 || this.prune !== null;
  }
}

/** What a committer tells its shard. */
export interface CommitterOwner {
  /** A commit is on disk; those who wait for it are told next. */
  committed(events: readonly EventRow[], outbox: number): void;
  /** Turns may run again. */
  ready(): void;
  /** Another holder has the shard. */
  fenced(error: FolioError): void;
  /** Commits are lost: the shard's memory no longer agrees with its disk, and must be loaded again. */
  lost(head: Head): Promise<void>;
}

/**
 * Releases of a commit from which on they are called in two halves. Callers who come again at once would
 * otherwise all come in one commit, and the thread of turns and the one of the disk wait for each other; so
 * the turns of the second half run while the first half is on its way. Below this, a commit more costs more.
 */
const HALVED_FROM = 64;
const RECOVERY_DELAY_MS = 100;
const RECOVERY_DELAY_MS_MAX = 5_000;

/**
 * Gathers what turns change into commits, and makes one durable after the other (group commit).
 *
 * Invariants:
 * 1. At most one commit is on its way to the engine; the next one fills meanwhile.
 * 2. A release is called only when its commit, and so every commit before it, is durable.
 * 3. When a commit is lost, so is the open one, which was built on it; nothing of either is released.
 * 4. Whether a commit whose answer did not come is durable is decided by its id in the engine's head, once a
 *    new epoch keeps it from landing later.
 */
export class Committer {
  #open = new OpenCommit();
  /** `isEmpty`: it changes nothing, and is only to be confirmed. */
  #inFlight: { commit: OpenCommit; id: string; isEmpty: boolean } | undefined;
  #headId: string;
  #flushScheduled = false;
  #index: number;
  #state: "open" | "recovering" | "closed" = "open";
  #idle: (() => void)[] = [];
  #epoch: number;

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
    this.#index = head.index;
    this.#headId = head.id;
    this.#epoch = head.epoch;
  }

  /** The commit that joins now. What joins becomes durable with it. */
  get open(): OpenCommit {
    return this.#open;
  }

  /** Index that the open commit will have. */
  get openIndex(): number {
    return this.#index + (this.#inFlight && !this.#inFlight.isEmpty ? 2 : 1);
  }

  /** Index of the newest durable commit. */
  get durableIndex(): number {
    return this.#index;
  }

  /** Whether turns must wait for the next commit. */
  get isFull(): boolean {
    const { commitTurnsMax, commitBytesMax } = this.world.limits;
    return this.#open.turns >= commitTurnsMax || this.#open.bytes >= commitBytesMax;
  }

  get isAccepting(): boolean {
    return this.#state === "open";
  }

  /** Sends the open commit on its way as soon as the work of this moment has joined it. */
  flushSoon(): void {
    if (this.#flushScheduled || this.#inFlight || this.#state !== "open") return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  /** Resolves when all that has joined so far is durable; rejects when it is lost. */
  flushed(): Promise<void> {
    if (!this.#inFlight && !this.#open.hasRows && this.#open.releases.length === 0) return Promise.resolve();
    return new Promise((durable, lost) => {
      this.#open.releases.push({ durable, lost });
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
      this.#open.releases.push({ durable, lost });
      this.flushSoon();
    });
  }

  /** Resolves when nothing is open or on its way, or when the store does not answer. */
  idle(): Promise<void> {
    if (this.#state !== "open") return Promise.resolve();
    if (!this.#inFlight && this.#open.releases.length === 0 && !this.#open.hasRows) return Promise.resolve();
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

  #flush(): void {
    if (this.#inFlight || this.#state !== "open") return;
    const commit = this.#open;
    if (!commit.hasRows) {
      if (commit.releases.length > 0) {
        this.#open = new OpenCommit();
        if (this.engine.isShared) return this.#confirm(commit);
        // Nothing to write, and nothing before it on its way: what was waited for is durable already.
        for (const release of commit.releases) release.durable();
      }
      this.#wakeIdle();
      return;
    }
    this.#open = new OpenCommit();
    const sealed = this.#seal(commit);
    this.#inFlight = { commit, id: sealed.id, isEmpty: false };
    this.world.observer?.committing?.(this.world.shard, commit);
    this.engine.append(this.#index, sealed).then(() => this.#succeeded(), (error) => this.#failed(error));
  }

  /** What was rejected or only read is told once it is known that nobody else has gone on from there. */
  #confirm(commit: OpenCommit): void {
    this.#inFlight = { commit, id: this.#headId, isEmpty: true };
    this.engine.head().then(
      ({ epoch }) =>
        epoch === this.#epoch
          ? this.#succeeded()
          : this.#failed(new UnavailableError("The epoch is another")),
      (error) => this.#failed(error),
    );
  }

  #seal(commit: OpenCommit): Commit {
    const { shard, now, ids } = this.world;
    const timers = [...commit.timers.values()];
    return {
      index: this.#index + 1,
      epoch: this.#epoch,
      id: ids.next(),
      at: now(),
      events: commit.events,
      messages: Array.from(commit.entries, (entry) => messageRow(entry.toRecord(shard), entry.inputJson)),
      outbox: commit.outbox,
      relayed: commit.relayed,
      snapshots: commit.snapshots,
      timers: timers.flatMap(({ timer }) => timer ? [timerRow(timer)] : []),
      timersGone: timers.flatMap(({ actor, name, timer }) => timer ? [] : [[actor, name]]),
      checkpoints: commit.checkpoints,
      ...(commit.webhookSecrets.length > 0 ? { webhookSecrets: commit.webhookSecrets } : {}),
      prune: commit.prune,
    };
  }

  #succeeded(): void {
    if (!this.#inFlight) return;
    const { commit, id, isEmpty } = this.#inFlight;
    this.#inFlight = undefined;
    if (!isEmpty) {
      this.#index++;
      this.#headId = id;
      this.world.observer?.committed?.(this.world.shard, true);
    }
    this.owner.committed(commit.events, commit.outbox.length);
    const { releases } = commit;
    const first = releases.length < HALVED_FROM ? releases.length : Math.ceil(releases.length / 2);
    for (const release of releases.slice(0, first)) release.durable();
    queueMicrotask(() => {
      for (const release of releases.slice(first)) release.durable();
      this.#flush();
      this.owner.ready();
    });
  }

  async #failed(error: unknown): Promise<void> {
    const lost = this.#inFlight;
    if (!lost) return;
    if (error instanceof FencedError) return this.#fence();
    this.#state = "recovering";
    this.#wakeIdle();
    const head = await this.#recover(lost);
    if (!this.#isRecovering()) return; // closed meanwhile
    if (!head) return this.#fence();
    this.#epoch = head.epoch;
    if (head.id === lost.id) {
      this.#state = "open";
      this.#succeeded();
    } else {
      this.#loseAll(
        new FolioError(
          "store-unavailable",
          `Store failed: ${error instanceof Error ? error.message : error}`,
          {
            shard: this.world.shard,
          },
          { cause: error },
        ),
      );
      await this.owner.lost(head);
      if (this.#state === "recovering") this.#state = "open";
      this.owner.ready();
    }
  }

  #isRecovering(): boolean {
    return this.#state === "recovering";
  }

  /** Asks where the shard is until there is an answer; undefined when it is another's, or this is closed. */
  async #recover({ commit, id }: { commit: OpenCommit; id: string }): Promise<Head | undefined> {
    const index = this.#index + 1;
    for (let delayMs = RECOVERY_DELAY_MS; this.#isRecovering();) {
      try {
        return await this.engine.recover({ index, id });
      } catch (error) {
        if (error instanceof FencedError) {
          // It was there before the other holder came, and those who wait for it are told so.
          if (error.hasLanded) { for (const release of commit.releases.splice(0)) release.durable(); }
          return undefined;
        }
        await new Promise<void>((resolve) => this.world.clock.after(delayMs, resolve));
        delayMs = Math.min(delayMs * 2, RECOVERY_DELAY_MS_MAX);
      }
    }
    return undefined;
  }

  #fence(): void {
    const fenced = notOwner(this.world.shard);
    this.#state = "closed";
    this.#loseAll(fenced);
    this.owner.fenced(fenced);
  }

  #loseAll(error: FolioError): void {
    const inFlight = this.#inFlight?.commit;
    const isEmpty = this.#inFlight?.isEmpty;
    this.#inFlight = undefined;
    if (inFlight && !isEmpty) this.world.observer?.committed?.(this.world.shard, false);
    for (const release of inFlight?.releases ?? []) release.lost(error);
    this.#loseOpen(error);
    this.#wakeIdle();
  }

  #loseOpen(error: FolioError): void {
    const open = this.#open;
    this.#open = new OpenCommit();
    for (const release of open.releases) release.lost(error);
  }

  #wakeIdle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}

export function notOwner(shard: number): FolioError {
  return new FolioError("not-owner", `Shard ${shard} is held by another process`, { shard });
}
