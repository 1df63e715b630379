import type { Failure, MessageStatus } from "../core/message.ts";
import type { PauseReason, WebhookSettings } from "../core/webhook.ts";
import type { NewWebhook, WebhookChanges } from "../core/webhook_api.ts";
import type { EventFailure } from "./read_models.ts";

/**
 * What HTTP needs of webhooks. They are followed and delivered by `processors/`, which `http/` does not know:
 * this is where the two meet.
 */

/** A webhook, and how far it has come. */
export interface WebhookStatus {
  readonly id: string;
  readonly settings: WebhookSettings;
  readonly status: "active" | "paused";
  readonly pauseReason: PauseReason | undefined;
  /** Events on disk that it has not looked at yet. */
  readonly lagEvents: number;
  /** Deliveries that wait, or are being tried. */
  readonly pendingDeliveries: number;
  readonly failure: EventFailure | undefined;
}

/** A delivery, as its message tells of it. */
export interface Delivery {
  readonly messageId: string;
  /** `shard.position`, which is also the id of its CloudEvent. */
  readonly event: string;
  readonly actor: string;
  readonly status: MessageStatus;
  readonly attempts: number;
  readonly enqueuedAt: number;
  readonly nextAttemptAt: number | null;
  readonly handledAt: number | null;
  /** Of the latest attempt, where it came to an end. */
  readonly latest: AttemptResult | undefined;
  readonly failures: readonly Failure[];
}

/** What came of one attempt. */
export interface AttemptResult {
  /** Undefined where there was no answer. */
  readonly responseStatus: number | undefined;
  readonly durationMs: number;
  /** The beginning of the answer's body, or why there was none. */
  readonly detail: string;
}

export interface WebhookService {
  list(): WebhookStatus[];
  /** @throws {FolioError} `unknown-webhook`, like all that takes an id. */
  get(id: string): WebhookStatus;
  /**
   * @returns The secret too, which is not shown again.
   * @throws {FolioError} `invalid-input`, `malformed`, `too-many-webhooks`.
   */
  register(webhook: NewWebhook): Promise<{ webhook: WebhookStatus; secret: string }>;
  /** @throws {FolioError} `invalid-input`. */
  change(id: string, changes: WebhookChanges): Promise<WebhookStatus>;
  /** Events wait, and deliveries that have been asked for, too. */
  pause(id: string): Promise<WebhookStatus>;
  resume(id: string): Promise<WebhookStatus>;
  remove(id: string): Promise<void>;
  /** Signs with a new secret; for a while also with the one before. @returns The new one. */
  rotateSecret(id: string, secret: string | undefined): Promise<string>;
  /** Sends an event that is in no log, at once and once. */
  test(id: string): Promise<AttemptResult>;
  /** The newest first, as long as they are kept. */
  deliveries(id: string, limit: number): Promise<Delivery[]>;
}
