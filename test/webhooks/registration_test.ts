/** Registering, changing, pausing and removing webhooks; their secrets; what survives a restart. */
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../store/databases.ts";
import { expectProblem } from "../http/support.ts";
import { createRuntime } from "../../src/mod.ts";
import { actor } from "../../src/mod.ts";
import { isSigned, note, type Received, WebhooksServer } from "./support.ts";

const secretOf = (bytes: number, fill = "s") => `whsec_${btoa(fill.repeat(bytes))}`;

test("a webhook is registered, read, listed and removed", async () => {
  const server = await WebhooksServer.start();
  const answer = await server.request("POST", "/webhooks", {
    url: "https://receiver.test/hook?a=b",
    description: "The books",
    filters: { actorTypes: ["note"] },
  });
  expect(answer.status).toBe(201);
  const { secret, ...webhook } = answer.body;
  expect(answer.headers.get("location")).toBe(`/webhooks/${webhook.id}`);
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(webhook).toEqual({
    id: expect.stringMatching(/^[0-9a-z]{20}$/),
    url: "https://receiver.test/hook?a=b",
    description: "The books",
    filters: { actorTypes: ["note"] },
    source: "/folio",
    status: "active",
    lagEvents: expect.any(Number),
    pendingDeliveries: 0,
  });
  await server.settle();
  expect((await server.get(`/webhooks/${webhook.id}`)).body).toEqual({ ...webhook, lagEvents: 0 });
  expect((await server.get("/webhooks")).body.webhooks).toEqual([{ ...webhook, lagEvents: 0 }]);
  expect((await server.request("DELETE", `/webhooks/${webhook.id}`)).body).toEqual({
    id: webhook.id,
    removed: true,
  });
  expect((await server.get("/webhooks")).body).toEqual({ webhooks: [] });
  await server.add("a", 1);
  await server.settle();
  expect(server.received).toEqual([]);
  const paths = ["", "/pause", "/resume", "/test", "/rotate-secret", "/deliveries"];
  for (const path of paths) {
    const method = path === "" || path === "/deliveries" ? "GET" : "POST";
    expectProblem(await server.request(method, `/webhooks/${webhook.id}${path}`), 404, "unknown-webhook");
  }
  expectProblem(await server.request("DELETE", `/webhooks/${webhook.id}`), 404, "unknown-webhook");
  expectProblem(await server.request("PATCH", `/webhooks/${webhook.id}`, {}), 404, "unknown-webhook");
  expectProblem(await server.get("/webhooks/__proto__"), 404, "unknown-webhook");
});

test("two runtimes that share a server's chance do not share secrets", async () => {
  const one = await WebhooksServer.start({ seed: 7 });
  const two = await WebhooksServer.start({ seed: 7 });
  await one.register();
  await two.register();
  expect(one.secret).not.toBe(two.secret);
});

test("changes hold from the next event on, and what is not named stays", async () => {
  const server = await WebhooksServer.start();
  const id = await server.register({ description: "old", filters: { actor: "note/a" } });
  await server.add("a", 1);
  await server.settle();
  const { body } = await server.request("PATCH", `/webhooks/${id}`, {
    url: "https://new.test/",
    filters: { eventTypes: ["Added"] },
    description: null,
  });
  expect(body).toMatchObject({
    url: "https://new.test/",
    filters: { eventTypes: ["Added"] },
    source: "/folio",
  });
  expect(body).not.toHaveProperty("description");
  await server.add("b", 2);
  await server.settle();
  expect(server.received.map(({ url, event }) => [url, event.data.n])).toEqual([
    ["https://receiver.test/hook", 1],
    ["https://new.test/", 2],
  ]);
  expect((await server.request("PATCH", `/webhooks/${id}`, { source: "urn:folio" })).body).toMatchObject({
    url: "https://new.test/",
    source: "urn:folio",
  });
});

