import { activityNameOf } from "../core/activity.ts";
import { errorMessage } from "../core/errors.ts";
import { aboutMessage } from "../core/log.ts";
import { StepError } from "../core/step.ts";
import type { StrayReading } from "../core/stray.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { presentAttempt } from "./attempt_context.ts";
import { TokenBucket } from "./token_bucket.ts";

/** So many are logged in a minute, whatever their number: a library in a loop must not fill the disk. */
const LOGGED = { limit: 10, perMs: 60_000 };
const ERROR_CHARS_MAX = 2_000;

/** A promise that was rejected, and what is to be done so that it does not end the process. */
export type StrayRejection = Pick<PromiseRejectionEvent, "reason" | "preventDefault">;

/**
 * Promises that a module's code has left rejected, and that nobody awaits. By itself each would end the process,
 * and with it the work of all others. Nothing of Folio's hangs on them: what an activity gives or throws is
 * awaited, and turns are synchronous. So the process goes on, and an operator is told: in the log, in a metric, by
 * an alert.
 *
 * A step of a saga that fails before the saga awaits it is no such thing: it is in the journal.
 */
export class StrayRejections {
  readonly #readings = new Map<string, StrayReading>();
  readonly #logged = new TokenBucket(LOGGED);
  #unlogged = 0;
  readonly #listener = (event: PromiseRejectionEvent) => this.seen(event);

  /**
   * @param survives Whether all are survived, or steps only: the program that embeds Folio decides.
   * @param death Ends it, where it is not stopped.
   */
  constructor(
    private readonly runtime: Pick<Runtime, "clock" | "log">,
    private readonly survives: boolean,
    private readonly death?: AbortSignal,
  ) {}

  start(): void {
    globalThis.addEventListener("unhandledrejection", this.#listener, this.death && { signal: this.death });
  }

  stop(): void {
    globalThis.removeEventListener("unhandledrejection", this.#listener);
  }

  /** By activity, since the process has started. */
  list(): StrayReading[] {
    return [...this.#readings.values()];
  }

  /** Takes notice of one. */
  seen(event: StrayRejection): void {
    if (event.reason instanceof StepError) {
      event.preventDefault();
      const error = errorMessage(event.reason);
      return this.runtime.log("warn", "Step of a saga failed before it was awaited", { error });
    }
    if (!this.survives) return;
    event.preventDefault();
    this.#count(event.reason);
  }

  #count(reason: unknown): void {
    const now = this.runtime.clock.now();
    const message = presentAttempt();
    const activity = message && activityNameOf(message.actor) || "none";
    const error = errorMessage(reason).slice(0, ERROR_CHARS_MAX);
    const count = (this.#readings.get(activity)?.count ?? 0) + 1;
    this.#readings.set(activity, { activity, count, at: now, error });
    if (this.#logged.waitMs(now) > 0) return void this.#unlogged++;
    this.#logged.take();
    this.#logged.used(now);
    this.runtime.log("error", "A promise was rejected, and nothing awaits it", {
      ...(message && aboutMessage(message)),
      error,
      stack: reason instanceof Error ? reason.stack?.slice(0, ERROR_CHARS_MAX) : undefined,
      unlogged: this.#unlogged || undefined,
    });
    this.#unlogged = 0;
  }
}
