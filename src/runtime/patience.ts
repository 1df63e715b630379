import type { Clock } from "../core/clock.ts";
import { FencedError } from "../store/engine.ts";

const DELAY_MS = 100;
const DELAY_MS_MAX = 5_000;
/** Losses in a row from which on it is waited. */
const LOSSES_AT_ONCE = 3;

/** Waits with a store that does not answer, or loses what it is given: longer each time, 5 s at the most. */
export class Patience {
  /** Times that commits were lost since one was durable. */
  #losses = 0;

  /** @param isWanted False ends the asking. */
  constructor(private readonly clock: Clock, private readonly isWanted: () => boolean) {}

  /**
   * Asks until there is an answer.
   *
   * @returns Undefined when it was not wanted any more.
   * @throws {FencedError} Which is an answer.
   */
  async ask<Answer>(question: () => Promise<Answer>): Promise<Answer | undefined> {
    for (let delayMs = DELAY_MS; this.isWanted();) {
      try {
        return await question();
      } catch (error) {
        if (error instanceof FencedError) throw error;
        await new Promise<void>((resolve) => this.clock.after(delayMs, resolve));
        delayMs = Math.min(delayMs * 2, DELAY_MS_MAX);
      }
    }
    return undefined;
  }

  /**
   * To be awaited before anything is sent again after a loss: at once for the first few in a row.
   *
   * @param isRefusal The store answers, and takes other things: it is waited no longer each time.
   */
  afterLoss(isRefusal: boolean): Promise<void> {
    const more = ++this.#losses - LOSSES_AT_ONCE - 1;
    const delayMs = isRefusal ? DELAY_MS : DELAY_MS * 2 ** more;
    if (this.#losses <= LOSSES_AT_ONCE || !this.isWanted()) return Promise.resolve();
    return new Promise((resolve) => {
      this.clock.after(Math.min(delayMs, DELAY_MS_MAX), resolve);
    });
  }

  /** A commit is durable: what was lost before it does not count any more. */
  succeeded(): void {
    this.#losses = 0;
  }
}
