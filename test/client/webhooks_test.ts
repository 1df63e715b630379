import { Hono } from "hono";
import { expect, onTestFinished, test } from "vitest";
import modules from "../../actors/mod.ts";
import { createClient } from "../../src/client.ts";
import { createApp, createRuntime } from "../../src/mod.ts";
import { clientOf, problem, TestClock } from "./support.ts";

const url = "https://receiver.test/hook";

/** The client and the server as they are, with a receiver that answers as the test says. */
async function start() {
  const clock = new TestClock();
  const received: string[] = [];
  const receiver = { status: 204 };
  const runtime = await createRuntime({
    modules,
    data: ":memory:",
    clock,
    webhooks: {
      allowPrivate: true,
      post: (_, { body }) => {
        received.push(JSON.parse(body).type);
        return Promise.resolve({ status: receiver.status, body: "", retryAfter: undefined });
      },
    },
  });
  onTestFinished(() => runtime[Symbol.asyncDispose]());
  const app = createApp(runtime);
  const client = createClient<typeof modules>("http://localhost", { fetch: app.request, clock });
  return { client, clock, received, receiver };
}

test("a webhook is registered, changed, paused, resumed, listed and removed", async () => {
  const { client: { webhooks }, clock } = await start();
  const filters = { actorTypes: ["account"], eventTypes: ["Opened"] };
  const { secret, ...made } = await clock.run(webhooks.register({ url, filters, description: "books" }));
  expect(secret).toMatch(/^whsec_/);
  expect(made).toMatchObject({ url, filters, description: "books", source: "/folio", status: "active" });
  const { id } = made;
  expect(await clock.run(webhooks.get(id))).toMatchObject({ id, lagEvents: 0, pendingDeliveries: 0 });
  expect(await clock.run(webhooks.change(id, { description: null, filters: {} }))).toMatchObject({
    filters: {},
  });
  expect(await clock.run(webhooks.pause(id))).toMatchObject({ status: "paused", pauseReason: "requested" });
  expect(await clock.run(webhooks.list())).toMatchObject([{ id, status: "paused" }]);
  expect(await clock.run(webhooks.resume(id))).toMatchObject({ status: "active" });
  await clock.run(webhooks.remove(id));
  await clock.run(webhooks.remove(id)); // it is gone, which is what was asked for
  expect(await clock.run(webhooks.get(id))).toBeUndefined();
  expect(await clock.run(webhooks.list())).toEqual([]);
});

test("events arrive, and what became of each can be read; the answer to a test event is told", async () => {
  const { client, clock, received, receiver } = await start();
  const { id } = await clock.run(client.webhooks.register({ url, filters: { eventTypes: ["Opened"] } }));
  await clock.run(client.account("a").open({ owner: "A" }));
  receiver.status = 500;
  await clock.run(client.account("b").open({ owner: "B" }));
  await clock.advance("1s");
  expect(await clock.run(client.webhooks.deliveries(id, { limit: 10 }))).toMatchObject([
    { actor: "account/b", status: "retrying", attempts: 1, latest: { responseStatus: 500 } },
    { actor: "account/a", status: "done", attempts: 1, latest: { responseStatus: 204 }, failures: [] },
  ]);
  expect(await clock.run(client.webhooks.deliveries(id, { limit: 1 }))).toHaveLength(1);
  expect(await clock.run(client.webhooks.test(id))).toMatchObject({
    isDelivered: false,
    responseStatus: 500,
  });
  expect(received).toEqual(["folio.account.Opened", "folio.account.Opened", "folio.webhook.test"]);
});

test("a secret is rotated to a new one, or to one that is given", async () => {
  const { client: { webhooks }, clock } = await start();
  const { id, secret } = await clock.run(webhooks.register({ url }));
  const second = await clock.run(webhooks.rotateSecret(id));
  expect(second).toMatch(/^whsec_/);
  expect(second).not.toBe(secret);
  const given = `whsec_${btoa("x".repeat(32))}`;
  expect(await clock.run(webhooks.rotateSecret(id, { secret: given }))).toBe(given);
  await expect(clock.run(webhooks.rotateSecret(id, { secret: "short" }))).rejects.toMatchObject({
    status: 422,
    code: "invalid-input",
  });
});

test("what is said of no webhook, and what cannot be one, is an error with its code", async () => {
  const { client: { webhooks }, clock } = await start();
  const unknown = { status: 404, code: "unknown-webhook" };
  for (
    const ask of [
      () => webhooks.pause("nothing"),
      () => webhooks.change("nothing", {}),
      () => webhooks.rotateSecret("nothing"),
      () => webhooks.test("nothing"),
      () => webhooks.deliveries("nothing"),
    ]
  ) await expect(clock.run<unknown>(ask())).rejects.toMatchObject(unknown);
  await expect(clock.run(webhooks.register({ url: "no url" }))).rejects.toMatchObject({
    code: "invalid-input",
  });
  for (const id of ["", ".", ".."]) await expect(webhooks.pause(id)).rejects.toThrow(TypeError);
  // @ts-expect-error -- the schema of the route is that of the client
  await expect(clock.run(webhooks.register({ url, filter: {} }))).rejects.toMatchObject({ status: 422 });
});

// Would catch two webhooks, or a secret that nobody knows, because an answer was lost.
test("what must be done once only is not sent again, unless it was refused", async () => {
  const answers = [problem(429, "overloaded", { headers: { "retry-after": "1" } }), problem(503, "draining")];
  const app = new Hono().all("*", () => answers.shift() ?? problem(503, "draining"));
  const { client: { webhooks }, clock, seen } = clientOf(app);
  await expect(clock.run(webhooks.register({ url }))).rejects.toMatchObject({ code: "draining" });
  expect(seen).toHaveLength(2);
  await expect(clock.run(webhooks.rotateSecret("w1"))).rejects.toMatchObject({ code: "draining" });
  await expect(clock.run(webhooks.test("w1"))).rejects.toMatchObject({ code: "draining" });
  expect(seen).toHaveLength(4);
  await expect(clock.run(webhooks.pause("w1"))).rejects.toMatchObject({ code: "draining" });
  expect(seen).toHaveLength(9);
  expect(seen.at(-1)).toMatchObject({ method: "POST", path: "/webhooks/w1/pause" });
});
