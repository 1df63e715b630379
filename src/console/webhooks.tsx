/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { noWebhooks } from "../http/webhook_routes.ts";
import { NewWebhook } from "../core/webhook_api.ts";
import { action } from "./action.tsx";
import { pathOf } from "./api.ts";
import { type Console, type ConsoleContext, type ConsoleEnv, Csrf } from "./context.tsx";
import { page } from "./page.tsx";
import { num, Status, StoppedAt, Table } from "./parts.tsx";
import { type Attempt, readInput, refusedOptions, SchemaFields } from "./schema_form.tsx";
import { SecretPage, webhookHref, webhookPage } from "./webhook.tsx";

/** Webhooks: registering one, and how they all stand. */
export function webhookPages(app: Hono<ConsoleEnv>, console: Console): void {
  app.get("/webhooks", (c) => listPage(c, console));

  action(app, console, "/webhooks", async (c) => {
    const form = c.get("form");
    const again = (refusal: Attempt["refusal"]) => listPage(c, console, { form, refusal });
    const { input, refusal } = readInput(NewWebhook, form);
    if (refusal) return await again(refusal);
    return {
      ...{ name: "register-webhook", target: form["in:url"] ?? "", back: "/console/webhooks" },
      ...{ ask: (api) => api("POST", "/webhooks", input), done: "Registered", refused: again },
      show: ({ id, secret }) => SecretPage(c, { id: String(id), secret: String(secret), isNew: true }),
    };
  });

  webhookPage(app, console);
}

function listPage(c: ConsoleContext, { runtime }: Console, attempt?: Attempt): Promise<Response> {
  const webhooks = (runtime.webhooks ?? noWebhooks).list();
  return page(
    c,
    { title: "Webhooks", ...refusedOptions(attempt) },
    (
      <>
        <section id="webhooks" data-live>
          <Table
            caption="Webhooks"
            heads={["Webhook", "URL", "Status", num("Behind"), num("Pending deliveries"), "Failure"]}
            empty="None is registered: nobody is told of events."
            rows={webhooks.map(({ id, settings, status, lagEvents, pendingDeliveries, failure }) => [
              <a class="name" href={webhookHref(id)}>{id}</a>,
              <>
                <span class="wrap">{settings.url}</span>
                {settings.description && <div class="muted">{settings.description}</div>}
              </>,
              <Status of={status} />,
              <a href="/console/events">{lagEvents}</a>,
              <a href={`${webhookHref(id)}#deliveries`}>{pendingDeliveries}</a>,
              failure ? <StoppedAt failure={failure} /> : "–",
            ])}
          />
        </section>
        <details class="card" id="register" open={attempt !== undefined}>
          <summary>Register a webhook</summary>
          <form method="post" action={`/console${pathOf(["webhooks"])}`}>
            <Csrf />
            <SchemaFields schema={NewWebhook} attempt={attempt} scope="new" />
            <p class="muted">
              Without filters it is sent every event. Its secret is made here if none is given, and shown
              once.
            </p>
            <button type="submit" class="primary">Register</button>
          </form>
        </details>
      </>
    ),
  );
}
