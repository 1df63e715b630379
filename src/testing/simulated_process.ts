import type { Clock } from "../core/clock.ts";
import type { OpenRuntime } from "../create_runtime.ts";

/** The process died while somebody waited for it: whether it has done what was asked is not known. */
export class SimulatedCrash extends Error {
  override readonly name = "SimulatedCrash";
}

/**
 * One process of a simulation. It may be stopped in the middle of anything and go on later, and it may die.
 *
 * Invariant: what comes for it (a timer, an answer) runs while it is running; what comes while it is paused runs
 * when it goes on, in that order; what comes after its end never runs.
 */
export class SimulatedProcess {
  /** The way everything in it learns of time. */
  readonly clock: Clock;
  /** Where it has started. */
  runtime: OpenRuntime | undefined;
  #isOver = false;
  #held: (() => void)[] | undefined;
  readonly #ended = Promise.withResolvers<never>();
  readonly #death = new AbortController();

  /** @param name In the trace. */
  constructor(private readonly world: Clock, readonly name: string) {
    this.#ended.promise.catch(() => {});
    this.clock = {
      now: () => world.now(),
      elapsed: () => world.elapsed(),
      after: (delayMs, callback) => {
        let isCancelled = false;
        const cancel = world.after(delayMs, () => this.run(() => isCancelled || callback()));
        return () => {
          isCancelled = true;
          cancel();
        };
      },
      soon: (callback) => world.soon(() => this.run(callback)),
    };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isPaused(): boolean {
    return this.#held !== undefined;
  }

  /** Aborted when it dies. */
  get death(): AbortSignal {
    return this.#death.signal;
  }

  /** Rejects when it dies. */
  get ended(): Promise<never> {
    return this.#ended.promise;
  }

  /** Runs something of it: now, once it goes on, or never. */
  run(callback: () => void): void {
    if (this.#isOver) return;
    if (this.#held) this.#held.push(callback);
    else callback();
  }

  /** Resolves at once, or when it goes on. */
  running(): Promise<void> {
    return new Promise((resolve) => this.run(resolve));
  }

  pause(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    // One after the other, each with all that follows from it, as an event loop does.
    for (const callback of held) this.world.after(0, () => this.run(callback));
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#held = undefined;
    this.runtime = undefined;
    const crash = new SimulatedCrash("The process died, as planned");
    this.#death.abort(crash);
    this.#ended.reject(crash);
  }
}