test("while it is paused nothing is sent, and nothing is left out after", async () => {
  const server = await WebhooksServer.start({ shards: 4 });
  const id = await server.register();
  server.react = () => 500;
  await server.add("a", 1);
  await server.settle();
  expect((await server.request("POST", `/webhooks/${id}/pause`)).body).toMatchObject({
    status: "paused",
    pauseReason: "requested",
  });
  server.received.length = 0;
  server.react = () => 204;
  await server.add("a", 2);
  await server.add("b", 3);
  await server.clock.advance("10m");
  expect(server.received).toEqual([]);
  // Twice is once.
  expect((await server.request("POST", `/webhooks/${id}/pause`)).status).toBe(200);
  await server.request("POST", `/webhooks/${id}/resume`);
  expect((await server.request("POST", `/webhooks/${id}/resume`)).status).toBe(200);
  await server.clock.advance("2m");
  expect(server.numbersOf("a")).toEqual([1, 2]);
  expect(server.numbersOf("b")).toEqual([3]);
  const history = await server.get(`/actors/webhook/${id}/events`);
  expect(history.body.events.map(({ type }: { type: string }) => type)).toEqual([
    "Registered",
    "Paused",
    "Resumed",
  ]);
});

test("a test event arrives at once, also while the webhook is paused", async () => {
  const server = await WebhooksServer.start();
  const id = await server.register();
  await server.request("POST", `/webhooks/${id}/pause`);
  const { body } = await server.request("POST", `/webhooks/${id}/test`);
  expect(body).toEqual({ isDelivered: true, responseStatus: 204, durationMs: 0, detail: "" });
  const [received] = server.received as [Received];
  expect(isSigned(received, server.secret)).toBe(true);
  expect(received.event).toMatchObject({
    type: "folio.webhook.test",
    subject: `webhook/${id}`,
    data: { webhook: id },
  });
  server.react = () => ({ status: 500, body: "no" });
  expect((await server.request("POST", `/webhooks/${id}/test`)).body).toMatchObject({
    isDelivered: false,
    responseStatus: 500,
    detail: "no",
  });
  server.react = () => new Error("refused");
  expect((await server.request("POST", `/webhooks/${id}/test`)).body).toEqual({
    isDelivered: false,
    durationMs: 0,
    detail: "Error: refused",
  });
  server.react = () => "silence";
  const tested = server.request("POST", `/webhooks/${id}/test`);
  await server.clock.advance("1m");
  expect((await tested).body).toMatchObject({ isDelivered: false, durationMs: 20_000 });
});

