/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { noWebhooks } from "../http/webhook_routes.ts";
import { pathOf } from "./api.ts";
import { Act, type Console, type ConsoleEnv, page, perform } from "./page.tsx";
import { ActorLink, Facts, MessageLink, Status, Table, Time } from "./parts.tsx";

const HOME = "/console/webhooks";
const DELIVERIES_SHOWN = 100;

/** Webhooks: how they stand, what became of deliveries, pausing, trying, removing. */
export function webhookPages(app: Hono<ConsoleEnv>, console: Console): void {
  const webhooks = console.runtime.webhooks ?? noWebhooks;

  app.get("/webhooks", async (c) =>
    await page(
      c,
      { title: "Webhooks" },
      (
        <section id="webhooks" data-live>
          <Table
            caption="Webhooks"
            heads={["Webhook", "URL", "Status", "Behind", "Pending deliveries", "Failure"]}
            empty="None is registered. POST /webhooks registers one, and shows its secret once."
            rows={webhooks.list().map((webhook) => [
              <a class="name" href={`${HOME}${pathOf([webhook.id])}`}>{webhook.id}</a>,
              <span class="wrap">{webhook.settings.url}</span>,
              <Status of={webhook.status} />,
              `${webhook.lagEvents} events`,
              <a href={`${HOME}${pathOf([webhook.id])}`}>{webhook.pendingDeliveries}</a>,
              webhook.failure ? <span class="error">{webhook.failure.error}</span> : "–",
            ])}
          />
        </section>
      ),
    ));

  app.get("/webhooks/:id", async (c) => {
    const { id, settings, status, pauseReason, lagEvents, pendingDeliveries } = webhooks.get(
      c.req.param("id"),
    );
    const deliveries = await webhooks.deliveries(id, DELIVERIES_SHOWN);
    const to = (action: string) => `${HOME}${pathOf([id, action])}`;
    return await page(
      c,
      { title: "Webhook" },
      (
        <>
          <Facts
            of={[
              ["Webhook", <span class="name">{id}</span>],
              ["URL", settings.url],
              ["Description", settings.description ?? "–"],
              [
                "Status",
                <>
                  <Status of={status} /> {pauseReason ?? ""}
                </>,
              ],
              ["Filters", JSON.stringify(settings.filters)],
              ["Behind", `${lagEvents} events`],
              ["Pending deliveries", pendingDeliveries],
            ]}
          />
          <div class="row">
            {status === "active"
              ? <Act to={to("pause")} label="Pause" />
              : <Act to={to("resume")} label="Resume" kind="primary" />}
            <Act to={to("test")} label="Send a test event" />
            <Act to={to("remove")} label="Remove…" kind="danger" />
          </div>
          <section id="deliveries" data-live>
            <h2>Deliveries</h2>
            <Table
              caption="Deliveries"
              heads={["Delivery", "Event of", "Status", "Attempts", "Answer", "Since", "Next attempt"]}
              empty="None is kept."
              rows={deliveries.map((delivery) => [
                <MessageLink id={delivery.messageId} />,
                <ActorLink actor={delivery.actor} />,
                <Status of={delivery.status} />,
                delivery.attempts,
                delivery.latest
                  ? `${delivery.latest.responseStatus ?? "none"} ${delivery.latest.detail}`
                  : "–",
                <Time at={delivery.enqueuedAt} />,
                <Time at={delivery.nextAttemptAt} />,
              ])}
            />
          </section>
        </>
      ),
    );
  });

  const actions = { pause: "Paused", resume: "Resumed" } as const;
  for (const [action, done] of Object.entries(actions)) {
    app.post(`/webhooks/:id/${action}`, (c) => {
      const id = c.req.param("id");
      return perform(c, console, {
        ...{ method: "POST", path: pathOf(["webhooks", id, action]), name: `${action}-webhook` },
        ...{ target: `webhook ${id}`, done, back: `${HOME}${pathOf([id])}` },
      });
    });
  }

  app.post("/webhooks/:id/test", (c) => {
    const id = c.req.param("id");
    return perform(c, console, {
      ...{
        method: "POST",
        path: pathOf(["webhooks", id, "test"]),
        name: "test-webhook",
        target: `webhook ${id}`,
      },
      done: ({ isDelivered, responseStatus, detail }) =>
        `${isDelivered ? "Delivered" : "Not delivered"}: ${responseStatus ?? "no answer"} ${detail}`,
      back: `${HOME}${pathOf([id])}`,
    });
  });

  app.post("/webhooks/:id/remove", (c) => {
    const id = c.req.param("id");
    const target = `webhook ${id}`;
    return perform(c, console, {
      ...{
        method: "DELETE",
        path: pathOf(["webhooks", id]),
        name: "remove-webhook",
        target,
        done: "Removed",
      },
      back: HOME,
      confirm: {
        question: `Remove ${target}? Its secret is forgotten, and nothing is sent to it any more.`,
        label: "Remove",
      },
    });
  });
}
