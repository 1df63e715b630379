import type { Message } from "../core/message.ts";
import type { ShardStore } from "../store/shard_store.ts";
import { nextTimerAt, readTimers, type Timer, timerKey } from "../store/timers.ts";
import type { Committer } from "./committer.ts";
import { type DueKey, type DuePage, DueWindow } from "./due_window.ts";
import type { OpenCommit } from "./open_commit.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Refusals } from "./refusals.ts";
import type { World } from "./world.ts";
import type { TimerChange } from "./turn.ts";

/** What timers need of their shard. */
export interface TimersOwner {
  readonly world: World;
  readonly store: ShardStore;
  readonly committer: Committer;
  readonly outgoing: Outgoing;
  readonly refusals: Refusals;
  /** The shard's time, which never goes back. */
  now(): number;
  failed(error: unknown): void;
}

/** A due timer whose message finds no room is tried again after so long. */
const NO_ROOM_DELAY_MS = 1_000;
/** One that falls due while it is found out what became of a commit, after so long. */
const RECOVERING_DELAY_MS = 100;

/**
 * The timers of a shard. What sets, cancels and fires them are commits: each fires once, and none after the turn
 * that cancels it.
 *
 * Invariant: `#held` has the timers that stand in the window, as the open commit leaves them; what comes out of
 * the window and is not in `#held` has been cancelled or set anew.
 */
export class Timers {
  readonly #held = new Map<string, Timer>();
  readonly #window: DueWindow<Timer>;
  /** Those that are due, while a commit has no room for what they send. */
  readonly #waiting: Timer[] = [];
  /** What the open commit has of timers that fired. */
  #fired: { readonly open: OpenCommit; timers: number; bytes: number } | undefined;
  /** Timers that were set or cancelled while others are being read. */
  #changed: Set<string> | undefined;
  #isStopped = false;

  constructor(private readonly owner: TimersOwner) {
    const { clock, limits } = owner.world;
    this.#window = new DueWindow<Timer>(clock, limits.delayWindowMs, {
      keyOf: ({ dueAt, id }) => ({ at: dueAt, order: id }),
      read: (page) => this.#read(page),
      next: (after) => nextTimerAt(owner.store.database, after),
      due: (timer) => this.#fire(timer),
      failed: (error) => owner.failed(error),
    }, { at: -Number.MAX_SAFE_INTEGER, order: "" });
  }

  /** Reads what is due, and goes on from there. */
  async start(): Promise<void> {
    await this.#window.runOnce();
    this.#window.start();
  }

  stop(): void {
    this.#isStopped = true;
    this.#window.stop();
  }

  /** Lets a change join the open commit. */
  change(actor: string, { name, set }: TimerChange, cause: Message): void {
    if (!set) return this.#drop(actor, name);
    const timer: Timer = {
      actor,
      name,
      id: this.owner.world.ids.next(),
      dueAt: set.dueAt,
      request: set.request,
      causationId: cause.id,
      correlationId: cause.correlationId,
      traceparent: this.owner.world.observer?.contextOf?.(cause.id) ?? cause.traceparent,
    };
    const key = timerKey(timer);
    const { open } = this.owner.committer;
    open.timers.set(key, { actor, name, timer });
    open.bytes += JSON.stringify(set.request.input).length;
    this.#changed?.add(key);
    // First, since the window may hand it over at once.
    this.#held.set(key, timer);
    if (!this.#window.add(timer)) this.#held.delete(key);
  }

  #drop(actor: string, name: string): void {
    const key = timerKey({ actor, name });
    this.owner.committer.open.timers.set(key, { actor, name, timer: undefined });
    this.#changed?.add(key);
    this.#held.delete(key);
  }

  async #read(page: DuePage): Promise<{ items: Timer[]; reached: DueKey | undefined }> {
    const changed = this.#changed = new Set();
    try {
      await this.owner.committer.flushed();
      const { items: timers, hasMore } = await readTimers(this.owner.store.database, {
        ...page,
        bytesMax: this.owner.world.limits.pageBytesMax,
      });
      if (this.#isStopped) return { items: [], reached: undefined };
      const items = timers.filter((timer) => {
        const key = timerKey(timer);
        // What has been changed since the read began is as the change has left it.
        if (changed.has(key) || this.#held.has(key)) return false;
        this.#held.set(key, timer);
        return true;
      });
      const last = hasMore ? timers.at(-1) : undefined;
      return { items, reached: last && { at: last.dueAt, order: last.id } };
    } finally {
      this.#changed = undefined;
    }
  }

  #fire(timer: Timer): void {
    this.#waiting.push(timer);
    if (this.#waiting.length === 1) this.#fireWaiting();
  }

  /** Thousands may fall due in one moment: no commit becomes longer by them than a commit may be. */
  #fireWaiting(): void {
    const { committer, world: { limits } } = this.owner;
    for (let timer = this.#waiting[0]; timer !== undefined; timer = this.#waiting[0]) {
      const { open } = committer;
      // What turns have joined does not count: they must not keep timers waiting for ever.
      if (this.#fired?.open !== open) this.#fired = { open, timers: 0, bytes: 0 };
      if (this.#fired.timers >= limits.commitTurnsMax || this.#fired.bytes >= limits.commitBytesMax) {
        const goOn = () => this.#fireWaiting();
        committer.flushed().then(goOn, goOn);
        return;
      }
      const before = open.bytes;
      this.#due(timer);
      this.#fired.timers++;
      this.#fired.bytes += open.bytes - before;
      this.#waiting.shift();
    }
  }

  #due(timer: Timer): void {
    const { committer, outgoing, refusals, world } = this.owner;
    if (refusals.isTimerHeld(timer)) return;
    if (this.#isStopped || this.#held.get(timerKey(timer)) !== timer) return;
    if (!committer.isAccepting) {
      // The commit whose answer did not come may turn out to be on disk: then nothing is read again.
      world.clock.after(RECOVERING_DELAY_MS, () => this.#fire(timer));
      return;
    }
    const send = { request: timer.request, delayMs: 0, id: timer.id };
    if (outgoing.whyNoRoom([send])) {
      world.clock.after(NO_ROOM_DELAY_MS, () => this.#fire(timer));
      return;
    }
    world.observer?.timerFired?.(timer.actor, this.owner.now() - timer.dueAt);
    const { causationId, correlationId, traceparent } = timer;
    committer.change(() => {
      this.#drop(timer.actor, timer.name);
      outgoing.send(send, { id: causationId, correlationId, traceparent }, this.owner.now());
    }, refusals.ofTimer(timer));
    committer.flushSoon();
  }
}
