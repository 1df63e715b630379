import type { Clock } from "../core/clock.ts";
import type { Entry } from "./mailbox.ts";

/** Where the delayed messages of a shard are read from, and where they go when due. */
export interface DelaysOwner {
  /** Stored messages with `after` < deliverAt <= `upTo`, oldest first; waits for what is being written. */
  readDelayed(window: { after: number; upTo: number }): Promise<Entry[]>;
  due(entry: Entry): void;
  failed(error: unknown): void;
}

/**
 * Delivers delayed messages when their time comes. Millions may wait on the disk; in memory are those that
 * are due before `#heldUntil`, which moves on by a window at a time.
 *
 * Invariant: a message due by `#heldUntil` is in `#entries` or has been delivered; a later one is on the
 * disk, or on its way there.
 */
export class Delays {
  /** A binary heap, soonest first. */
  readonly #entries: Entry[] = [];
  #heldUntil: number;
  #cancelTimer: () => void = () => {};
  #timerAt = Infinity;
  #cancelWindow: () => void = () => {};
  #stopped = false;

  /** @param from What is due by this time has been delivered already. */
  constructor(
    private readonly clock: Clock,
    private readonly windowMs: number,
    private readonly owner: DelaysOwner,
    from: number,
  ) {
    this.#heldUntil = from;
  }

  /** Messages held in memory. */
  get held(): number {
    return this.#entries.length;
  }

  /** Reads what is due within the next window; call again each half window. */
  async runOnce(): Promise<void> {
    const after = this.#heldUntil;
    const upTo = this.clock.now() + this.windowMs;
    if (upTo <= after) return;
    // From here on `add` holds what is due by then, so that nothing falls between it and the query.
    this.#heldUntil = upTo;
    try {
      for (const entry of await this.owner.readDelayed({ after, upTo })) this.#push(entry);
    } catch (error) {
      this.#heldUntil = after; // the next run reads this window again
      throw error;
    }
  }

  start(): void {
    const next = () => {
      if (this.#stopped) return;
      this.#cancelWindow = this.clock.after(this.windowMs / 2, async () => {
        try {
          await this.runOnce();
        } catch (error) {
          this.owner.failed(error);
        }
        next();
      });
    };
    next();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
    this.#cancelWindow();
  }

  /** @returns Whether it is held in memory now; otherwise the disk has it until a later window. */
  add(entry: Entry): boolean {
    if (entry.message.deliverAt > this.#heldUntil) return false;
    this.#push(entry);
    return true;
  }

  #push(entry: Entry): void {
    const heap = this.#entries;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isSooner(heap[at], heap[parent])) break;
      [heap[at], heap[parent]] = [heap[parent] as Entry, heap[at] as Entry];
      at = parent;
    }
    this.#setTimer();
  }

  #pop(): Entry | undefined {
    const heap = this.#entries;
    const soonest = heap[0];
    const last = heap.pop();
    if (last && heap.length > 0) {
      heap[0] = last;
      for (let at = 0;;) {
        let least = at;
        for (const child of [2 * at + 1, 2 * at + 2]) if (isSooner(heap[child], heap[least])) least = child;
        if (least === at) break;
        [heap[at], heap[least]] = [heap[least] as Entry, heap[at] as Entry];
        at = least;
      }
    }
    return soonest;
  }

  #setTimer(): void {
    const soonest = this.#entries[0]?.message.deliverAt;
    if (soonest === undefined || soonest >= this.#timerAt || this.#stopped) return;
    this.#cancelTimer();
    this.#timerAt = soonest;
    this.#cancelTimer = this.clock.after(soonest - this.clock.now(), () => {
      this.#timerAt = Infinity;
      const now = this.clock.now();
      for (let first = this.#entries[0]; first && first.message.deliverAt <= now; first = this.#entries[0]) {
        this.#pop();
        this.owner.due(first);
      }
      this.#setTimer();
    });
  }
}

function isSooner(a: Entry | undefined, b: Entry | undefined): boolean {
  if (!a || !b) return false;
  return a.message.deliverAt < b.message.deliverAt ||
    (a.message.deliverAt === b.message.deliverAt && a.seq < b.seq);
}
