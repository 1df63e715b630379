import { errorMessage } from "../core/errors.ts";
import type { ProjectionStatus } from "../runtime/read_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Generation } from "../store/read_store.ts";
import type { Tables } from "./generation_tables.ts";
import { type Projector, RETRY_DELAY_MS } from "./projector.ts";

/** Tables that are filled beside those that serve, to serve next or to be compared. */
export class Build {
  /** Resolves when it is over, whatever has become of it. */
  run: Promise<void> = Promise.resolve();
  /** From here on it can only succeed, or be repeated after a restart. */
  isSwitching = false;
  readonly #startedAt: number;
  #isEnded = false;
  #wake: () => void = () => {};

  constructor(
    private readonly runtime: Runtime,
    readonly generation: Generation,
    readonly tables: Tables,
    readonly projector: Projector,
  ) {
    this.#startedAt = runtime.clock.now();
  }

  /** Whether somebody has ended it. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether nothing will be written any more. */
  get isOver(): boolean {
    return this.#isEnded || this.projector.failure !== undefined;
  }

  status(): NonNullable<ProjectionStatus["build"]> {
    const { eventsDone, lagEvents, failure } = this.projector;
    return {
      eventsDone,
      eventsTotal: eventsDone + lagEvents,
      startedAt: this.#startedAt,
      ...(failure ? { failure } : {}),
    };
  }

  /** Ends it. Resolves when nothing is on its way any more, except a switch, which goes on. */
  async end(): Promise<void> {
    this.#isEnded = true;
    if (!this.isSwitching) await this.projector.stop();
    this.#wake();
  }

  /** Repeats work that a store has failed, until it succeeds or is over. */
  async untilDone(work: () => Promise<void>, isOver: () => boolean): Promise<void> {
    const { clock, log } = this.runtime;
    while (!isOver()) {
      try {
        return await work();
      } catch (error) {
        log("warn", "Projection cannot be built yet", {
          projection: this.generation.projection,
          error: errorMessage(error),
        });
      }
      if (isOver()) return;
      await new Promise<void>((resolve) => {
        const cancelTimer = clock.after(RETRY_DELAY_MS, resolve);
        this.#wake = () => {
          cancelTimer();
          resolve();
        };
      });
    }
  }
}
