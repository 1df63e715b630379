import type { Clock } from "../core/clock.ts";

interface Waiting {
  readonly at: number;
  readonly callback: () => void;
}

/**
 * Calls back after a delay that is the same for all, with one timer of the clock: one for each of many that are
 * nearly all cancelled would cost more than the turns they wait for.
 */
export class Deadlines {
  /** In the order of their times, which is the order they came in. */
  readonly #waiting = new Set<Waiting>();
  #cancelTimer: (() => void) | undefined;

  constructor(private readonly clock: Clock, private readonly delayMs: number) {}

  /** Calls `callback` once, after the delay. @returns A function that cancels it. */
  add(callback: () => void): () => void {
    const waiting = { at: this.clock.now() + this.delayMs, callback };
    this.#waiting.add(waiting);
    if (!this.#cancelTimer) this.#arm(this.delayMs);
    return () => {
      this.#waiting.delete(waiting);
      if (this.#waiting.size > 0) return;
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    };
  }

  #arm(delayMs: number): void {
    this.#cancelTimer = this.clock.after(delayMs, () => this.#due());
  }

  #due(): void {
    const now = this.clock.now();
    for (const waiting of this.#waiting) {
      if (waiting.at > now) return this.#arm(waiting.at - now);
      this.#waiting.delete(waiting);
      waiting.callback();
    }
    this.#cancelTimer = undefined;
  }
}