describe("secrets", () => {
  test("one that is given signs, and a new one signs beside it for a day", async () => {
    const server = await WebhooksServer.start();
    const given = secretOf(24);
    const id = await server.register({ secret: given });
    expect(server.secret).toBe(given);
    const signedBy = async (n: number, ...secrets: string[]) => {
      await server.add(`k${n}`, n);
      await server.settle();
      const received = server.received.at(-1) as Received;
      // The library knows the real time only.
      const headers = { ...received.headers };
      return secrets.map((secret) => isSigned({ ...received, headers }, secret));
    };
    expect(await signedBy(1, given)).toEqual([true]);
    const { body } = await server.request("POST", `/webhooks/${id}/rotate-secret`);
    expect(body.secret).not.toBe(given);
    expect(await signedBy(2, given, body.secret)).toEqual([true, true]);
    expect(server.received.at(-1)?.headers["webhook-signature"]).toMatch(
      /^v1,[A-Za-z0-9+/=]{44} v1,[A-Za-z0-9+/=]{44}$/,
    );
    await server.clock.advance("1d");
    await server.add("late", 3);
    await server.settle();
    expect(server.received.at(-1)?.headers["webhook-signature"]).toMatch(/^v1,[A-Za-z0-9+/=]{44}$/);
    const next = secretOf(64, "t");
    expect((await server.request("POST", `/webhooks/${id}/rotate-secret`, { secret: next })).body.secret)
      .toBe(next);
  });

  test.each([
    ["shorter than 24 bytes", secretOf(23)],
    ["longer than 64 bytes", secretOf(65)],
    ["without its prefix", btoa("s".repeat(24))],
    ["not base64", `whsec_${"*".repeat(32)}`],
    ["of another alphabet", `whsec_${"-".repeat(32)}`],
    ["empty", ""],
    ["not text", 24],
  ])("one that is %s is refused, and not repeated to anybody", async (_, secret) => {
    const server = await WebhooksServer.start();
    const answer = await server.request("POST", "/webhooks", { url: "https://receiver.test/", secret });
    expectProblem(answer, 422, "invalid-input");
    expect(answer.body.issues).toMatchObject([{ path: ["secret"] }]);
    if (String(secret).length > 3) expect(JSON.stringify(answer.body)).not.toContain(String(secret));
  });

  // Would catch a secret in an event, a message, an error or the log, where every reader finds it.
  test("are shown once, and nowhere else", async () => {
    const server = await WebhooksServer.start({
      limits: { webhookAttemptsMax: 2, webhookRetryMs: 100 },
    });
    const given = secretOf(32, "x");
    const id = await server.register({ secret: given });
    const rotated = (await server.request("POST", `/webhooks/${id}/rotate-secret`)).body.secret;
    server.react = () => 500;
    await server.runtime.ask(note.ref("a").add({ n: 1 }));
    for (let waited = 0; server.received.length < 2 && waited < 200; waited++) {
      await server.clock.advance(100);
    }
    await server.request("POST", `/webhooks/${id}/test`);
    const [delivery] = (await server.get(`/webhooks/${id}/deliveries`)).body.deliveries;
    const messageId = encodeURIComponent(delivery.messageId);
    const paths = [
      ...["/webhooks", `/webhooks/${id}`, `/webhooks/${id}/deliveries`, "/events", "/dead-letters"],
      ...[`/actors/webhook/${id}`, `/actors/webhook/${id}/events`, "/activities", "/openapi.json"],
      ...[`/messages/${messageId}`, `/messages/${messageId}/trace`],
    ];
    const seen = await Promise.all(paths.map(async (path) => {
      const { status, body } = await server.get(path);
      expect([path, status]).toEqual([path, 200]);
      return JSON.stringify(body);
    }));
    for (const secret of [given, rotated]) {
      const bare = secret.slice("whsec_".length);
      expect([...seen, ...server.logged].filter((text) => text.includes(bare))).toEqual([]);
    }
    await server.request("DELETE", `/webhooks/${id}`);
    const [shard] = server.runtime.shards;
    expect(await shard?.store.database.execute({ sql: "SELECT * FROM webhook_secrets" })).toEqual([]);
    expect(
      await shard?.store.database.execute({
        sql: "SELECT * FROM checkpoints WHERE reactor LIKE 'webhook:%'",
      }),
    )
      .toEqual([]);
  });
});

