import { setImmediate } from "node:timers";
import type { Clock } from "../core/clock.ts";
import { type Duration, parseDuration } from "../core/duration.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A clock that stands still until it is told to go on. Between two callbacks, all that a callback has set in
 * motion comes to rest first: promises, and the answers of in-memory databases, which need no more than
 * those. What another thread or a network answers cannot be waited for this way; await it.
 *
 * @example Twenty-four hours in no time
 * ```ts
 * import { VirtualClock } from "folio/testing";
 *
 * const clock = new VirtualClock();
 * clock.after(3_600_000, () => console.log("an hour has passed"));
 * await clock.advance("24h");
 * console.assert(clock.pending === 0);
 * ```
 */
export class VirtualClock implements Clock {
  /** Time that has passed, beginning with the first `now`; callbacks go by it. */
  #passed: number;
  /** How far the clock was set off from it. */
  #offset = 0;
  #made = 0;
  /** Callbacks that wait for what goes on to come to rest. */
  #soon = 0;
  /** A binary heap, soonest first. */
  readonly #heap: Timer[] = [];
  readonly #waiting = new Set<Timer>();

  /** @param start Milliseconds since the Unix epoch (2026-01-01). */
  constructor(start: number = Date.UTC(2026, 0, 1)) {
    this.#passed = start;
  }

  /** Callbacks that wait for their time. */
  get pending(): number {
    return this.#waiting.size;
  }

  now(): number {
    return this.#passed + this.#offset;
  }

  elapsed(): number {
    return this.#passed;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#passed + Math.max(Math.ceil(delayMs), 0), order: ++this.#made, callback };
    this.#push(timer);
    this.#waiting.add(timer);
    return () => this.#waiting.delete(timer);
  }

  soon(callback: () => void): void {
    this.#soon++;
    setImmediate(() => {
      this.#soon--;
      callback();
    });
  }

  /**
   * Lets time pass. Callbacks due by then run in the order of their times, equal ones in the order they were
   * asked for; the first one runs after what goes on now has come to rest.
   *
   * @param by Milliseconds, or a duration.
   */
  async advance(by: number | Duration): Promise<void> {
    const byMs = typeof by === "number" ? by : parseDuration(by);
    if (byMs === undefined || !(byMs >= 0)) {
      throw new TypeError(`Cannot advance: not a length of time, ${by}`);
    }
    const end = this.#passed + byMs;
    await this.settle();
    for (let due = this.#popBy(end); due; due = this.#popBy(end)) {
      this.#passed = Math.max(this.#passed, due.at);
      due.callback();
      await this.settle();
    }
    this.#passed = Math.max(this.#passed, end);
  }

  /** Goes on to the next callback and runs it. @returns False where there is none. */
  async advanceToNext(): Promise<boolean> {
    await this.settle();
    const next = this.#popBy(Infinity);
    if (!next) return false;
    this.#passed = Math.max(this.#passed, next.at);
    next.callback();
    await this.settle();
    return true;
  }

  /**
   * Moves the clock without running anything. Forward, that much time passes, as for a machine that was asleep: what
   * falls due meanwhile runs when time goes on. Back, the clock is set, and no time passes.
   */
  set(now: number): void {
    const by = now - this.now();
    if (by > 0) this.#passed += by;
    else this.#offset += by;
  }

  /** Sets the clock so far off from the time that has passed, either way: callbacks keep their delays. */
  setOff(offMs: number): void {
    this.#offset = offMs;
  }

  /** Resolves when all that needs only promises has come to rest. Time does not pass. */
  async settle(): Promise<void> {
    // All microtasks, and those that they lead to, run before the next macrotask.
    for (let turns = 0; turns < 2; turns++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      // What these start has to come to rest in its turn.
      if (this.#soon > 0) turns = -1;
    }
  }

  #popBy(end: number): Timer | undefined {
    for (let first = this.#heap[0]; first && first.at <= end; first = this.#heap[0]) {
      this.#pop();
      if (this.#waiting.delete(first)) return first;
    }
    return undefined;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isSooner(heap[at], heap[parent])) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    this.#swap(0, heap.length - 1);
    heap.pop();
    for (let at = 0;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (isSooner(heap[child], heap[least])) least = child;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #swap(a: number, b: number): void {
    const [first, second] = [this.#heap[a], this.#heap[b]];
    if (first && second) [this.#heap[a], this.#heap[b]] = [second, first];
  }
}

function isSooner(a: Timer | undefined, b: Timer | undefined): boolean {
  return a !== undefined && b !== undefined && (a.at < b.at || (a.at === b.at && a.order < b.order));
}
