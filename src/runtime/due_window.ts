import { type Clock, RECHECK_MS } from "../core/clock.ts";

/** Place in the order of what falls due: time, then order among those of one time. */
export interface DueKey {
  readonly at: number;
  readonly order: number | string;
}

/** What is read at once. */
export interface DuePage {
  readonly after: DueKey;
  readonly upTo: number;
  readonly limit: number;
}

/** Where what falls due is read from, and where it goes. */
export interface DueOwner<T> {
  keyOf(item: T): DueKey;
  /**
   * Stored items with `after` < key and at <= `upTo`, soonest first; waits for what is being written.
   * `reached`: how far, where there may be more; that may be so before the limit.
   */
  read(page: DuePage): Promise<{ items: T[]; reached: DueKey | undefined }>;
  /** When the first stored item after a time is due; undefined where there is none. */
  next(after: number): Promise<number | undefined>;
  due(item: T): void;
  failed(error: unknown): void;
}

/** Items of one read. */
const ITEMS_PER_READ = 10_000;
const RETRY_DELAY_MS = 1_000;

/**
 * Hands things over when their time comes. Millions may wait on the disk; in memory are those up to
 * `#heldUntil`, which moves on by a window at a time, or by as many as are read at once. While nothing on the
 * disk comes near, the disk is left alone.
 *
 * Invariants:
 * 1. An item up to `#heldUntil` is in memory or has been handed over; a later one is on the disk, or on its way
 *    there, and may be in memory, too. One that is read while it is added stands here twice: `due` must take the
 *    second as nothing.
 * 2. None is handed over while one that comes before it may still have to be read (`#end`): a read may bring
 *    one long item, and what is added meanwhile must not overtake the others.
 */
export class DueWindow<T> {
  /** A binary heap, soonest first. */
  readonly #heap: T[] = [];
  #heldUntil: DueKey;
  /** Items that the last read brought, where that was as much as one may, and there may be more up to its end. */
  #partOf: number | undefined;
  /** Behind what the read goes on that is under way. */
  #readFrom: DueKey | undefined;
  /** No item on the disk after `#heldUntil` is due before this. */
  #nextAt = -Infinity;
  #cancelTimer: () => void = () => {};
  #timerAt = Infinity;
  #cancelWindow: () => void = () => {};
  #stopped = false;

  /** @param from What is due by then has been handed over already. */
  constructor(
    private readonly clock: Clock,
    private readonly windowMs: number,
    private readonly owner: DueOwner<T>,
    from: DueKey,
  ) {
    this.#heldUntil = from;
  }

  /** Items held in memory. */
  get held(): number {
    return this.#heap.length;
  }

  /** Up to here all that is due has come to memory. */
  get #end(): DueKey {
    return this.#readFrom ?? this.#heldUntil;
  }

  /** Reads what is due within the next window. */
  async runOnce(): Promise<void> {
    if (this.#readFrom) return;
    const after = this.#heldUntil;
    const upTo = this.clock.now() + this.windowMs;
    if (upTo < after.at) return;
    // From here on `add` holds what is due by then, so that nothing falls between it and the query.
    this.#heldUntil = { at: upTo, order: Number.MAX_SAFE_INTEGER };
    this.#readFrom = after;
    try {
      this.#nextAt = Infinity; // `add` makes it sooner, also while this reads
      const { items, reached } = await this.owner.read({ after, upTo, limit: ITEMS_PER_READ });
      this.#partOf = reached && items.length;
      if (reached) this.#heldUntil = reached;
      for (const item of items) this.#push(item);
      const next = reached ? reached.at : await this.owner.next(upTo);
      this.#nextAt = Math.min(this.#nextAt, next ?? Infinity);
    } catch (error) {
      this.#heldUntil = after; // the next run reads this window again
      this.#nextAt = -Infinity;
      throw error;
    } finally {
      this.#readFrom = undefined;
      this.#setTimer();
    }
  }

  /** From now on, reads half a window before what comes next on the disk. */
  start(): void {
    this.#cancelWindow();
    if (this.#stopped || this.#nextAt === Infinity) return;
    // What was read comes first; when half of it is gone, or only what was added is left, there is another read.
    if (this.#partOf !== undefined && this.held > this.#partOf / 2 && this.#hasFirst()) return;
    const delayMs = this.#nextAt === -Infinity
      ? RETRY_DELAY_MS
      : this.#nextAt - this.windowMs / 2 - this.clock.now();
    this.#cancelWindow = this.clock.after(Math.min(delayMs, RECHECK_MS), async () => {
      if (this.#nextAt - this.windowMs / 2 > this.clock.now()) return this.start();
      try {
        await this.runOnce();
      } catch (error) {
        this.owner.failed(error);
      }
      this.start();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
    this.#cancelWindow();
  }

  /** @returns Whether it is held in memory now; otherwise the disk has it until a later window. */
  add(item: T): boolean {
    const key = this.owner.keyOf(item);
    const upTo = this.clock.now() + this.windowMs;
    // Nothing on the disk lies between what is held and the end of the window: it can begin now.
    if (!this.#readFrom && this.#nextAt > upTo && upTo > this.#heldUntil.at) {
      this.#heldUntil = { at: upTo, order: Number.MAX_SAFE_INTEGER };
    }
    if (!isSooner(this.#heldUntil, key)) {
      this.#push(item);
      return true;
    }
    if (key.at < this.#nextAt) {
      this.#nextAt = key.at;
      if (!this.#readFrom) this.start();
    }
    return false;
  }

  #push(item: T): void {
    const heap = this.#heap;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isSoonerAt(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
    this.#setTimer();
  }

  #pop(): void {
    const heap = this.#heap;
    this.#swap(0, heap.length - 1);
    heap.pop();
    for (let at = 0;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (this.#isSoonerAt(child, least)) least = child;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #swap(a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b] as T, this.#heap[a] as T];
  }

  #isSoonerAt(a: number, b: number): boolean {
    const heap = this.#heap;
    return a < heap.length && isSooner(this.owner.keyOf(heap[a] as T), this.owner.keyOf(heap[b] as T));
  }

  /** Whether there is one with nothing before it that has not come to memory. */
  #hasFirst(): boolean {
    return this.#heap.length > 0 && !isSooner(this.#end, this.owner.keyOf(this.#heap[0] as T));
  }

  #setTimer(): void {
    if (this.#stopped || !this.#hasFirst()) return;
    const soonest = this.owner.keyOf(this.#heap[0] as T).at;
    if (soonest >= this.#timerAt) return;
    this.#cancelTimer();
    this.#timerAt = soonest;
    this.#cancelTimer = this.clock.after(Math.min(soonest - this.clock.now(), RECHECK_MS), () => {
      this.#timerAt = Infinity;
      const now = this.clock.now();
      while (this.#hasFirst()) {
        const first = this.#heap[0] as T;
        if (this.owner.keyOf(first).at > now) break;
        this.#pop();
        this.owner.due(first);
      }
      this.#setTimer();
      if (this.#partOf !== undefined && !this.#readFrom) this.start();
    });
  }
}

function isSooner(a: DueKey, b: DueKey): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
