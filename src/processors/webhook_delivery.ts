import { createHash } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { z } from "zod";
import { type Activity, activity, RetryLaterError } from "../core/activity.ts";
import { errorMessage } from "../core/errors.ts";
import { invalidKeyReason } from "../core/message.ts";
import type { Limits } from "../config.ts";
import type { CloudEvent } from "../core/webhook.ts";
import type { AttemptResult } from "../runtime/webhooks.ts";
import { DELIVERY_PREFIX, WEBHOOK_ID_CHARS } from "../store/webhooks.ts";
import { post, type PostOptions, type Resolve } from "./webhook_post.ts";

/** Which event goes to which webhook: what is sent is read from the log, where it does not change. */
export const DeliveryInput = z.object({
  webhook: z.string(),
  shard: z.int().min(0),
  position: z.int().min(1),
});
export type DeliveryInput = z.output<typeof DeliveryInput>;

const DeliveryOutput = z.union([
  z.object({ responseStatus: z.int(), durationMs: z.int(), detail: z.string() }),
  z.object({ skipped: z.literal("removed") }),
]);
export type DeliveryOutput = z.output<typeof DeliveryOutput>;
export type DeliveryActivity = Activity<"deliver-webhook", typeof DeliveryInput, typeof DeliveryOutput>;

/** What is to be sent, and where. */
export interface Envelope {
  readonly url: string;
  /** Each signs; the first is the newest. */
  readonly secrets: readonly string[];
  readonly event: CloudEvent;
}

/** What the activity needs of those who know the webhooks. */
export interface DeliveryOwner {
  /** Undefined where the webhook is removed. @throws {RetryLaterError} While it is paused. */
  envelope(input: DeliveryInput): Promise<Envelope | undefined>;
  /** The receiver wants no more (410). Resolves when the webhook is paused. */
  gone(webhook: string): Promise<void>;
  send(envelope: Envelope, signal: AbortSignal): Promise<Answer>;
}

/** How requests are sent; tests put others in its place. */
export type Post = (url: URL, options: PostOptions) => ReturnType<typeof post>;

/** The answer of a receiver, or why there was none. */
export interface Answer extends AttemptResult {
  readonly isDelivered: boolean;
  /** How long it wants to be left alone. */
  readonly retryAfterMs: number | undefined;
}

/** An attempt that was not answered with 2xx. Its text is taken apart by `attemptOf`. */
class DeliveryError extends RetryLaterError {
  override readonly name = "DeliveryError";

  constructor({ responseStatus, durationMs, detail, retryAfterMs }: Answer) {
    const text = `${responseStatus ?? "no answer"} in ${durationMs} ms: ${detail}`;
    super(text, retryAfterMs ?? 0, { isCounted: true });
  }
}

/** What deliveries of a webhook that is paused end with: they are kept, and none of their attempts is used up. */
export function pausedError({ webhookPausedMs }: Limits): RetryLaterError {
  return new RetryLaterError("Webhook is paused", webhookPausedMs, { isCounted: false });
}

/** The attempt that an error in the history of a message tells of, if it tells of one. */
export function attemptOf(error: string): AttemptResult | undefined {
  const found = /^DeliveryError: (?:(\d{3})|no answer) in (\d+) ms: ([^]*)$/.exec(error);
  if (!found) return undefined;
  const [, status, durationMs, detail = ""] = found;
  return {
    responseStatus: status === undefined ? undefined : Number(status),
    durationMs: Number(durationMs),
    detail,
  };
}

/** The activity that delivers events to webhooks: one actor's to one webhook in order. */
export function deliveryActivity(owner: DeliveryOwner, limits: Limits): DeliveryActivity {
  return activity("deliver-webhook", {
    input: DeliveryInput,
    output: DeliveryOutput,
    isOrdered: true,
    // What is sent has its own time limit, within this one.
    timeout: `${limits.webhookTimeoutMs + 10_000}ms`,
    concurrency: limits.webhookRequestsMax,
    retry: {
      attemptsMax: limits.webhookAttemptsMax,
      delayMs: limits.webhookRetryMs,
      delayMsMax: limits.webhookRetryMsMax,
      jitter: 0.2,
    },
    run: async (input, { signal }) => {
      const envelope = await owner.envelope(input);
      if (!envelope) return { skipped: "removed" as const };
      const answer = await owner.send(envelope, signal);
      const { isDelivered, responseStatus, durationMs, detail } = answer;
      if (isDelivered && responseStatus !== undefined) return { responseStatus, durationMs, detail };
      if (responseStatus === 410) {
        await owner.gone(input.webhook);
        throw pausedError(limits);
      }
      // Where it was told to stop, that there was no answer says nothing of the receiver.
      if (responseStatus === undefined) signal.throwIfAborted();
      throw new DeliveryError(answer);
    },
  });
}

/** Key of the work of a webhook for an actor: what one has to get in order. */
export function deliveryKey(webhook: string, actor: string): string {
  const key = `${webhook}/${actor}`;
  // An actor's key may be as long as a key may be.
  if (invalidKeyReason(key) === undefined) return key;
  return `${webhook}/${actor.slice(0, 64).toWellFormed()}~${
    createHash("sha256").update(actor).digest("base64url")
  }`;
}

/** The webhook that a message delivers to, if it does. */
export function webhookOf(actor: string): string | undefined {
  return actor.startsWith(DELIVERY_PREFIX)
    ? actor.slice(DELIVERY_PREFIX.length, DELIVERY_PREFIX.length + WEBHOOK_ID_CHARS)
    : undefined;
}

/**
 * Sends an event once, signed as the Standard Webhooks specification says.
 *
 * @param world `now` gives milliseconds since the Unix epoch.
 */
export async function sendEvent(
  { url, secrets, event }: Envelope,
  signal: AbortSignal,
  world: {
    now: () => number;
    limits: Limits;
    isPrivateAllowed: boolean;
    post: Post | undefined;
    resolve: Resolve | undefined;
  },
): Promise<Answer> {
  const body = JSON.stringify(event);
  // No dots: they part what is signed.
  const id = `evt_${event.id.replaceAll(".", "_")}`;
  const at = new Date(world.now());
  const startedAt = world.now();
  const durationMs = () => Math.max(0, Math.round(world.now() - startedAt));
  try {
    const { status, body: detail, retryAfter } = await (world.post ?? post)(new URL(url), {
      headers: {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "user-agent": "Folio",
        "webhook-id": id,
        "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
        "webhook-signature": secrets.map((secret) => new Webhook(secret).sign(id, at, body)).join(" "),
      },
      body,
      signal,
      responseBytesMax: world.limits.webhookResponseBytesMax,
      isPrivateAllowed: world.isPrivateAllowed,
      resolve: world.resolve,
    });
    const isDelivered = status >= 200 && status <= 299;
    const retryAfterMs = isDelivered ? undefined : parseRetryAfter(retryAfter, world.now());
    return { isDelivered, responseStatus: status, durationMs: durationMs(), detail, retryAfterMs };
  } catch (error) {
    return {
      isDelivered: false,
      responseStatus: undefined,
      durationMs: durationMs(),
      detail: errorMessage(error),
      retryAfterMs: undefined,
    };
  }
}

/** The longest `Retry-After` that is heeded. */
const RETRY_AFTER_MS_MAX = 86_400_000;

/** RFC 9110, 10.2.3: seconds, or a date. */
function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return ms > 0 ? Math.min(ms, RETRY_AFTER_MS_MAX) : undefined;
}
