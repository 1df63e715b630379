import type { z } from "zod";
import type {
  DeliveryAttemptView,
  DeliveryView,
  NewWebhook,
  WebhookChanges,
  WebhookView,
} from "../core/webhook_api.ts";
import { FolioClientError } from "./client_error.ts";
import type { Call, Transport } from "./transport.ts";

/** A URL that is sent events. */
export type WebhookInfo = WebhookView;
/** What became of one of its events. */
export type WebhookDelivery = DeliveryView;
/** What came of a test event. */
export type WebhookTest = DeliveryAttemptView & { readonly isDelivered: boolean };

/** How a request about webhooks is sent. */
export interface WebhookOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Webhooks: URLs that are sent events as they are recorded.
 *
 * What takes an id throws a `FolioClientError` with the code `unknown-webhook` where there is none, unless said
 * otherwise. `register`, `rotateSecret` and `test` are not sent again where it is not known whether they arrived
 * (`unreachable`, 502, 503, 504): `list` tells.
 */
export interface WebhooksClient {
  /**
   * @returns The secret too, which is not shown again: with it the receiver tells that what it gets is Folio's.
   * @throws {FolioClientError} `invalid-input`, e.g. for an address that is not public; `too-many-webhooks`.
   */
  register(
    webhook: z.input<typeof NewWebhook>,
    options?: WebhookOptions,
  ): Promise<WebhookInfo & { readonly secret: string }>;
  list(options?: WebhookOptions): Promise<readonly WebhookInfo[]>;
  /** As it is now; undefined where there is none. */
  get(id: string, options?: WebhookOptions): Promise<WebhookInfo | undefined>;
  /** Changes what is given; filters as a whole. A description that is null is taken away. */
  change(
    id: string,
    changes: z.input<typeof WebhookChanges>,
    options?: WebhookOptions,
  ): Promise<WebhookInfo>;
  /** Lets its events and deliveries wait. */
  pause(id: string, options?: WebhookOptions): Promise<WebhookInfo>;
  /** Goes on where it was paused. */
  resume(id: string, options?: WebhookOptions): Promise<WebhookInfo>;
  /** Sends it nothing more. No-op where there is none. */
  remove(id: string, options?: WebhookOptions): Promise<void>;
  /**
   * Signs with a new secret, and for a day with the one before, too.
   *
   * @param options `secret`: the new one; made by the server if not given.
   * @returns The new one, which is not shown again.
   */
  rotateSecret(id: string, options?: WebhookOptions & { readonly secret?: string }): Promise<string>;
  /** Sends an event of the type `folio.webhook.test`, at once and once. */
  test(id: string, options?: WebhookOptions): Promise<WebhookTest>;
  /** What became of its events, the newest first, as long as that is kept. @param options `limit`: so many (100). */
  deliveries(
    id: string,
    options?: WebhookOptions & { readonly limit?: number },
  ): Promise<readonly WebhookDelivery[]>;
}

/** The methods of `client.webhooks`. */
export function webhooksClient(transport: Transport): WebhooksClient {
  const call = async <Body>(request: Omit<Call, "path">, path = ""): Promise<Body> => {
    const { body } = await transport.call({ ...request, path: `/webhooks${path}` });
    // What the server answers is described by the types that it is made with.
    return body as Body;
  };
  const at = (id: string, tail = "") => `/${encodeURIComponent(checked(id))}${tail}`;
  return {
    register: (webhook, { signal } = {}) => call({ method: "POST", body: webhook, isOnce: true, signal }),
    list: async ({ signal } = {}) => {
      const { webhooks } = await call<{ webhooks: readonly WebhookInfo[] }>({ method: "GET", signal });
      return webhooks;
    },
    get: async (id, { signal } = {}) =>
      await unlessUnknown(call<WebhookInfo>({ method: "GET", signal }, at(id))),
    change: async (id, changes, { signal } = {}) =>
      await call({ method: "PATCH", body: changes, signal }, at(id)),
    pause: async (id, { signal } = {}) => await call({ method: "POST", signal }, at(id, "/pause")),
    resume: async (id, { signal } = {}) => await call({ method: "POST", signal }, at(id, "/resume")),
    remove: async (id, { signal } = {}) => {
      await unlessUnknown(call({ method: "DELETE", signal }, at(id)));
    },
    rotateSecret: async (id, { secret, signal } = {}) => {
      const request = { method: "POST", body: { secret }, isOnce: true, signal } as const;
      return (await call<{ secret: string }>(request, at(id, "/rotate-secret"))).secret;
    },
    test: async (id, { signal } = {}) =>
      await call({ method: "POST", isOnce: true, signal }, at(id, "/test")),
    deliveries: async (id, { limit, signal } = {}) => {
      const request = { method: "GET", query: { limit }, signal } as const;
      return (await call<{ deliveries: readonly WebhookDelivery[] }>(request, at(id, "/deliveries")))
        .deliveries;
    },
  };
}

/** @throws {TypeError} When it cannot be part of a path. */
function checked(id: string): string {
  if (id === "" || /^\.{1,2}$/.test(id)) throw new TypeError(`Cannot use the webhook's id "${id}"`);
  return id;
}

async function unlessUnknown<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof FolioClientError && error.code === "unknown-webhook") return undefined;
    throw error;
  }
}
