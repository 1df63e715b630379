import { expect, test } from "vitest";
import { type Answer, expectProblem, serve, type Served } from "./support.ts";

function expectAccepted(answer: Answer, actor: string): string {
  expect(answer.status).toBe(202);
  const messageId = answer.headers.get("folio-message-id") ?? "";
  expect(answer.body).toEqual({ messageId, actor, status: "queued" });
  expect(answer.headers.get("location")).toBe(`/messages/${messageId}`);
  expect(answer.headers.get("folio-correlation-id")).toMatch(/./);
  return messageId;
}

/** A worker whose mailbox stands still for a second after its first failure. */
async function slowWorker(): Promise<Served> {
  const server = await serve();
  server.faults.failures.set("slow", 1);
  await server.post("/actors/worker/w/work", { label: "slow" }, { prefer: "respond-async" });
  return server;
}

test("respond-async is 202 with a place to ask, which comes to be done", async () => {
  const server = await serve();
  const answer = await server.post("/actors/counter/c/increment", { by: 3 }, { prefer: "respond-async" });
  const id = expectAccepted(answer, "counter/c");
  expect(answer.headers.get("preference-applied")).toBe("respond-async");
  const { body, headers } = await server.settled(id);
  expect(body).toMatchObject({
    id,
    status: "done",
    attempts: 1,
    reply: { value: 3 },
    version: 1,
    position: 1,
  });
  expect(headers.get("folio-position")).toBe("0.1");
});

test.each([1, 4])("200 messages sent with respond-async are handled in order, %i shards", async (shards) => {
  const server = await serve({ shards });
  const sent = await Promise.all(
    Array.from(
      { length: 200 },
      (_, n) => server.post("/actors/ledger/l/add", { n }, { prefer: "respond-async" }),
    ),
  );
  expect(sent.map(({ status }) => status)).toEqual(Array(200).fill(202));
  await server.settled(sent.at(-1)?.body.messageId);
  const { body } = await server.get("/actors/ledger/l");
  expect(body.state.entries).toEqual(Array.from({ length: 200 }, (_, n) => n));
});

test("wait=0 on a slow mailbox is 202, and polling leads to done", async () => {
  const server = await slowWorker();
  const answer = await server.post("/actors/worker/w/work", { label: "next" }, { prefer: "wait=0" });
  const id = expectAccepted(answer, "worker/w");
  expect((await server.get(`/messages/${id}`)).body.status).toBe("queued");
  expect((await server.settled(id)).body).toMatchObject({
    status: "done",
    reply: { done: ["slow", "next"] },
  });
});

test.each(["wait=5", "respond-async, wait=5", "WAIT = 5", 'wait="5"; x=y', "respond-async; a=b, wait=5"])(
  "Prefer: %s waits five seconds, and no more",
  async (prefer) => {
    const server = await slowWorker();
    server.faults.failures.set("slow", 5); // the mailbox stands still for a long time
    let answer: Answer | undefined;
    const asked = server.post("/actors/worker/w/work", { label: "next" }, { prefer })
      .then((given) => answer = given);
    await server.clock.advance(4_999);
    expect(answer).toBeUndefined();
    await server.clock.advance(1);
    const id = expectAccepted(await asked, "worker/w");
    expect((await server.settled(id)).body.status).toBe("done");
  },
);

test.each(["wait=5", "respond-async, wait=5", "handling=lenient", "", ",", "unknown; wait=0"])(
  "Prefer: %s is answered at once where the actor is",
  async (prefer) => {
    const server = await serve();
    expect((await server.post("/actors/counter/c/increment", {}, { prefer })).status).toBe(200);
  },
);

