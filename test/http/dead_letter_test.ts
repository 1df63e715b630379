import { expect, test } from "vitest";
import { type Answer, expectProblem, serve, type Served } from "./support.ts";

/** Sends work that fails for good, and waits until it is a dead letter. */
async function kill(server: Served, key: string, id = `dead-${key}`): Promise<void> {
  server.faults.failures.set(key, Infinity);
  const headers = { prefer: "respond-async", "idempotency-key": id };
  expect((await server.post(`/actors/worker/${key}/work`, { label: key }, headers)).status).toBe(202);
  expect((await server.settled(id)).body.status).toBe("dead");
}

const idsOf = (page: Answer): string[] => page.body.deadLetters.map(({ id }: { id: string }) => id);

// The story of section 7: a message that cannot be handled holds back its own actor, for a while.
test("poison becomes a dead letter after 5 attempts while others go on, and is redriven edited", async () => {
  const server = await serve();
  server.faults.failures.set("poison", Infinity);
  const work = (key: string, label: string, id: string) =>
    server.post(`/actors/worker/${key}/work`, { label }, { prefer: "respond-async", "idempotency-key": id });
  await work("p", "poison", "m1");
  await work("p", "behind", "m2");
  expect((await server.post("/actors/worker/q/work", { label: "other" })).body.reply.done).toEqual(["other"]);
  expect((await server.get("/messages/m2")).body.status).toBe("queued");
  expect((await server.settled("m1")).body).toMatchObject({ status: "dead", attempts: 5 });
  expect(server.faults.attempts.filter((label) => label === "poison")).toHaveLength(5);
  expect((await server.settled("m2")).body).toMatchObject({ status: "done", reply: { done: ["behind"] } });

  const letter = await server.get("/dead-letters/m1");
  expect(letter.body).toMatchObject({
    id: "m1",
    actor: "worker/p",
    command: "work",
    status: "dead",
    input: { label: "poison" },
    error: "Error: poison failed, as planned",
  });
  expect(letter.body.failures.map(({ attempt }: { attempt: number }) => attempt)).toEqual([1, 2, 3, 4, 5]);

  const invalid = await server.post("/dead-letters/m1/redrive", { input: { label: 7 } });
  expectProblem(invalid, 422, "invalid-input");
  expect(invalid.body.issues[0].path).toEqual(["label"]);
  expect(idsOf(await server.get("/dead-letters"))).toEqual(["m1"]);

  const redriven = await server.post("/dead-letters/m1/redrive", { input: { label: "cured" } });
  expect(redriven).toMatchObject({
    status: 202,
    body: { messageId: "m1", actor: "worker/p", status: "queued" },
  });
  expect(redriven.headers.get("location")).toBe("/messages/m1");
  expect((await server.settled("m1")).body).toMatchObject({
    status: "done",
    reply: { done: ["behind", "cured"] },
  });
  expect(idsOf(await server.get("/dead-letters"))).toEqual([]);
  expectProblem(await server.post("/dead-letters/m1/redrive"), 404, "unknown-message");
  expectProblem(await server.get("/dead-letters/m1"), 404, "unknown-message");
});

test("redriven as it is, once the cause is gone", async () => {
  const server = await serve();
  await kill(server, "a");
  server.faults.failures.delete("a");
  for (const body of ["", "{}"]) {
    const answer = await server.post("/dead-letters/dead-a/redrive", body);
    expect(answer.status).toBe(body === "" ? 202 : 404); // the second time it is no dead letter any more
  }
  expect((await server.settled("dead-a")).body).toMatchObject({ status: "done", attempts: 1 });
});

test("redriven and failing again, it comes back with its whole history", async () => {
  const server = await serve({ attemptsMax: 2 });
  await kill(server, "a");
  await server.post("/dead-letters/dead-a/redrive", { input: { label: "a" } });
  await server.settled("dead-a");
  const { body } = await server.get("/dead-letters/dead-a");
  expect(body).toMatchObject({ status: "dead", attempts: 2, originalInput: { label: "a" } });
  expect(body.failures.map(({ error }: { error: string }) => error)).toEqual([
    ...Array(2).fill("Error: a failed, as planned"),
    "redriven with edited input",
    ...Array(2).fill("Error: a failed, as planned"),
  ]);
});

test.each([1, 4])("listed in pages and by filter, %i shards", async (shards) => {
  const server = await serve({ shards });
  const keys = ["a", "b", "c", "d", "e"];
  for (const key of keys) await kill(server, key);
  const ids = keys.map((key) => `dead-${key}`);
  const seen: string[] = [];
  let after: string | undefined = "0.0";
  while (after !== undefined) {
    const page: Answer = await server.get(`/dead-letters?limit=2&after=${after}`);
    seen.push(...idsOf(page));
    after = page.body.next;
    expect(page.body.hasMore).toBe(after !== undefined);
  }
  expect(seen.sort()).toEqual(ids);
  // A page that is full, and the last one.
  expect((await server.get("/dead-letters?limit=5")).body).toMatchObject({ hasMore: false });
  expect((await server.get("/dead-letters?limit=4")).body).toMatchObject({ hasMore: true });
  const filtered = async (query: string) => idsOf(await server.get(`/dead-letters?${query}`)).sort();
  expect(await filtered("type=worker")).toEqual(ids);
  expect(await filtered("type=work")).toEqual([]);
  expect(await filtered("actor=worker/b")).toEqual(["dead-b"]);
  expect(await filtered("actor=worker%2Fb&command=work&type=worker")).toEqual(["dead-b"]);
  expect(await filtered("command=play")).toEqual([]);
  expect(await filtered("error=c+failed")).toEqual(["dead-c"]);
  expect(await filtered("error=%25")).toEqual([]); // text, not a pattern
});

