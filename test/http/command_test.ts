import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { actor, command } from "../../src/mod.ts";
import { expectProblem, serve } from "./support.ts";

test("a command is answered with its reply and where its effect is", async () => {
  const server = await serve();
  const { status, headers, body } = await server.post("/actors/account/alice/open", { owner: "Alice" });
  expect(status).toBe(200);
  const messageId = headers.get("folio-message-id");
  expect(body).toEqual({ messageId, actor: "account/alice", version: 1, position: 1, reply: { balance: 0 } });
  expect(headers.get("folio-correlation-id")).toBe(messageId);
  expect(headers.get("folio-position")).toBe("0.1");
  expect((await server.get(`/messages/${messageId}`)).body.status).toBe("done");
});

test("a rejection is 409 with the actor's own code, and is not to be repeated", async () => {
  const server = await serve();
  await server.post("/actors/account/alice/open", { owner: "Alice" });
  const answer = await server.post("/actors/account/alice/withdraw", { amount: 5 });
  expectProblem(answer, 409, "insufficient-funds");
  expect(answer.body).toMatchObject({ type: "/problems/rejected", details: { balance: 0 } });
  expect(answer.headers.get("retry-after")).toBeNull();
  for (const name of ["folio-message-id", "folio-correlation-id", "folio-position"]) {
    expect(answer.headers.get(name)).toMatch(/./);
  }
});

test("input that does not fit is 422 and says where and why", async () => {
  const server = await serve();
  const answer = await server.post("/actors/account/alice/deposit", { amount: "much" });
  expectProblem(answer, 422, "invalid-input");
  expect(answer.body.issues).toEqual([{ path: ["amount"], message: expect.stringContaining("number") }]);
});

test.each([
  ["/actors/nobody/alice/open", "unknown-actor-type"],
  ["/actors/account/alice/rob", "unknown-command"],
  ["/actors/account/alice", "method-not-allowed"],
  ["/actors/account//open", "not-found"],
  ["/actors/account/a/b/open", "not-found"],
  ["/actors/account/alice/open/", "not-found"],
])("POST %s is %s", async (path, code) => {
  const server = await serve();
  const answer = await server.post(path, { owner: "Alice" });
  expectProblem(answer, code === "method-not-allowed" ? 405 : 404, code);
});

// Would catch a client that says that a report is made, an order paid, a hold over.
test("an internal command is 403 for clients, is not told of, and is sent by what runs here", async () => {
  const order = actor("order", {
    initialState: () => ({ isPaid: false }),
    events: { Paid: z.object({}) },
    evolve: { Paid: () => ({ isPaid: true }) },
    commands: {
      paid: command(z.object({}), (turn) => turn.emit("Paid", {}), { isInternal: true }),
      place: command(
        z.object({}),
        (turn) => turn.send({ type: "order", key: turn.key, command: "paid", input: {} }),
      ),
    },
  });
  const server = await serve({ modules: [order] });
  for (const headers of [{}, { prefer: "respond-async" }, { "folio-delay": "1s" }]) {
    expectProblem(await server.post("/actors/order/o/paid", {}, headers), 403, "forbidden");
  }
  await server.clock.advance("1m");
  expectProblem(await server.get("/actors/order/o"), 404, "no-events");
  const { paths } = (await server.get("/openapi.json")).body;
  expect(Object.keys(paths)).toContain("/actors/order/{key}/place");
  expect(Object.keys(paths)).not.toContain("/actors/order/{key}/paid");
  await server.post("/actors/order/o/place", {}, { "idempotency-key": "p" });
  await server.clock.advance("1s");
  expect((await server.get("/actors/order/o")).body.state).toEqual({ isPaid: true });
});

test("a handler that throws is 500, says nothing of the reason, and records nothing", async () => {
  const server = await serve();
  server.faults.failures.set("w", 1);
  const answer = await server.post("/actors/worker/w/work", { label: "w" });
  expectProblem(answer, 500, "handler-failed");
  expect(JSON.stringify(answer.body)).not.toContain("as planned");
  expectProblem(await server.get("/actors/worker/w"), 404, "no-events");
  expect(server.logged.join()).toContain("w failed, as planned");
});

test("the correlation id is the client's, the trace's, or the message's own", async () => {
  const server = await serve();
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
  const correlationOf = async (headers: Record<string, string>) => {
    const answer = await server.post("/actors/counter/c/increment", {}, headers);
    expect(answer.status).toBe(200);
    return answer.headers.get("folio-correlation-id");
  };
  expect(await correlationOf({ "folio-correlation-id": "order-7", traceparent })).toBe("order-7");
  expect(await correlationOf({ traceparent })).toBe(traceId);
  expect(await correlationOf({ traceparent: "garbage", "idempotency-key": "m" })).toBe("m");
});

// Would catch a key that is decoded once too often, or not at all.
test("any key reaches the actor as it was sent", async () => {
  const server = await serve();
  const key = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 })
    .filter((text) => text !== "." && text !== ".." && !/\p{Cc}/u.test(text) && text.isWellFormed());
  const awkward = fc.constantFrom(
    "a/b",
    "100%",
    "%41",
    "%2F",
    "%25",
    "a?b#c",
    "ä ö",
    "a+b",
    "\\",
    "__proto__",
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(key, awkward), async (key) => {
      const path = `/actors/echo/${encodeURIComponent(key)}`;
      const answer = await server.post(`${path}/keep`, 1);
      expect(answer.body).toMatchObject({ actor: `echo/${key}` });
      expect((await server.get(path)).body).toMatchObject({ actor: `echo/${key}` });
      expect((await server.get(`${path}/events`)).body.events[0]).toMatchObject({ actor: `echo/${key}` });
    }),
    { numRuns: 60 },
  );
});

test.each([["*", 200], ['"1"', 200], ['"0", "1"', 200], ['"2"', 412]])(
  "If-Match %s on an actor at version 1 is %i",
  async (ifMatch, status) => {
    const server = await serve();
    await server.post("/actors/counter/c/increment");
    const answer = await server.post("/actors/counter/c/increment", {}, { "if-match": ifMatch });
    expect(answer.status).toBe(status);
    if (status === 412) {
      expectProblem(answer, 412, "version-mismatch");
      expect(answer.body).toMatchObject({ expected: "2", version: 1 });
    }
  },
);

test("If-Match on an actor that has no events: * is 412, and version 0 fits", async () => {
  const server = await serve();
  expect((await server.post("/actors/counter/c/increment", {}, { "if-match": "*" })).status).toBe(412);
  expect((await server.post("/actors/counter/c/increment", {}, { "if-match": '"0"' })).status).toBe(200);
});

test("If-Match and the ETag go together: of two who read one version, one wins", async () => {
  const server = await serve();
  await server.post("/actors/counter/c/increment");
  const etag = (await server.get("/actors/counter/c")).headers.get("etag") ?? "";
  const both = await Promise.all(
    [1, 2].map((by) => server.post("/actors/counter/c/increment", { by }, { "if-match": etag })),
  );
  expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
});

test("If-Match on a message that is kept ends as its rejection", async () => {
  const server = await serve();
  await server.post("/actors/counter/c/increment", {}, {
    "if-match": '"7"',
    "idempotency-key": "m",
    prefer: "respond-async",
  });
  const { body } = await server.settled("m");
  expect(body).toMatchObject({ status: "rejected", rejection: { code: "version-mismatch" } });
});
