import type { Clock } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Alert } from "../runtime/observation.ts";

/** Between attempts to reach the webhook; after the last one it is given up. */
const RETRY_DELAYS_MS = [1_000, 5_000, 30_000, 120_000];
const TIMEOUT_MS = 10_000;
/** Alerts on their way at once; beyond it the webhook hears of no more, the log still does. */
const PENDING_MAX = 100;

/** What the webhook needs. */
export interface AlertWebhookOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly fetch?:
    | ((url: string, init: RequestInit) => Promise<Pick<Response, "ok" | "status" | "body">>)
    | undefined;
}

/** Tells a URL of alerts: when one begins to fire and when it is over, each several times if need be. */
export class AlertWebhook {
  #pending = 0;
  readonly #cancels = new Set<() => void>();

  constructor(private readonly options: AlertWebhookOptions) {}

  tell(alert: Alert): void {
    if (this.#pending >= PENDING_MAX) return this.#giveUp(alert, "too many are on their way");
    this.#pending++;
    this.#post(alert, 0);
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel();
  }

  async #post(alert: Alert, attempt: number): Promise<void> {
    const { url, clock, fetch = globalThis.fetch } = this.options;
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(bodyOf(alert)),
        signal: AbortSignal.timeout(TIMEOUT_MS),
        redirect: "error",
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      this.#pending--;
    } catch (error) {
      const delayMs = RETRY_DELAYS_MS[attempt];
      if (delayMs === undefined) {
        this.#pending--;
        return this.#giveUp(alert, errorMessage(error));
      }
      const cancel = clock.after(delayMs, () => {
        this.#cancels.delete(cancel);
        this.#post(alert, attempt + 1);
      });
      this.#cancels.add(cancel);
    }
  }

  #giveUp({ name, labels }: Alert, error: string): void {
    this.options.log("warn", "Webhook was not told of an alert", { alert: name, ...labels, error });
  }
}

/** `text` is what chat services show. */
function bodyOf({ firstSeenAt, lastSeenAt, clearedAt, ...alert }: Alert) {
  const isOver = clearedAt !== undefined;
  return {
    text: isOver ? `Over: ${alert.message}` : `${alert.message}. ${alert.whatToDo}`,
    state: isOver ? "cleared" : "firing",
    ...alert,
    firstSeenAt: new Date(firstSeenAt).toISOString(),
    lastSeenAt: new Date(lastSeenAt).toISOString(),
    ...(isOver ? { clearedAt: new Date(clearedAt).toISOString() } : {}),
  };
}
