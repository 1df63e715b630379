import type { Clock } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Alert, AlertMonitor } from "../runtime/observation.ts";
import { AlertChecks, type AlertLimits } from "./alert_checks.ts";
import type { Sight } from "./watched.ts";

/** Cleared alerts remembered. */
const CLEARED_MAX = 100;
/** Alerts at once; a check that finds more names the first. */
const FIRING_MAX = 1_000;

/** Until the first look: what follows the log has caught up by then, where little was left. */
const FIRST_MS = 2_000;

/** What alerts need. */
export interface AlertsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: AlertLimits;
  readonly look: () => Promise<Sight>;
  /** Told when one begins to fire, and when it is over. */
  readonly tell?: ((alert: Alert) => void) | undefined;
}

/**
 * Looks every now and then for what an operator should be told.
 *
 * ```
 * (nothing) ── a check finds it ──▶ firing ── no check finds it any more ──▶ cleared
 *                                    │  ▲
 *                                    └──┘ found again: `lastSeenAt` moves on
 * ```
 */
export class Alerts implements AlertMonitor {
  readonly #checks: AlertChecks;
  readonly #firing = new Map<string, Alert>();
  #cleared: Alert[] = [];
  #cancel: () => void = () => {};
  #run: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(private readonly options: AlertsOptions) {
    this.#checks = new AlertChecks(options.limits);
  }

  list(): readonly Alert[] {
    return [...this.#firing.values()];
  }

  cleared(): readonly Alert[] {
    return this.#cleared;
  }

  /** Looks soon, as what was wrong before a restart mostly still is, and then every now and then. */
  start(): void {
    const { alertEveryMs } = this.options.limits;
    const firstMs = Math.min(FIRST_MS, alertEveryMs / 2);
    this.#plan(firstMs, alertEveryMs - firstMs);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#run;
  }

  /** Looks once. */
  async runOnce(): Promise<void> {
    const sight = await this.options.look();
    const found = this.#checks.run(sight).slice(0, FIRING_MAX);
    const keys = new Set(found.map(keyOf));
    for (const finding of found) {
      const key = keyOf(finding);
      const before = this.#firing.get(key);
      const alert = { ...finding, firstSeenAt: before?.firstSeenAt ?? sight.at, lastSeenAt: sight.at };
      this.#firing.set(key, alert);
      if (!before) this.#begin(alert);
    }
    for (const [key, alert] of this.#firing) if (!keys.has(key)) this.#clear(key, alert, sight.at);
  }

  #plan(afterMs: number, thenMs: number): void {
    this.#cancel = this.options.clock.after(afterMs, () => {
      this.#run = this.runOnce().catch((error) => {
        this.options.log("error", "Alerts could not be looked for", { error: errorMessage(error) });
      }).then(() => {
        if (!this.#isStopped) this.#plan(thenMs, this.options.limits.alertEveryMs);
      });
    });
  }

  #begin(alert: Alert): void {
    const { message, whatToDo, name, labels, value, limit } = alert;
    this.options.log("error", message, { alert: name, ...labels, value, limit, whatToDo });
    this.options.tell?.(alert);
  }

  #clear(key: string, firing: Alert, at: number): void {
    const alert = { ...firing, clearedAt: at };
    this.#firing.delete(key);
    this.#cleared = [alert, ...this.#cleared].slice(0, CLEARED_MAX);
    this.options.log("info", "Alert is over", { alert: alert.name, ...alert.labels });
    this.options.tell?.(alert);
  }
}

function keyOf({ name, labels }: Pick<Alert, "name" | "labels">): string {
  return JSON.stringify([name, labels]);
}
