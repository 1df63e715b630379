/** Each event arrives, signed, as a CloudEvent, in order for its actor, whatever its receiver does meanwhile. */
import { describe, expect, test } from "vitest";
import { note, other } from "./support.ts";
import { isSigned, type Received, WebhooksServer } from "./support.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe.each([1, 4])("with %i shards", (shards) => {
  test("an event arrives signed, as a CloudEvent 1.0", async () => {
    const server = await WebhooksServer.start({ shards });
    await server.register({ source: "https://folio.example/books" });
    const at = server.clock.now();
    const { position, shard, correlationId } = await server.runtime.ask(
      note.ref("ä/b").add({ n: 1, text: "é😀" }),
    );
    await server.settle();
    expect(server.received).toHaveLength(1);
    const [received] = server.received as [Received];
    expect(received.url).toBe("https://receiver.test/hook");
    expect(isSigned(received, server.secret)).toBe(true);
    expect(isSigned({ ...received, body: `${received.body} ` }, server.secret)).toBe(false);
    expect(received.headers["webhook-id"]).toBe(`evt_${shard}_${position}`);
    expect(received.headers["webhook-timestamp"]).toBe(String(Math.floor(at / 1_000)));
    expect(JSON.parse(received.body)).toEqual({
      specversion: "1.0",
      id: `${shard}.${position}`,
      source: "https://folio.example/books",
      type: "folio.note.Added",
      subject: "note/ä/b",
      time: new Date(at).toISOString(),
      datacontenttype: "application/json",
      partitionkey: "note/ä/b",
      actorversion: 1,
      schemaversion: 1,
      correlationid: correlationId,
      data: { n: 1, text: "é😀" },
    });
  });

  // Would catch events that overtake those that failed before them, and one actor's failures holding up others.
  test("an actor whose delivery keeps failing waits in order, and others go on", async () => {
    const server = await WebhooksServer.start({ shards });
    await server.register();
    let isBroken = true;
    server.react = ({ event }) => isBroken && event.subject === "note/a" ? 500 : 204;
    for (const n of numbers(5)) {
      await server.add("a", n);
      await server.add("b", n);
    }
    await server.clock.advance("1m");
    expect(server.numbersOf("b")).toEqual(numbers(5));
    expect(new Set(server.numbersOf("a"))).toEqual(new Set([1]));
    isBroken = false;
    server.received.length = 0;
    await server.clock.advance("5m");
    expect(server.numbersOf("a")).toEqual(numbers(5));
    expect(server.numbersOf("b")).toEqual([]);
  });

  test("two webhooks do not wait for each other", async () => {
    const server = await WebhooksServer.start({ shards });
    await server.register({ url: "https://down.test/" });
    await server.register({ url: "https://up.test/" });
    server.react = ({ url }) => url === "https://up.test/" ? 200 : new Error("connection refused");
    for (const n of numbers(10)) await server.add("a", n);
    await server.settle();
    expect(server.numbersOf("a", "https://up.test/")).toEqual(numbers(10));
  });
});

test.each([[199, 0], [200, 1], [299, 1], [300, 0], [302, 0], [404, 0], [500, 0]])(
  "an answer of %i delivers %i",
  async (status, delivered) => {
    const server = await WebhooksServer.start();
    const id = await server.register();
    server.react = () => status;
    await server.add("a", 1);
    await server.settle();
    const { body } = await server.get(`/webhooks/${id}/deliveries`);
    expect(body.deliveries).toMatchObject([{
      status: delivered ? "done" : "retrying",
      latest: { responseStatus: status },
    }]);
  },
);