test.each([1, 4])("redriven by filter, as many as asked for, %i shards", async (shards) => {
  const server = await serve({ shards, attemptsMax: 1 });
  const keys = ["a", "b", "c", "d", "e"];
  for (const key of keys) await kill(server, key);
  server.faults.failures.clear();
  const redrive = async (body: unknown) => (await server.post("/dead-letters/redrive", body)).body;
  expect(await redrive({ actor: "worker/b" })).toEqual({ redriven: 1, hasMore: false });
  expect(await redrive({ type: "nothing" })).toEqual({ redriven: 0, hasMore: false });
  expect(await redrive({ limit: 3 })).toEqual({ redriven: 3, hasMore: true });
  expect(await redrive({})).toEqual({ redriven: 1, hasMore: false });
  for (const key of keys) expect((await server.settled(`dead-${key}`)).body.status).toBe("done");
});

test("redriving by filter stops at a full mailbox and says that there is more", async () => {
  const server = await serve({ limits: { mailboxDepthMax: 3 } });
  for (const id of ["m1", "m2", "m3"]) await kill(server, "a", id);
  await server.post("/actors/worker/a/work", { label: "a" }, { prefer: "respond-async" }); // in their way
  const { body } = await server.post("/dead-letters/redrive", {});
  expect(body).toEqual({ redriven: 2, hasMore: true });
});

test("discarded, it leaves the list, and the message still tells of it", async () => {
  const server = await serve();
  await kill(server, "a");
  const discard = () => server.request("/dead-letters/dead-a", { method: "DELETE" });
  expect(await discard()).toMatchObject({ status: 200, body: { messageId: "dead-a", discarded: true } });
  expectProblem(await discard(), 404, "unknown-message");
  expect(idsOf(await server.get("/dead-letters"))).toEqual([]);
  expect((await server.get("/messages/dead-a")).body).toMatchObject({
    status: "dead",
    failures: expect.arrayContaining([expect.objectContaining({ error: "discarded" })]),
  });
});

test("of two that redrive and discard one at the same time, one wins", async () => {
  const server = await serve();
  await kill(server, "a");
  const answers = await Promise.all([
    server.post("/dead-letters/dead-a/redrive"),
    server.request("/dead-letters/dead-a", { method: "DELETE" }),
    server.post("/dead-letters/dead-a/redrive"),
  ]);
  expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
  for (const answer of answers) if (answer.status >= 300) expect([404, 409]).toContain(answer.status);
});

test("one id at several actors: which one has to be said", async () => {
  const server = await serve({ attemptsMax: 1 });
  for (const key of ["a", "b"]) {
    server.faults.failures.set(key, 1);
    const headers = { prefer: "respond-async", "idempotency-key": "m" };
    await server.post(`/actors/worker/${key}/work`, { label: key }, headers);
  }
  await server.clock.settle();
  expectProblem(await server.post("/dead-letters/m/redrive"), 409, "ambiguous-message");
  const answer = await server.post("/dead-letters/m/redrive?actor=worker/a");
  expect(answer.body).toMatchObject({ messageId: "m", actor: "worker/a" });
});

test("asked again with its key, a dead letter says that it failed", async () => {
  const server = await serve({ attemptsMax: 1 });
  await kill(server, "a");
  const again = await server.post("/actors/worker/a/work", { label: "a" }, { "idempotency-key": "dead-a" });
  expectProblem(again, 500, "handler-failed");
});

test.each([
  ["/dead-letters/redrive", [], 422],
  ["/dead-letters/redrive", { typ: "worker" }, 422],
  ["/dead-letters/redrive", { limit: 0 }, 422],
  ["/dead-letters/redrive", { limit: -1 }, 422],
  ["/dead-letters/redrive", { type: "" }, 422],
  ["/dead-letters/redrive", '{"__proto__": 1}', 422],
  ["/dead-letters/redrive", "{", 400],
  ["/dead-letters/redrive?type=worker", {}, 400],
  ["/dead-letters/dead-a/redrive", { inputs: {} }, 422],
  ["/dead-letters/dead-a/redrive", null, 422],
  ["/dead-letters/dead-a/redrive", { input: null }, 422],
  ["/dead-letters/dead-a/redrive?id=x", {}, 400],
  ["/dead-letters/nothing/redrive", {}, 404],
])("POST %s with %j is refused, and nothing is redriven", async (path, body, status) => {
  const server = await serve({ attemptsMax: 1 });
  await kill(server, "a");
  expect((await server.post(path, body)).status).toBe(status);
  expect(idsOf(await server.get("/dead-letters"))).toEqual(["dead-a"]);
});

test.each(["after=x", "after=0", "after=", "limit=0", "tpye=a", "type=", `error=${"x".repeat(1_001)}`])(
  "GET /dead-letters?%s is 400",
  async (query) => {
    const server = await serve();
    expectProblem(await server.get(`/dead-letters?${query}`), 400, "malformed");
  },
);
