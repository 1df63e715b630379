import { expect, test } from "vitest";
import { expectProblem, serve, type Served } from "./support.ts";

async function counted(shards = 1): Promise<Served> {
  const server = await serve({ shards });
  for (const by of [1, 2, 3]) {
    await server.post("/actors/counter/c/increment", { by });
    await server.clock.advance("1m");
  }
  return server;
}

test("an actor's state comes with its version and ETag", async () => {
  const server = await counted();
  const { status, body, headers } = await server.get("/actors/counter/c");
  expect(status).toBe(200);
  expect(body).toEqual({ actor: "counter/c", version: 3, state: { value: 6 } });
  expect(headers.get("etag")).toBe('"3"');
});

test("an actor without events is 404, and so is one of no type", async () => {
  const server = await counted();
  expectProblem(await server.get("/actors/counter/nobody"), 404, "no-events");
  expectProblem(await server.get("/actors/nothing/c"), 404, "unknown-actor-type");
  expectProblem(await server.get("/actors/nothing/c?version=1"), 404, "unknown-actor-type");
  expectProblem(await server.get("/actors/nothing/c/events"), 404, "unknown-actor-type");
});

test("?version= gives every past state, and 404 where there was none", async () => {
  const server = await counted();
  for (const [version, value] of [[1, 1], [2, 3], [3, 6]]) {
    const { body, headers } = await server.get(`/actors/counter/c?version=${version}`);
    expect(body).toEqual({ actor: "counter/c", version, state: { value } });
    expect(headers.get("etag")).toBe(`"${version}"`);
  }
  for (const version of [0, 4, 999_999_999_999_999]) {
    expectProblem(await server.get(`/actors/counter/c?version=${version}`), 404, "no-events");
  }
});

test("?at= gives the state of a time, to the millisecond", async () => {
  const server = await serve();
  const startedAt = server.clock.now();
  await server.post("/actors/counter/c/increment");
  await server.clock.advance(1_000);
  await server.post("/actors/counter/c/increment");
  const at = (time: number) => new Date(time).toISOString();
  const versionAt = async (time: string) => (await server.get(`/actors/counter/c?at=${time}`)).body.version;
  expect(await versionAt(at(startedAt - 1))).toBeUndefined();
  expect(await versionAt(at(startedAt))).toBe(1);
  expect(await versionAt(at(startedAt + 999))).toBe(1);
  expect(await versionAt(at(startedAt + 1_000))).toBe(2);
  const nextHour = at(startedAt + 3_600_000 + 999);
  // A zone's plus sign, as it has to be sent and as it is sent.
  expect(await versionAt(nextHour.replace("Z", "%2B01:00"))).toBe(1);
  expect(await versionAt(nextHour.replace("Z", "+01:00"))).toBe(1);
});

test.each([
  "version=-1",
  "version=1.5",
  "version=one",
  "version=",
  "version=1e3",
  "version=1234567890123456",
  "at=yesterday",
  "at=2026-01-01",
  "at=2026-01-01T00:00:00",
  "at=2026-99-01T00:00:00Z",
  "at=2026-02-30T00:00:00Z",
  "at=2026-01-01T24:01:00Z",
  "at=",
  "version=1&at=2026-01-01T00:00:00Z",
  "version=1&version=2",
  "verison=1",
  "__proto__=1",
  "constructor=1",
  "toString",
])("GET /actors/counter/c?%s is 400", async (query) => {
  const server = await counted();
  expectProblem(await server.get(`/actors/counter/c?${query}`), 400, "malformed");
});

test("an actor's events come in pages", async () => {
  const server = await counted();
  const first = (await server.get("/actors/counter/c/events?limit=2")).body;
  expect(first).toMatchObject({ next: 2, hasMore: true });
  expect(first.events[0]).toEqual({
    shard: 0,
    position: 1,
    actor: "counter/c",
    version: 1,
    type: "Incremented",
    schemaVersion: 1,
    payload: { by: 1 },
    at: "2026-01-01T00:00:00.000Z",
    messageId: expect.any(String),
    correlationId: first.events[0].messageId,
  });
  const second = (await server.get(`/actors/counter/c/events?after=${first.next}&limit=2`)).body;
  expect(second.events.map((event: { version: number }) => event.version)).toEqual([3]);
  expect(second).toMatchObject({ next: 3, hasMore: false });
  // A page that is full, and the last one.
  expect((await server.get("/actors/counter/c/events?limit=3")).body).toMatchObject({ hasMore: false });
  expect((await server.get("/actors/counter/nobody/events")).body).toEqual({
    events: [],
    next: 0,
    hasMore: false,
  });
});

test.each([1, 4])("the log's pages hold everything once, each shard in order, %i shards", async (shards) => {
  const server = await serve({ shards });
  const sent: string[] = [];
  for (let n = 0; n < 40; n++) {
    sent.push((await server.post(`/actors/ledger/l${n % 8}/add`, { n })).body.messageId);
    await server.clock.advance(1);
  }
  for (const limit of [1, 7, 40, 1_000]) {
    const seen: { shard: number; position: number; messageId: string; token: string }[] = [];
    let after = "";
    for (let isLast = false; !isLast;) {
      const { body } = await server.get(`/events?limit=${limit}&after=${after}`);
      expect(body.events.length).toBeLessThanOrEqual(limit);
      seen.push(...body.events);
      after = body.next;
      isLast = !body.hasMore;
    }
    expect(seen.map(({ messageId }) => messageId)).toEqual(sent);
    for (let shard = 0; shard < shards; shard++) {
      const positions = seen.filter((event) => event.shard === shard).map(({ position }) => position);
      expect(positions).toEqual(positions.map((_, index) => index + 1));
    }
    // Any event's own token goes on behind it.
    const { body } = await server.get(`/events?after=${seen[20]?.token}`);
    expect(body.events).toEqual(seen.slice(21));
  }
});

test("the log can be read by event type, and from now on", async () => {
  const server = await counted();
  await server.post("/actors/counter/c/reset");
  const resets = (await server.get("/events?type=Reset")).body;
  expect(resets.events.map(({ position }: { position: number }) => position)).toEqual([4]);
  expect(resets).toMatchObject({ next: "0.4", hasMore: false });
  expect((await server.get("/events?type=__proto__")).body.events).toEqual([]);
  expect((await server.get("/events?after=now")).body).toEqual({ events: [], next: "0.4", hasMore: false });
});

test.each([
  "after=-1",
  "after=0.-1",
  "after=1.0",
  "after=0.1_0.2",
  "after=0.1234567890123456",
  "after=__proto__",
  "limit=0",
  "limit=-5",
  "limit=ten",
  "limit=1.0",
  "limit=9999999999",
  "type=",
  "type=a&type=b",
  `type=${"x".repeat(65)}`,
  "kind=Reset",
])("GET /events?%s is 400", async (query) => {
  const server = await counted();
  expectProblem(await server.get(`/events?${query}`), 400, "malformed");
});

test("more than a page may hold is cut, not refused", async () => {
  const server = await serve({ limits: { pageItemsMax: 2 } });
  for (let n = 0; n < 3; n++) await server.post("/actors/counter/c/increment");
  for (const path of ["/events?limit=999999999", "/actors/counter/c/events?limit=3"]) {
    const { body } = await server.get(path);
    expect(body.events).toHaveLength(2);
    expect(body.hasMore).toBe(true);
  }
});
