import { expect, test } from "vitest";
import { expectProblem, serve } from "./support.ts";

test("a message can be followed from queued over retrying to done", async () => {
  const server = await serve();
  server.faults.failures.set("w", 1);
  const headers = { prefer: "respond-async", "idempotency-key": "m", "folio-delay": "1m" };
  await server.post("/actors/worker/w/work", { label: "w" }, headers);
  const queued = await server.get("/messages/m");
  expect(queued.body).toEqual({
    id: "m",
    actor: "worker/w",
    command: "work",
    status: "queued",
    attempts: 0,
    enqueuedAt: "2026-01-01T00:00:00.000Z",
    deliverAt: "2026-01-01T00:01:00.000Z",
    correlationId: "m",
  });
  expect(queued.headers.get("folio-position")).toBeNull();
  await server.clock.advance("1m");
  expect((await server.get("/messages/m")).body).toMatchObject({
    status: "retrying",
    attempts: 1,
    error: "Error: w failed, as planned",
    nextAttemptAt: "2026-01-01T00:01:01.000Z",
  });
  await server.clock.advance("1s");
  expect((await server.get("/messages/m")).body).toMatchObject({
    status: "done",
    attempts: 2,
    reply: { done: ["w"] },
    failures: [{ attempt: 1, at: "2026-01-01T00:01:00.000Z" }],
    handledAt: "2026-01-01T00:01:01.000Z",
  });
});

test.each(["/messages/nothing", "/messages/nothing/trace", "/messages/__proto__", "/messages/constructor"])(
  "GET %s is 404",
  async (path) => {
    const server = await serve();
    expectProblem(await server.get(path), 404, "unknown-message");
  },
);

test.each([
  "/messages/a%20b",
  `/messages/${"x".repeat(256)}`,
  "/messages/%00",
  "/messages/m?actr=a",
  "/messages/m?actor=",
])(
  "GET %s is 400",
  async (path) => {
    const server = await serve();
    expectProblem(await server.get(path), 400, "malformed");
  },
);

test.each([1, 4])("a trace is the tree of what a request led to, %i shards", async (shards) => {
  const server = await serve({ shards });
  const to = [{ key: "l1", n: 1 }, { key: "l2", n: 2 }, { key: "l3", n: 3 }, { key: "l4", n: 4 }];
  const { headers } = await server.post("/actors/sender/s/fanOut", { to }, {
    "folio-correlation-id": "order-1",
  });
  await server.clock.advance("1s");
  const id = headers.get("folio-message-id");
  const { body } = await server.get(`/messages/${id}/trace`);
  expect(body).toMatchObject({ correlationId: "order-1", isTruncated: false });
  expect(body.roots).toHaveLength(1);
  const [root] = body.roots;
  expect(root).toMatchObject({ messageId: id, actor: "sender/s", status: "done" });
  expect(root.events).toMatchObject([{ type: "Sent", correlationId: "order-1" }]);
  const children = root.children.sort((a: { actor: string }, b: { actor: string }) =>
    a.actor < b.actor ? -1 : 1
  );
  expect(children).toMatchObject(
    to.map(({ key, n }) => ({
      actor: `ledger/${key}`,
      command: "add",
      status: "done",
      events: [{ payload: { n }, correlationId: "order-1", causationId: id }],
      children: [],
    })),
  );
  // From any message of it the tree is the same.
  expect((await server.get(`/messages/${children[0].messageId}/trace`)).body.roots).toHaveLength(1);
});

test("a trace that is too large says that it was cut", async () => {
  const server = await serve({ limits: { traceNodesMax: 3 } });
  const to = Array.from({ length: 5 }, (_, n) => ({ key: "l", n }));
  const { headers } = await server.post("/actors/sender/s/fanOut", { to });
  await server.clock.settle();
  const { body } = await server.get(`/messages/${headers.get("folio-message-id")}/trace`);
  expect(body.isTruncated).toBe(true);
  expect(body.roots[0].children).toHaveLength(2);
});

test("health, readiness and the document are there", async () => {
  const server = await serve({ shards: 4 });
  expect((await server.get("/health/live")).body).toEqual({ status: "live" });
  const ready = await server.get("/health/ready");
  expect(ready.status).toBe(200);
  expect(ready.body.status).toBe("ready");
  expect(ready.body.shards).toHaveLength(4);
  const document = await server.get("/openapi.json");
  expect(document.body.openapi).toMatch(/^3\.1/);
  expect(Object.keys(document.body.paths)).toContain("/actors/account/{key}/withdraw");
});

test.each([
  ["DELETE", "/actors/counter/c", "GET, HEAD"],
  ["GET", "/actors/counter/c/increment", "POST"],
  ["PUT", "/actors/counter/c/events", "POST, GET, HEAD"],
  ["OPTIONS", "/events", "GET, HEAD"],
  ["POST", "/messages/m", "GET, HEAD"],
  ["PATCH", "/dead-letters/redrive", "POST, GET, HEAD, DELETE"],
  ["POST", "/dead-letters/d", "GET, HEAD, DELETE"],
  ["GET", "/dead-letters/d/redrive", "POST"],
  ["POST", "/health/live", "GET, HEAD"],
  ["BREW", "/openapi.json", "GET, HEAD"],
])("%s %s is 405 and names what is allowed", async (method, path, allow) => {
  const server = await serve();
  const answer = await server.request(path, { method });
  expectProblem(answer, 405, "method-not-allowed");
  expect(answer.headers.get("allow")).toBe(allow);
  expect(answer.body.allowed).toEqual(allow.split(", "));
});

test.each(["/", "/actors", "/actors/counter", "/sagas/x/y/z", "/health", "/messages/", "//", "/__proto__"])(
  "GET %s is 404",
  async (path) => {
    const server = await serve();
    expectProblem(await server.get(path), 404, "not-found");
  },
);

test("HEAD is GET without a body, also where GET would be a stream without end", async () => {
  const server = await serve({ limits: { readersMax: 1 } });
  await server.post("/actors/counter/c/increment");
  for (const path of ["/actors/counter/c", "/events", "/actors/counter/c/events", "/events"]) {
    const answer = await server.request(path, { method: "HEAD", headers: { accept: "text/event-stream" } });
    expect(answer).toMatchObject({ status: 200, body: undefined });
  }
  expect((await server.request("/nothing", { method: "HEAD" })).status).toBe(404);
});
