import { type Clock, RECHECK_MS } from "../core/clock.ts";
import { Queue } from "../runtime/mailbox.ts";
import { TokenBucket } from "./token_bucket.ts";

/** What holds for the work of each key. */
export interface LaneRules<Job> {
  readonly runningMax: number;
  readonly rate: { readonly limit: number; readonly perMs: number } | undefined;
  /** When a job may begin, where those behind it have to wait for it; undefined: it is never waited for. */
  readonly notBefore: ((job: Job) => number) | undefined;
}

/** The work of one key. */
class Lane<Job> {
  readonly queue = new Queue<Job>();
  /** Tried before, and to be tried again before all others. */
  readonly first: Job[] = [];
  running = 0;
  isInTurn = false;
  cancelAlarm: () => void = () => {};

  constructor(readonly key: string, readonly bucket: TokenBucket | undefined) {}

  peek(): Job | undefined {
    return this.first[0] ?? this.queue.peek();
  }

  take(): Job | undefined {
    return this.first.shift() ?? this.queue.shift();
  }
}

/**
 * Work that waits, by key. Keys take turns, so that one with a thousand jobs gets no more of the workers than one
 * with a few.
 *
 * Invariant: a lane stands in `#turns`, once, when its first job may begin; otherwise what it waits for (a job
 * that ends, a token, a time) offers it again.
 */
export class Lanes<Job> {
  readonly #lanes = new Map<string, Lane<Job>>();
  readonly #turns = new Queue<Lane<Job>>();
  #isStopped = false;

  /** @param ready Told when `next` may have something again, because time has passed. */
  constructor(
    private readonly clock: Clock,
    private readonly rules: LaneRules<Job>,
    private readonly ready: () => void,
  ) {}

  /** Keys that have work, or whose limits are not as at first. */
  get size(): number {
    return this.#lanes.size;
  }

  push(key: string, job: Job): void {
    const lane = this.#lane(key);
    lane.queue.push(job);
    this.#offer(lane);
  }

  /** Puts a job before all others of its key. */
  putFirst(key: string, job: Job): void {
    const lane = this.#lane(key);
    lane.first.push(job);
    this.#offer(lane);
  }

  /** Takes a job of the key whose turn it is. `began` or `left` must follow. */
  next(): Job | undefined {
    const lane = this.#turns.shift();
    if (!lane) return undefined;
    lane.isInTurn = false;
    const job = lane.take();
    lane.running++;
    lane.bucket?.take();
    this.#offer(lane);
    return job;
  }

  /** A job that was taken begins now. `ended` must follow. */
  began(key: string): void {
    const lane = this.#lane(key);
    lane.bucket?.used(this.clock.now());
    this.#offer(lane);
  }

  /** A job that was taken does not begin. */
  left(key: string): void {
    this.#lane(key).bucket?.giveBack();
    this.ended(key);
  }

  /** A job that began has ended. */
  ended(key: string): void {
    const lane = this.#lane(key);
    lane.running--;
    this.#offer(lane);
  }

  /** Looks again whether a key's work may begin. */
  refresh(key: string): void {
    const lane = this.#lanes.get(key);
    if (lane) this.#offer(lane);
  }

  /** Drops jobs that wait. */
  drop(isVoid: (job: Job) => boolean): void {
    this.#turns.drop(() => true);
    for (const lane of this.#lanes.values()) {
      lane.isInTurn = false;
      lane.queue.drop(isVoid);
      for (const job of lane.first.splice(0)) if (!isVoid(job)) lane.first.push(job);
      this.#offer(lane);
    }
  }

  /** No lane waits for a time any more. */
  stop(): void {
    this.#isStopped = true;
    for (const lane of this.#lanes.values()) lane.cancelAlarm();
  }

  #lane(key: string): Lane<Job> {
    let lane = this.#lanes.get(key);
    if (!lane) {
      const { rate } = this.rules;
      this.#lanes.set(key, lane = new Lane<Job>(key, rate && new TokenBucket(rate)));
    }
    return lane;
  }

  #offer(lane: Lane<Job>): void {
    lane.cancelAlarm();
    lane.cancelAlarm = () => {};
    if (lane.isInTurn) return;
    const now = this.clock.now();
    const job = lane.peek();
    if (job === undefined) return this.#forget(lane, now);
    if (lane.running >= this.rules.runningMax) return;
    const waitMs = Math.max(lane.bucket?.waitMs(now) ?? 0, (this.rules.notBefore?.(job) ?? 0) - now);
    if (waitMs > 0) return this.#wait(lane, waitMs);
    lane.isInTurn = true;
    this.#turns.push(lane);
  }

  #wait(lane: Lane<Job>, waitMs: number): void {
    if (waitMs === Infinity || this.#isStopped) return;
    lane.cancelAlarm = this.clock.after(Math.min(waitMs, RECHECK_MS), () => {
      this.#offer(lane);
      this.ready();
    });
  }

  /** Forgets a key that has no work, once its limits are as at first. */
  #forget(lane: Lane<Job>, now: number): void {
    if (lane.running > 0) return;
    const waitMs = lane.bucket?.fullInMs(now) ?? 0;
    if (waitMs > 0) this.#wait(lane, waitMs);
    else this.#lanes.delete(lane.key);
  }
}
