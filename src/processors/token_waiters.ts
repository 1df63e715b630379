import type { Clock } from "../core/clock.ts";
import type { Positions } from "../core/token.ts";

/** Somebody who waits until rows reflect a token. */
interface Waiter {
  readonly token: Positions;
  resolve(hasSeen: boolean): void;
}

/** Those who wait until rows reflect a token: nobody asks again, each is told, or gives up in time. */
export class TokenWaiters {
  #waiting: Waiter[] = [];

  constructor(private readonly clock: Clock) {}

  /** Resolves with true once a token has been seen; with false after `waitMs`, or when it will not be. */
  wait(token: Positions, waitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const cancelTimer = this.clock.after(waitMs, () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        resolve(false);
      });
      const waiter = {
        token,
        resolve: (hasSeen: boolean) => {
          cancelTimer();
          resolve(hasSeen);
        },
      };
      this.#waiting.push(waiter);
    });
  }

  /** Tells those whose token has been seen. */
  moved(positions: Positions): void {
    if (this.#waiting.length === 0) return;
    const still: Waiter[] = [];
    for (const waiter of this.#waiting) {
      if (hasSeen(positions, waiter.token)) waiter.resolve(true);
      else still.push(waiter);
    }
    this.#waiting = still;
  }

  /** What they wait for will not come. */
  end(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve(false);
  }
}

/** Whether positions are at or behind a token in every shard that it names. */
export function hasSeen(positions: Positions, token: Positions): boolean {
  return [...token].every(([shard, position]) => (positions.get(shard) ?? 0) >= position);
}
