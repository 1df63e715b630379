import { ConsecutiveBreaker } from "cockatiel";
import type { CircuitBreakerOptions } from "../core/activity.ts";
import { errorMessage } from "../core/errors.ts";

/** What an attempt tells of the service it called: it answered (if only with a no), it failed, or neither. */
export type Verdict = "answered" | "failed" | "none";

/** How a circuit is doing. */
export interface CircuitStatus {
  readonly state: "closed" | "open" | "half-open";
  /** When one attempt is let through, unless it is closed. */
  readonly probeAt?: number;
  /** Why it opened. */
  readonly error?: string;
}

/**
 * Keeps work from a service that fails. `cockatiel` decides when that is; the time is ours, so that it can be a
 * virtual one.
 *
 * ```
 * closed ── failures in a row ──▶ open ── time passes ──▶ half-open (one attempt)
 *    ▲                             ▲                        │   │
 *    └──────── it answered ────────┼────────────────────────┼───┘
 *                                  └────── it failed ───────┘
 * ```
 */
export class Circuit {
  readonly #breaker: ConsecutiveBreaker;
  #open: { readonly probeAt: number; readonly error: string } | undefined;
  #isProbing = false;

  constructor(
    private readonly options: Pick<CircuitBreakerOptions, "failuresMax"> & {
      readonly halfOpenAfterMs: number;
    },
  ) {
    this.#breaker = new ConsecutiveBreaker(options.failuresMax);
  }

  status(now: number): CircuitStatus {
    if (!this.#open) return { state: "closed" };
    return { state: this.#isProbing || now >= this.#open.probeAt ? "half-open" : "open", ...this.#open };
  }

  /** Until an attempt may begin: 0 if it may now, Infinity while one is let through to see. */
  waitMs(now: number): number {
    if (!this.#open) return 0;
    return this.#isProbing ? Infinity : Math.max(0, this.#open.probeAt - now);
  }

  /** An attempt begins. @returns Whether it is the one that is let through to see. */
  begin(): boolean {
    this.#isProbing = this.#open !== undefined;
    return this.#isProbing;
  }

  /** An attempt has ended. @param isProbe What `begin` gave. */
  ended(isProbe: boolean, verdict: Verdict, now: number, error?: unknown): void {
    if (isProbe) this.#isProbing = false;
    // Those begun before it opened say nothing of how things are now.
    if (verdict === "none" || this.#open !== undefined && !isProbe) return;
    if (verdict === "answered") {
      this.#breaker.success();
      this.#open = undefined;
    } else if (this.#breaker.failure() || isProbe) {
      this.#open = { probeAt: now + this.options.halfOpenAfterMs, error: errorMessage(error) };
    }
  }
}
