import { expect, onTestFinished, test } from "vitest";
import { expectProblem, serve } from "./support.ts";

const keyed = (id: string, more: Record<string, string> = {}) => ({ "idempotency-key": id, ...more });

test("a repeated key gets the stored reply, and nothing happens again", async () => {
  const server = await serve();
  const first = await server.post("/actors/counter/c/increment", { by: 2 }, keyed("k"));
  await server.post("/actors/counter/c/increment", { by: 5 });
  const again = await server.post("/actors/counter/c/increment", { by: 2 }, keyed("k"));
  expect(again.body).toEqual(first.body);
  expect(again.headers.get("folio-position")).toBe(first.headers.get("folio-position"));
  expect((await server.get("/actors/counter/c")).body.state).toEqual({ value: 7 });
});

test("a repeated rejection stays the rejection that it was", async () => {
  const server = await serve();
  const withdraw = () => server.post("/actors/account/a/withdraw", { amount: 1 }, keyed("k"));
  expectProblem(await withdraw(), 409, "not-open");
  await server.post("/actors/account/a/open", { owner: "A" });
  expectProblem(await withdraw(), 409, "not-open");
});

test("the same content may be written differently", async () => {
  const server = await serve();
  await server.post("/actors/echo/e/keep", '{"a":1,"b":[1.0]}', keyed("k"));
  const again = await server.post("/actors/echo/e/keep", ' { "b": [1], "a": 1e0 } ', keyed('"k"'));
  expect(again.body).toMatchObject({ messageId: "k", version: 1 });
});

test("the key with another input or command is 422", async () => {
  const server = await serve();
  await server.post("/actors/counter/c/increment", { by: 2 }, keyed("k"));
  const otherInput = await server.post("/actors/counter/c/increment", { by: 3 }, keyed("k"));
  expectProblem(otherInput, 422, "message-mismatch");
  expect(otherInput.headers.get("folio-message-id")).toBe("k");
  const otherCommand = await server.post("/actors/counter/c/decrement", { by: 2 }, keyed("k"));
  expectProblem(otherCommand, 422, "message-mismatch");
  expect((await server.get("/actors/counter/c")).body.version).toBe(1);
});

test.each([1, 4])("the key at several actors names several messages, %i shards", async (shards) => {
  const server = await serve({ shards });
  const actors = ["counter/a", "counter/b", "counter/c", "counter/d", "counter/e"];
  for (const actor of actors) {
    expect((await server.post(`/actors/${actor}/increment`, {}, keyed("k"))).body.actor).toBe(actor);
  }
  const which = await server.get("/messages/k");
  expectProblem(which, 409, "ambiguous-message");
  expect(which.body.actors).toEqual(actors);
  expect(which.headers.get("retry-after")).toBeNull();
  for (const actor of actors) {
    const one = await server.get(`/messages/k?actor=${encodeURIComponent(actor)}`);
    expect(one.body).toMatchObject({ actor, status: "done" });
  }
});

test("duplicates at the same time: handled once, each is told the reply or that it is in progress", async () => {
  const server = await serve();
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => server.post("/actors/counter/c/increment", {}, keyed("k"))),
  );
  expect(answers.some(({ status }) => status === 200)).toBe(true);
  for (const answer of answers) {
    if (answer.status === 200) expect(answer.body).toMatchObject({ messageId: "k", version: 1 });
    else expectProblem(answer, 409, "message-in-progress");
  }
  expect((await server.get("/actors/counter/c")).body.version).toBe(1);
});

test("a key still in progress is 409, to be asked again, with a place to look", async () => {
  const server = await serve();
  server.faults.failures.set("w", 1);
  const work = (prefer: string) =>
    server.post("/actors/worker/w/work", { label: "w" }, keyed("k", { prefer }));
  expect((await work("respond-async")).status).toBe(202);
  const again = await work("");
  expectProblem(again, 409, "message-in-progress");
  expect(again.headers.get("retry-after")).toBe("1");
  expect(again.headers.get("location")).toBe("/messages/k");
  // Who asks for no reply is told the same as the first time.
  expect((await work("respond-async")).status).toBe(202);
  await server.settled("k");
  expect((await work("")).body).toMatchObject({ messageId: "k", reply: { done: ["w"] } });
});

test.each([1, 4])("keys and replies are known after a restart, %i shards", async (shards) => {
  const data = Deno.makeTempDirSync();
  onTestFinished(() => Deno.removeSync(data, { recursive: true }));
  const before = await serve({ data, shards });
  const firsts = await Promise.all(
    ["a", "b", "c", "d"].map((key) =>
      before.post(`/actors/counter/${key}/increment`, { by: 2 }, keyed(`k-${key}`))
    ),
  );
  expect(firsts.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  await before.runtime[Symbol.asyncDispose]();
  const after = await serve({ data, shards });
  for (const { body } of firsts) {
    const { actor, messageId } = body;
    const again = await after.post(`/actors/${actor}/increment`, { by: 2 }, keyed(messageId));
    expect(again.body).toEqual(body);
    const other = await after.post(`/actors/${actor}/increment`, { by: 3 }, keyed(messageId));
    expectProblem(other, 422, "message-mismatch");
  }
});

test("a key is forgotten after its retention, and not before", async () => {
  const server = await serve({ limits: { handledRetentionMs: 3_600_000 } });
  const increment = () => server.post("/actors/counter/c/increment", {}, keyed("k"));
  await increment();
  await server.clock.advance("59m");
  expect((await increment()).body.version).toBe(1);
  await server.clock.advance("3m");
  expect((await increment()).body.version).toBe(2);
});

test.each(["", "a b", "ü", "x".repeat(256), '""', "a, b", '"a b"'])(
  "Idempotency-Key %j is 400",
  async (key) => {
    const server = await serve();
    const answer = await server.post(
      "/actors/counter/c/increment",
      {},
      keyed(key === "ü" ? "\xfc" : key),
    );
    expectProblem(answer, 400, "malformed", "Idempotency-Key");
  },
);

test.each(["x", "x".repeat(255), "__proto__", "constructor", "a/b?c#d%20", '"', "!~'();,"])(
  "Idempotency-Key %s is taken, and can be asked after",
  async (key) => {
    const server = await serve();
    const answer = await server.post(
      "/actors/counter/c/increment",
      {},
      keyed(key, { prefer: "respond-async" }),
    );
    expect(answer.status).toBe(202);
    const message = await server.get(answer.headers.get("location") ?? "");
    expect(message.body).toMatchObject({ id: key, actor: "counter/c" });
  },
);
