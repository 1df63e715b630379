import { z } from "zod";
import type { EventPlace } from "./event.ts";
import type { MessageStatus } from "./message.ts";
import { type PauseReason, type WebhookFilters, WebhookSettings } from "./webhook.ts";

/** What is said about webhooks over HTTP: what the server takes, and what it answers with. */

/** Base64 of 24 to 64 bytes, as the Standard Webhooks specification asks. */
const Secret = z.string().max(100).refine(isSecret, "must be whsec_ and base64 of 24 to 64 bytes");

export const NewWebhook = WebhookSettings.extend({
  /** Made here if not given. */
  secret: Secret.optional(),
  /** A consistency token: events after it; those after the registration if not given. */
  from: z.string().max(10_000).optional(),
});
export type NewWebhook = z.output<typeof NewWebhook>;

export const WebhookChanges = WebhookSettings.extend({
  description: WebhookSettings.shape.description.unwrap().nullable(),
  filters: WebhookSettings.shape.filters.unwrap(),
  source: WebhookSettings.shape.source.unwrap(),
}).partial();
export type WebhookChanges = z.output<typeof WebhookChanges>;

export const NewSecret = z.strictObject({ secret: Secret.optional() });
export type NewSecret = z.output<typeof NewSecret>;

/** A webhook, and how far it has come. */
export interface WebhookView {
  readonly id: string;
  readonly url: string;
  readonly description?: string | undefined;
  readonly filters: WebhookFilters;
  /** `source` of its CloudEvents. */
  readonly source: string;
  readonly status: "active" | "paused";
  /** `gone`: its receiver answered 410. */
  readonly pauseReason?: PauseReason | undefined;
  /** Events on disk that it has not looked at yet. */
  readonly lagEvents: number;
  /** Deliveries that wait, or are being tried. */
  readonly pendingDeliveries: number;
  /** Why it has stopped at an event. */
  readonly failure?: { readonly error: string; readonly event: EventPlace; readonly at: string } | undefined;
}

/** What came of one attempt to deliver. */
export interface DeliveryAttemptView {
  /** Not there where there was no answer. */
  readonly responseStatus?: number | undefined;
  readonly durationMs: number;
  /** The beginning of the answer's body, or why there was none. */
  readonly detail: string;
}

/** What became of an event of a webhook. */
export interface DeliveryView {
  /** To ask `/messages` or `/dead-letters` for. */
  readonly messageId: string;
  /** `shard.position`: the id of its CloudEvent. */
  readonly event: string;
  readonly actor: string;
  readonly status: MessageStatus;
  readonly attempts: number;
  /** ISO 8601, UTC, as all times here. */
  readonly enqueuedAt: string;
  readonly nextAttemptAt?: string | undefined;
  readonly handledAt?: string | undefined;
  /** Of the latest attempt, where it came to an end. */
  readonly latest?: DeliveryAttemptView | undefined;
  readonly failures: readonly {
    readonly attempt: number;
    readonly at: string;
    readonly error: string;
    readonly isCounted?: boolean;
  }[];
}

/** Whether it has the form that the Standard Webhooks specification gives secrets. */
function isSecret(text: string): boolean {
  const base64 = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/.exec(text)?.[1];
  const bytes = base64 === undefined ? 0 : atob(base64).length;
  return bytes >= 24 && bytes <= 64;
}
