import { expect, test } from "vitest";
import { createApp } from "../../src/http/app.ts";
import { ledger } from "../support/actors.ts";
import { World } from "../support/world.ts";
import { expectProblem, readAnswer, serve } from "./support.ts";

test("a full mailbox is 429 and says when to come again; other actors go on", async () => {
  const server = await serve({ limits: { mailboxDepthMax: 3 } });
  server.faults.failures.set("w", 1);
  const work = (key: string) =>
    server.post(`/actors/worker/${key}/work`, { label: key }, { prefer: "respond-async" });
  for (let n = 0; n < 3; n++) expect((await work("w")).status).toBe(202);
  const full = await work("w");
  expectProblem(full, 429, "mailbox-full");
  expect(full.body).toMatchObject({ actor: "worker/w", depthMax: 3 });
  expect(full.headers.get("retry-after")).toBe("1");
  expect((await work("other")).status).toBe(202);
  await server.clock.advance("1s");
  expect((await work("w")).status).toBe(202);
});

test("a full shard is 429", async () => {
  const server = await serve({ limits: { shardDepthMax: 2 } });
  for (const key of ["a", "b"]) {
    server.faults.failures.set(key, 1);
    await server.post(`/actors/worker/${key}/work`, { label: key }, { prefer: "respond-async" });
  }
  const full = await server.post("/actors/counter/c/increment");
  expectProblem(full, 429, "shard-full");
  expect(full.headers.get("retry-after")).toBe("1");
});

test("draining: new work is 503 to be tried again, health says so, what waits is answered", async () => {
  const server = await serve({ limits: { requestWaitMsMax: 5_000 } });
  server.faults.failures.set("w", 1);
  await server.post("/actors/worker/w/work", { label: "w" }, { prefer: "respond-async" });
  const waiting = server.post("/actors/worker/w/work", { label: "next" });
  await server.clock.settle();
  const drained = server.runtime.drain();
  const refused = await server.post("/actors/counter/c/increment");
  expectProblem(refused, 503, "draining");
  expect(refused.headers.get("retry-after")).toBe("2");
  const ready = await server.get("/health/ready");
  expect(ready).toMatchObject({ status: 503, body: { status: "draining" } });
  expect(ready.headers.get("retry-after")).toBe("2");
  expect((await server.get("/health/live")).status).toBe(200);
  expectProblem(await server.get("/events", { accept: "text/event-stream" }), 503, "draining");
  await server.clock.advance("1s");
  expect((await waiting).body.reply.done).toEqual(["w", "next"]);
  await drained;
});

test("draining: a redrive, too, is 503", async () => {
  const server = await serve({ attemptsMax: 1 });
  server.faults.failures.set("w", 1);
  await server.post("/actors/worker/w/work", { label: "w" }, {
    prefer: "respond-async",
    "idempotency-key": "m",
  });
  await server.clock.settle();
  await server.runtime.drain();
  expectProblem(await server.post("/dead-letters/m/redrive"), 503, "draining");
  expect((await server.get("/dead-letters/m")).status).toBe(200);
});

const everyRead = [
  "/actors/ledger/l",
  "/actors/ledger/l?version=1",
  "/actors/ledger/l/events",
  "/events",
  "/messages/m",
  "/messages/m/trace",
  "/dead-letters",
  "/dead-letters/m",
];

test.each(everyRead)("a store that cannot be read: GET %s is 503, not an internal error", async (path) => {
  const world = await World.start({ modules: [ledger] });
  const app = createApp(world.runtime);
  const add = () =>
    app.request("http://localhost/actors/ledger/l/add", {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": "m" },
      body: '{"n":1}',
    });
  await add();
  await world.restart();
  const restarted = createApp(world.runtime);
  const [database] = world.databases;
  if (!database) throw new Error("There is one shard");
  database.readFailures = 1;
  const answer = await readAnswer(await restarted.request(`http://localhost${path}`));
  expectProblem(answer, 503, "store-unavailable");
  expect(answer.headers.get("retry-after")).toBe("2");
  expect(JSON.stringify(answer.body)).not.toContain("SELECT");
  database.readFailures = 0;
  const { status } = await readAnswer(await restarted.request(`http://localhost${path}`));
  expect(status).toBe(path === "/dead-letters/m" ? 404 : 200);
});

test("a commit that is lost is 503, and the same key sent again is handled once", async () => {
  const world = await World.start({ modules: [ledger] });
  const app = createApp(world.runtime);
  const add = async () =>
    await readAnswer(
      await app.request("http://localhost/actors/ledger/l/add", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": "m" },
        body: '{"n":1}',
      }),
    );
  world.engineOf("ledger/l").plan("after"); // written, and the answer lost
  const first = add();
  await world.clock.advance("10s");
  expect([200, 503]).toContain((await first).status);
  expect((await add()).body).toMatchObject({ version: 1, reply: { sum: 1 } });
});

test("after the runtime has stopped every route still answers", async () => {
  const server = await serve();
  await server.post("/actors/counter/c/increment");
  await server.runtime[Symbol.asyncDispose]();
  for (const path of [...everyRead, "/actors/counter/c", "/actors/counter/c/events"]) {
    const { status } = await server.get(path.replaceAll("ledger/l", "counter/c"));
    expect([200, 503]).toContain(status);
  }
  expectProblem(await server.post("/actors/counter/c/increment"), 503, "draining");
});