describe("what cannot be registered", () => {
  test.each<[string, object, (string | number)[]]>([
    ["no URL", { url: undefined }, ["url"]],
    ["no absolute URL", { url: "/hook" }, ["url"]],
    ["another scheme", { url: "ftp://receiver.test/" }, ["url"]],
    ["a file", { url: "file:///etc/passwd" }, ["url"]],
    ["a user and password", { url: "https://u:p@receiver.test/" }, ["url"]],
    ["a fragment", { url: "https://receiver.test/#x" }, ["url"]],
    ["a URL that is too long", { url: `https://receiver.test/${"x".repeat(2_000)}` }, ["url"]],
    ["a type that there is not", { filters: { actorTypes: ["note", "nobody"] } }, [
      "filters",
      "actorTypes",
      1,
    ]],
    ["Folio's own type", { filters: { actorTypes: ["webhook"] } }, ["filters", "actorTypes", 0]],
    ["an event that there is not", { filters: { eventTypes: ["Nothing"] } }, ["filters", "eventTypes", 0]],
    ["an actor of no type", { filters: { actor: "nobody/a" } }, ["filters", "actor"]],
    ["an actor without key", { filters: { actor: "note/" } }, ["filters", "actor"]],
    ["no filters in a list", { filters: { actorTypes: [] } }, ["filters", "actorTypes"]],
    ["filters that exclude each other", { filters: { actorTypes: ["note"], eventTypes: ["Happened"] } }, [
      "filters",
    ]],
    ["an unknown filter", { filters: { key: "a" } }, ["filters"]],
    ["an unknown setting", { colour: "red" }, []],
    ["a source that is no URI", { source: "two words" }, ["source"]],
  ])("%s", async (_, settings, path) => {
    const server = await WebhooksServer.start();
    const answer = await server.request("POST", "/webhooks", { url: "https://receiver.test/", ...settings });
    expectProblem(answer, 422, "invalid-input");
    expect(answer.body.issues[0].path).toEqual(path);
    expect((await server.get("/webhooks")).body.webhooks).toEqual([]);
    expect((await server.get("/events")).body.events).toEqual([]);
  });

  test("a token of another store is malformed", async () => {
    const server = await WebhooksServer.start();
    const answer = await server.request("POST", "/webhooks", { url: "https://receiver.test/", from: "7.1" });
    expectProblem(answer, 400, "malformed");
  });

  test("one more than there may be; one fewer makes room", async () => {
    const server = await WebhooksServer.start({ limits: { webhooksMax: 2 } });
    const id = await server.register();
    // Together, too: both see the same number of webhooks before either is there.
    const both = await Promise.all(
      [1, 2].map((n) => server.request("POST", "/webhooks", { url: `https://${n}.test/` })),
    );
    expect(both.map(({ status }) => status)).toEqual([201, 409]);
    expect(both[1]?.body).toMatchObject({ code: "too-many-webhooks", webhooksMax: 2 });
    await server.request("DELETE", `/webhooks/${id}`);
    await server.register();
  });

  test("through the actor itself", async () => {
    const server = await WebhooksServer.start();
    const id = await server.register();
    expectProblem(await server.request("POST", `/actors/webhook/${id}/remove`, {}), 403, "forbidden");
    expect((await server.get(`/webhooks/${id}`)).status).toBe(200);
  });

  test("an actor type or activity of a reserved name", async () => {
    const mine = actor("webhook", { initialState: () => 0, events: {}, evolve: {}, commands: {} });
    await expect(createRuntime({ modules: [mine], data: ":memory:" })).rejects.toThrow("Folio's own");
  });
});

describe("a restart", () => {
  test("goes on where the process before stopped, with the same secret, and sends no event twice", async () => {
    const folder = temporaryFolder();
    const first = await WebhooksServer.start({ data: folder, shards: 2 });
    const id = await first.register({ filters: { eventTypes: ["Added"] } });
    const { secret } = first;
    const paused = await first.register({ url: "https://paused.test/" });
    await first.request("POST", `/webhooks/${paused}/pause`);
    await first.add("a", 1);
    await first.arrived(1);
    await first.runtime.drain();
    await first.runtime.activities.idle();
    await first.runtime[Symbol.asyncDispose]();

    const second = await WebhooksServer.start({ data: folder, shards: 2, clock: first.clock, seed: 2 });
    expect((await second.get(`/webhooks/${paused}`)).body).toMatchObject({ status: "paused" });
    expect((await second.get(`/webhooks/${paused}`)).body.lagEvents).toBeGreaterThan(0);
    await second.add("a", 2);
    await second.add("b", 3);
    await second.arrived(2);
    expect(second.numbersOf("a")).toEqual([2]);
    expect(second.numbersOf("b")).toEqual([3]);
    expect(second.received.map((received) => isSigned(received, secret))).toEqual([true, true]);
    await second.request("POST", `/webhooks/${paused}/resume`);
    await second.arrived(5);
    expect(second.numbersOf("a", "https://paused.test/")).toEqual([1, 2]);

    expect((await second.get("/webhooks")).body.webhooks.map((each: { id: string }) => each.id)).toEqual([
      id,
      paused,
    ]);
  });
});