test("an attempt that failed is made again later, with the same id and a new signature", async () => {
  const server = await WebhooksServer.start({ limits: { webhookRetryMs: 10_000 } });
  const id = await server.register();
  const reactions = [503, "silence", new Error("connection reset"), 200] as const;
  server.react = () => reactions[server.received.length - 1] ?? 204;
  await server.add("a", 1);
  await server.clock.advance("5m");
  expect(server.received).toHaveLength(4);
  expect(new Set(server.received.map(({ headers }) => headers["webhook-id"]))).toEqual(new Set(["evt_0_2"]));
  expect(new Set(server.received.map(({ headers }) => headers["webhook-timestamp"])).size).toBe(4);
  const signatures = server.received.map(({ headers }) => headers["webhook-signature"]);
  expect(new Set(signatures).size).toBe(4);
  const waits = server.received.map(({ at }, index) => at - (server.received[index - 1]?.at ?? at));
  const { webhookTimeoutMs } = server.runtime.limits;
  // 10 s, then 20 s after the time-out, then 40 s: each give or take a fifth.
  for (const [index, expected] of [10_000, 20_000 + webhookTimeoutMs, 40_000].entries()) {
    expect(Math.abs((waits[index + 1] ?? 0) - expected)).toBeLessThanOrEqual(8_000);
  }
  const [delivery] = (await server.get(`/webhooks/${id}/deliveries`)).body.deliveries;
  expect(delivery).toMatchObject({ event: "0.2", actor: "note/a", status: "done", attempts: 4 });
  expect(delivery.latest).toMatchObject({ responseStatus: 200 });
  expect(delivery.failures).toMatchObject([
    { attempt: 1, error: expect.stringContaining("503") },
    { attempt: 2, error: expect.stringContaining("longer than 20000 ms") },
    { attempt: 3, error: expect.stringContaining("connection reset") },
  ]);
});

test.each([
  ["seconds", "120", 120_000, "5m" as const],
  ["a date", "date", 300_000, "10m" as const],
  ["more than a day, within a day", "999999999", 86_400_000, "25h" as const],
])("Retry-After is heeded: %s", async (_, retryAfter, expectedMs, within) => {
  const server = await WebhooksServer.start({ limits: { webhookRetryMs: 1_000 } });
  await server.register();
  const date = new Date(server.clock.now() + 300_000).toUTCString();
  server.react = () =>
    server.received.length === 1
      ? { status: 429, retryAfter: retryAfter === "date" ? date : retryAfter }
      : 200;
  await server.add("a", 1);
  await server.settle();
  await server.clock.advance(within);
  expect(server.received).toHaveLength(2);
  const [first, second] = server.received as [Received, Received];
  expect(Math.abs(second.at - first.at - expectedMs)).toBeLessThan(1_000);
});

test("what fails for good is a dead letter, the next event goes on, and a redrive delivers it", async () => {
  const server = await WebhooksServer.start({ limits: { webhookAttemptsMax: 3, webhookRetryMs: 1_000 } });
  const id = await server.register();
  server.react = ({ event }) => event.data.n === 1 ? 500 : 204;
  await server.add("a", 1);
  await server.add("a", 2);
  await server.clock.advance("1m");
  expect(server.numbersOf("a")).toEqual([1, 1, 1, 2]);
  const type = `activity:deliver-webhook/${id}`;
  const letters = (await server.get(`/dead-letters?type=${encodeURIComponent(type)}`)).body.deadLetters;
  expect(letters).toMatchObject([{ attempts: 3, error: expect.stringContaining("500") }]);
  server.react = () => 204;
  expect((await server.request("POST", "/dead-letters/redrive", { type })).body).toMatchObject({
    redriven: 1,
  });
  await server.clock.advance("1m");
  expect(server.numbersOf("a")).toEqual([1, 1, 1, 2, 1]);
  expect((await server.get("/dead-letters")).body.deadLetters).toEqual([]);
});

describe("410", () => {
  // Would catch events that are dropped because a receiver was away, and requests to one that wants none.
  test("pauses the webhook; resumed, it goes on with the same event, in order", async () => {
    const server = await WebhooksServer.start();
    const id = await server.register();
    server.react = () => 410;
    await server.add("a", 1);
    await server.settle();
    await server.add("a", 2);
    await server.add("b", 3);
    await server.clock.advance("2h");
    expect(server.received).toHaveLength(1);
    const { body } = await server.get(`/webhooks/${id}`);
    expect(body).toMatchObject({ status: "paused", pauseReason: "gone", pendingDeliveries: 1, lagEvents: 3 });
    expect((await server.get("/dead-letters")).body.deadLetters).toEqual([]);
    expect(server.logged.filter((line) => line.includes("answered 410"))).toHaveLength(1);
    server.react = () => 204;
    server.received.length = 0;
    expect((await server.request("POST", `/webhooks/${id}/resume`)).body.status).toBe("active");
    await server.clock.advance("2m");
    expect(server.numbersOf("a")).toEqual([1, 2]);
    expect(server.numbersOf("b")).toEqual([3]);
  });
});

