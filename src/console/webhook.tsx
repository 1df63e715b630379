/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { z } from "zod";
import { noWebhooks } from "../http/webhook_routes.ts";
import { WebhookChanges } from "../core/webhook_api.ts";
import { Act, action } from "./action.tsx";
import { pathOf } from "./api.ts";
import { type Console, type ConsoleContext, type ConsoleEnv, Csrf } from "./context.tsx";
import { page } from "./page.tsx";
import { ActorLink, Facts, MessageLink, num, Status, StoppedAt, Table, Time } from "./parts.tsx";
import { type Attempt, readInput, refusedOptions, SchemaFields } from "./schema_form.tsx";

const DELIVERIES_SHOWN = 100;

/** What can be changed by its form: a description that is emptied is taken away. */
const Changes = WebhookChanges.extend({ description: z.string().max(500).optional() });

/** One webhook: its deliveries, and what can be done about it. */
export function webhookPage(app: Hono<ConsoleEnv>, console: Console): void {
  app.get("/webhooks/:id", (c) => onePage(c, console));

  const of = (c: ConsoleContext) => {
    const { id = "" } = c.req.param();
    const path = (...more: string[]) => pathOf(["webhooks", id, ...more]);
    return { id, path, base: { target: `webhook ${id}`, back: webhookHref(id) } };
  };

  for (const [does, done] of [["pause", "Paused"], ["resume", "Resumed"]] as const) {
    action(app, console, `/webhooks/:id/${does}`, (c) => {
      const { path, base } = of(c);
      return { ...base, name: `${does}-webhook`, ask: (api) => api("POST", path(does)), done };
    });
  }

  action(app, console, "/webhooks/:id/test", (c) => {
    const { path, base } = of(c);
    return {
      ...{ ...base, name: "test-webhook", ask: (api) => api("POST", path("test")) },
      done: ({ isDelivered, responseStatus, detail }) =>
        `${isDelivered ? "Delivered" : "Not delivered"}: ${responseStatus ?? "no answer"} ${detail}`,
    };
  });

  action(app, console, "/webhooks/:id/change", async (c) => {
    const { path, base } = of(c);
    const form = c.get("form");
    const again = (refusal: Attempt["refusal"]) => onePage(c, console, { form, refusal });
    const { input, refusal } = readInput(Changes, form);
    if (refusal) return await again(refusal);
    // What was taken out of the form is to be taken away: of a change, what is left out stays.
    const body = { description: null, filters: {}, ...z.record(z.string(), z.unknown()).parse(input) };
    return {
      ...{ ...base, name: "change-webhook", ask: (api) => api("PATCH", path(), body) },
      ...{ done: "Changed", refused: again },
    };
  });

  action(app, console, "/webhooks/:id/rotate-secret", (c) => {
    const { id, path, base } = of(c);
    return {
      ...{ ...base, name: "rotate-webhook-secret", ask: (api) => api("POST", path("rotate-secret"), {}) },
      done: "Has a new secret",
      show: ({ secret }) => SecretPage(c, { id, secret: String(secret), isNew: false }),
      confirm: {
        question:
          `Give ${base.target} a new secret? For a while, what is sent is signed with the old one, too.`,
        label: "Make a new secret",
      },
    };
  });

  action(app, console, "/webhooks/:id/remove", (c) => {
    const { path, base } = of(c);
    return {
      ...{ ...base, name: "remove-webhook", ask: (api) => api("DELETE", path()), done: "Removed" },
      back: c.get("form").confirmed === "yes" ? "/console/webhooks" : base.back,
      confirm: {
        question: `Remove ${base.target}? Its secret is forgotten, and nothing is sent to it any more.`,
        label: "Remove",
      },
    };
  });
}

async function onePage(c: ConsoleContext, { runtime }: Console, attempt?: Attempt): Promise<Response> {
  const webhooks = runtime.webhooks ?? noWebhooks;
  const { id, settings, status, pauseReason, pendingDeliveries, lagEvents, failure } = webhooks.get(
    c.req.param("id") ?? "",
  );
  const deliveries = await webhooks.deliveries(id, DELIVERIES_SHOWN);
  const to = (does: string) => `${webhookHref(id)}/${does}`;
  const { filters: { actorTypes, eventTypes, actor } } = settings;
  return await page(
    c,
    { title: "Webhook", ...refusedOptions(attempt) },
    (
      <>
        <section id="webhook" data-live>
          <Facts
            of={[
              ["Webhook", <a class="name" href={`/console/actors${pathOf(["webhook", id])}`}>{id}</a>],
              ["URL", settings.url],
              ["Description", settings.description ?? "–"],
              [
                "Status",
                <>
                  <Status of={status} /> {pauseReason}
                </>,
              ],
              ["Events of types", eventTypes?.join(", ") ?? "all"],
              ["Of actors of types", actorTypes?.join(", ") ?? "all"],
              ["Of the actor", actor ? <ActorLink actor={actor} /> : "any"],
              ["Behind", <a href="/console/events">{lagEvents} events</a>],
              ["Pending deliveries", <a href="#deliveries">{pendingDeliveries}</a>],
            ]}
          />
          <StoppedAt failure={failure} />
          <div class="row">
            {status === "active"
              ? <Act to={to("pause")} label="Pause" />
              : <Act to={to("resume")} label="Resume" kind="primary" />}
            <Act to={to("test")} label="Send a test event" />
            <Act to={to("rotate-secret")} label="New secret…" />
            <Act to={to("remove")} label="Remove…" kind="danger" />
          </div>
        </section>
        <section id="deliveries" data-live>
          <h2>Deliveries</h2>
          <Table
            caption="Deliveries"
            heads={["Delivery", "Event of", "Status", num("Attempts"), "Answer", "Since", "Next attempt"]}
            empty="None is kept."
            rows={deliveries.map((delivery) => [
              <MessageLink id={delivery.messageId} />,
              <ActorLink actor={delivery.actor} />,
              <Status of={delivery.status} />,
              <MessageLink id={delivery.messageId} text={String(delivery.attempts)} />,
              delivery.latest
                ? (
                  <span class="wrap">
                    {delivery.latest.responseStatus ?? "none"} {delivery.latest.detail}
                  </span>
                )
                : "–",
              <Time at={delivery.enqueuedAt} />,
              <Time at={delivery.nextAttemptAt} />,
            ])}
          />
        </section>
        <details class="card" open={attempt !== undefined}>
          <summary>Change</summary>
          <form method="post" action={to("change")}>
            <Csrf />
            <SchemaFields schema={Changes} attempt={attempt} entered={settings} scope="change" />
            <button type="submit" class="primary">Change</button>
          </form>
        </details>
      </>
    ),
  );
}

/** The one time that a secret is shown: it is in no other page, no cookie and no event. */
export function SecretPage(
  c: ConsoleContext,
  { id, secret, isNew }: { id: string; secret: string; isNew: boolean },
): Promise<Response> {
  return page(
    c,
    { title: isNew ? "Registered" : "A new secret", status: isNew ? 201 : 200 },
    (
      <section class="card secret">
        <p>
          The secret that its receiver checks signatures with. It is shown this once: whoever loses it makes a
          new one.
        </p>
        <p>
          <code id="secret" tabindex={0}>{secret}</code>
        </p>
        <a class="button" href={webhookHref(id)}>I have kept it: go to webhook {id}</a>
      </section>
    ),
  );
}

export function webhookHref(id: string): string {
  return `/console/webhooks${pathOf([id])}`;
}