test("a request that asks for nothing waits as long as the server allows, and then is 202", async () => {
  const server = await serve({ limits: { requestWaitMsMax: 300 } });
  server.faults.failures.set("slow", 1);
  await server.post("/actors/worker/w/work", { label: "slow" }, { prefer: "respond-async" });
  const asked = [{}, { prefer: "wait=86400" }].map((headers) =>
    server.post("/actors/worker/w/work", { label: "next" }, headers)
  );
  await server.clock.advance(300);
  for (const answer of await Promise.all(asked)) expectAccepted(answer, "worker/w");
});

test.each(["wait", "wait=", "wait=-1", "wait=1.5", "wait=soon", "wait=9999999999"])(
  "Prefer: %s is 400",
  async (prefer) => {
    const server = await serve();
    const answer = await server.post("/actors/counter/c/increment", {}, { prefer });
    expectProblem(answer, 400, "malformed", "Prefer");
  },
);

test.each([
  ["folio-delay", () => "15m"],
  ["folio-deliver-at", (now: number) => new Date(now + 900_000).toISOString()],
  ["folio-deliver-at", (now: number) => new Date(now + 4_500_000).toISOString().replace("Z", "+01:00")],
])("%s delivers later, and is 202 although nobody asked for that", async (name, value) => {
  const server = await serve();
  const answer = await server.post("/actors/counter/c/increment", {}, { [name]: value(server.clock.now()) });
  const id = expectAccepted(answer, "counter/c");
  const deliverAt = new Date(server.clock.now() + 900_000).toISOString();
  expect((await server.get(`/messages/${id}`)).body).toMatchObject({ status: "queued", deliverAt });
  await server.clock.advance(899_999);
  expectProblem(await server.get("/actors/counter/c"), 404, "no-events");
  await server.clock.advance(1);
  expect((await server.get("/actors/counter/c")).body.state).toEqual({ value: 1 });
});

test.each([["folio-delay", "0s"], ["folio-deliver-at", "1999-12-31T23:59:59Z"]])(
  "%s: %s is now",
  async (name, value) => {
    const server = await serve();
    expect((await server.post("/actors/counter/c/increment", {}, { [name]: value })).status).toBe(200);
  },
);

test.each([
  ["folio-delay", "soon"],
  ["folio-delay", "-1s"],
  ["folio-delay", "1.5h"],
  ["folio-delay", "15m, 15m"],
  ["folio-delay", "367d"],
  ["folio-delay", "999999999999999d"],
  ["folio-deliver-at", "tomorrow"],
  ["folio-deliver-at", "2026-01-31"],
  ["folio-deliver-at", "2026-01-31T12:00:00"],
  ["folio-deliver-at", "2026-13-31T12:00:00Z"],
  ["folio-deliver-at", "2026-04-31T12:00:00Z"],
  ["folio-deliver-at", "9999-01-01T00:00:00Z"],
])("%s: %s is 400", async (name, value) => {
  const server = await serve();
  expectProblem(await server.post("/actors/counter/c/increment", {}, { [name]: value }), 400, "malformed");
});

test("the longest delay is taken, and one millisecond more is not; both headers together are not", async () => {
  const server = await serve();
  const post = (headers: Record<string, string>) => server.post("/actors/counter/c/increment", {}, headers);
  expect((await post({ "folio-delay": "366d" })).status).toBe(202);
  expectProblem(await post({ "folio-delay": `${366 * 86_400_000 + 1}ms` }), 400, "malformed", "Folio-Delay");
  const both = { "folio-delay": "1s", "folio-deliver-at": "2026-01-31T12:00:00Z" };
  expectProblem(await post(both), 400, "malformed");
});

// Would catch an answer that hangs on how many milliseconds the body takes to come.
test("the shortest delay is answered 202 like any other", async () => {
  const server = await serve();
  const headers = { "folio-delay": "1ms", "idempotency-key": "soon" };
  for (let time = 0; time < 2; time++) {
    expect((await server.post("/actors/counter/c/increment", { by: 1 }, headers)).status).toBe(202);
    await server.clock.advance(5);
  }
  expect((await server.get("/actors/counter/c")).body.state).toEqual({ value: 1 });
});