describe("filters", () => {
  const cases: [object, string[]][] = [
    [{}, ["note.Added", "note.Cleared", "note.Added", "other.Happened"]],
    [{ actorTypes: ["other"] }, ["other.Happened"]],
    [{ eventTypes: ["Added", "Happened"] }, ["note.Added", "note.Added", "other.Happened"]],
    [{ actorTypes: ["note"], eventTypes: ["Added"] }, ["note.Added", "note.Added"]],
    [{ actor: "note/a" }, ["note.Added", "note.Cleared"]],
    [{ actor: "note/a", eventTypes: ["Cleared"] }, ["note.Cleared"]],
  ];
  test.each(cases)("%j let %j pass", async (filters, types) => {
    const server = await WebhooksServer.start();
    await server.register({ filters });
    await server.add("a", 1);
    await server.runtime.ask(note.ref("a").clear({}));
    await server.add("b", 2);
    await server.runtime.ask(other.ref("c").happen({}));
    await server.settle();
    expect(server.received.map(({ event }) => event.type).sort()).toEqual(
      types.map((type) => `folio.${type}`).sort(),
    );
  });
});

describe("where it begins", () => {
  test("with what comes after the registration", async () => {
    const server = await WebhooksServer.start({ shards: 4 });
    for (const n of numbers(3)) await server.add(`${n}`, n);
    await server.register();
    await server.add("1", 4);
    await server.settle();
    expect(server.received.map(({ event }) => event.data.n)).toEqual([4]);
  });

  test("after a token, where one is given", async () => {
    const server = await WebhooksServer.start();
    await server.add("a", 1);
    const { token } = await server.runtime.ask(note.ref("a").add({ n: 2 }));
    await server.add("a", 3);
    await server.register({ from: token });
    await server.settle();
    expect(server.numbersOf("a")).toEqual([3]);
    await server.register({ from: "0.0", url: "https://all.test/" });
    await server.settle();
    expect(server.numbersOf("a", "https://all.test/")).toEqual([1, 2, 3]);
  });
});

// Would catch a dead receiver filling the shard until nobody's commands are taken any more.
test("no more than so many deliveries wait in a shard; the rest waits in the log, and none is left out", async () => {
  const server = await WebhooksServer.start({
    limits: { webhookPendingMax: 150, webhookRetryMs: 1_000, webhookRetryMsMax: 1_000 },
  });
  const id = await server.register();
  server.react = () => 500;
  for (const n of numbers(600)) await server.add(`k${n % 7}`, n);
  await server.settle();
  const { body } = await server.get(`/webhooks/${id}`);
  expect(body.pendingDeliveries).toBeGreaterThanOrEqual(150);
  expect(body.pendingDeliveries).toBeLessThan(250);
  expect(body.lagEvents).toBe(600 - body.pendingDeliveries);
  server.react = () => 204;
  server.received.length = 0;
  await server.clock.advance("1m");
  for (let key = 0; key < 7; key++) {
    expect(server.numbersOf(`k${key}`)).toEqual(numbers(600).filter((n) => n % 7 === key));
  }
  expect((await server.get(`/webhooks/${id}`)).body).toMatchObject({ pendingDeliveries: 0, lagEvents: 0 });
});

test("an actor with the longest key has its order too", async () => {
  const server = await WebhooksServer.start();
  const id = await server.register();
  let isBroken = true;
  server.react = () => isBroken ? 500 : 204;
  const key = "ü".repeat(256);
  for (const n of numbers(3)) await server.add(key, n);
  await server.settle();
  isBroken = false;
  await server.clock.advance("1m");
  expect(server.numbersOf(key)).toEqual([1, 1, 2, 3]);
  expect((await server.get(`/webhooks/${id}/deliveries`)).body.deliveries).toHaveLength(3);
});

// Would catch a deploy that uses up the attempts of a delivery, or shows a failure that was none of the receiver's.
test("a delivery that a stop interrupts does not count as one that failed", async () => {
  const server = await WebhooksServer.start();
  const id = await server.register();
  server.react = () => "silence";
  await server.add("a", 1);
  await server.clock.advance(100);
  expect(server.received).toHaveLength(1);
  await server.runtime.drain();
  server.runtime.activities.interrupt();
  await server.runtime.activities.idle();
  await server.clock.settle();
  const [delivery] = await server.runtime.webhooks.deliveries(id, 1);
  expect(delivery).toMatchObject({ status: "retrying", failures: [{ attempt: 1, isCounted: false }] });
  expect(delivery?.latest).toBeUndefined();
});
