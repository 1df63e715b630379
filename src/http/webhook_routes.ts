import type { Context, Hono } from "hono";
import { FolioError } from "../core/errors.ts";
import {
  type DeliveryAttemptView,
  type DeliveryView,
  NewSecret,
  NewWebhook,
  WebhookChanges,
  type WebhookView,
} from "../core/webhook_api.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { AttemptResult, Delivery, WebhookService, WebhookStatus } from "../runtime/webhooks.ts";
import { parseBody, readJson } from "./body.ts";
import { json } from "./problem.ts";
import { limitParameter, readQuery } from "./request.ts";

/** Events sent to URLs: registering, looking, pausing, and what became of the deliveries. */
export function webhookRoutes(app: Hono, runtime: Runtime, webhooks: WebhookService): void {
  const idOf = (c: Context) => {
    readQuery(c, {});
    return c.req.param("id") ?? "";
  };

  app.post("/webhooks", async (c) => {
    readQuery(c, {});
    const { webhook, secret } = await webhooks.register(parseBody(NewWebhook, await readJson(c, runtime)));
    return json(201, { ...webhookView(webhook), secret }, { location: `/webhooks/${webhook.id}` });
  });

  app.get("/webhooks", (c) => {
    readQuery(c, {});
    return json(200, { webhooks: webhooks.list().map(webhookView) });
  });

  app.get("/webhooks/:id", (c) => json(200, webhookView(webhooks.get(idOf(c)))));

  app.patch("/webhooks/:id", async (c) => {
    const id = idOf(c);
    return json(
      200,
      webhookView(await webhooks.change(id, parseBody(WebhookChanges, await readJson(c, runtime)))),
    );
  });

  app.delete("/webhooks/:id", async (c) => {
    const id = idOf(c);
    await webhooks.remove(id);
    return json(200, { id, removed: true });
  });

  app.post("/webhooks/:id/pause", async (c) => json(200, webhookView(await webhooks.pause(idOf(c)))));

  app.post("/webhooks/:id/resume", async (c) => json(200, webhookView(await webhooks.resume(idOf(c)))));

  app.post("/webhooks/:id/rotate-secret", async (c) => {
    const id = idOf(c);
    const { secret } = parseBody(NewSecret, await readJson(c, runtime));
    return json(200, { id, secret: await webhooks.rotateSecret(id, secret) });
  });

  app.post("/webhooks/:id/test", async (c) => {
    const result = await webhooks.test(idOf(c));
    const { responseStatus = 0 } = result;
    return json(200, { isDelivered: responseStatus >= 200 && responseStatus <= 299, ...attemptView(result) });
  });

  app.get("/webhooks/:id/deliveries", async (c) => {
    const { limit } = readQuery(c, { limit: limitParameter(runtime.limits) });
    const deliveries = await webhooks.deliveries(c.req.param("id"), limit);
    return json(200, { deliveries: deliveries.map(deliveryView) });
  });
}

function webhookView({ id, settings, failure, ...status }: WebhookStatus): WebhookView {
  const { url, description, filters, source } = settings;
  return {
    id,
    url,
    description,
    filters,
    source,
    ...status,
    failure: failure && { ...failure, at: isoTime(failure.at) },
  };
}

function attemptView({ responseStatus, durationMs, detail }: AttemptResult): DeliveryAttemptView {
  return { responseStatus, durationMs, detail };
}

function deliveryView({ latest, failures, ...delivery }: Delivery): DeliveryView {
  return {
    ...delivery,
    enqueuedAt: isoTime(delivery.enqueuedAt),
    nextAttemptAt: isoTime(delivery.nextAttemptAt),
    handledAt: isoTime(delivery.handledAt),
    latest: latest && attemptView(latest),
    failures: failures.map((failure) => ({ ...failure, at: isoTime(failure.at) })),
  };
}

function isoTime(at: number): string;
function isoTime(at: number | null): string | undefined;
function isoTime(at: number | null): string | undefined {
  return at === null ? undefined : new Date(at).toISOString();
}

function unknown(webhook: string): FolioError {
  return new FolioError("unknown-webhook", "There is no webhook of this id", {
    webhook: webhook.slice(0, 64),
  });
}

function unavailable(): Promise<never> {
  return Promise.reject(new FolioError("forbidden", "This server has no webhooks", {}));
}

/** For an app whose runtime has no webhooks. */
export const noWebhooks: WebhookService = {
  list: () => [],
  get: (id) => {
    throw unknown(id);
  },
  register: unavailable,
  change: (id) => Promise.reject(unknown(id)),
  pause: (id) => Promise.reject(unknown(id)),
  resume: (id) => Promise.reject(unknown(id)),
  remove: (id) => Promise.reject(unknown(id)),
  rotateSecret: (id) => Promise.reject(unknown(id)),
  test: (id) => Promise.reject(unknown(id)),
  deliveries: (id) => Promise.reject(unknown(id)),
};
