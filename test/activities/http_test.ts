import { expect, onTestFinished, test } from "vitest";
import { createApp } from "../../src/http/app.ts";
import { createRuntime } from "../../src/create_runtime.ts";
import { seededIds } from "../../src/testing/seeded_ids.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { readAnswer } from "../http/support.ts";
import { boss, type Options, Outside, outsideWork } from "./support.ts";

async function serve(options: Options = {}) {
  const outside = new Outside();
  const work = outsideWork(outside, options);
  const clock = new VirtualClock();
  const runtime = await createRuntime({
    modules: [work, boss(work)],
    data: ":memory:",
    clock,
    ids: seededIds(1),
  });
  onTestFinished(() => runtime[Symbol.asyncDispose]());
  const app = createApp(runtime);
  const get = async (path: string) => await readAnswer(await app.request(`http://localhost${path}`));
  const post = async (path: string, body: unknown) =>
    await readAnswer(
      await app.request(`http://localhost${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    );
  return { outside, clock, get, post, runtime };
}

test("GET /messages/:id of an activity follows it from running, with progress, over retrying to done", async () => {
  const { outside, clock, get, post } = await serve({ retry: { delayMs: 1_000 } });
  const asked = await post("/actors/boss/b/ask", { jobs: [{ label: "a" }] });
  const [id] = asked.body.reply.ids;
  await clock.settle();
  const running = (await get(`/messages/${id}`)).body;
  expect(running).toMatchObject({ id, actor: "activity:work/-", status: "running", attempts: 1 });
  expect(running).not.toHaveProperty("progress");
  expect(running).not.toHaveProperty("nextAttemptAt");
  await clock.advance("5s");
  outside.last.context.heartbeat({ rows: 17 });
  expect((await get(`/messages/${id}`)).body).toMatchObject({
    status: "running",
    progress: { detail: { rows: 17 }, at: "2026-01-01T00:00:05.000Z" },
  });
  outside.last.fail();
  await clock.settle();
  const retrying = (await get(`/messages/${id}`)).body;
  expect(retrying).toMatchObject({
    status: "retrying",
    attempts: 1,
    error: "Error: failed, as planned",
    nextAttemptAt: "2026-01-01T00:00:06.000Z",
  });
  expect(retrying).not.toHaveProperty("progress");
  await clock.advance("1s");
  outside.last.succeed();
  await clock.settle();
  expect((await get(`/messages/${id}`)).body).toMatchObject({
    status: "done",
    attempts: 2,
    reply: { label: "a" },
    causationId: asked.body.messageId,
  });
});

test("the trace of a request shows its activity, and who was told", async () => {
  const { outside, clock, get, post } = await serve();
  const asked = await post("/actors/boss/b/ask", { jobs: [{ label: "a" }] });
  await clock.settle();
  outside.last.succeed();
  await clock.settle();
  const trace = await get(`/messages/${asked.body.messageId}/trace`);
  const [root] = trace.body.roots;
  expect(root.children).toMatchObject([{
    actor: "activity:work/-",
    status: "done",
    attempts: 1,
    children: [{ actor: "boss/b", command: "done", events: [{ type: "Told" }] }],
  }]);
});

test("GET /activities lists how each is doing", async () => {
  const { outside, clock, get, post } = await serve({
    concurrency: 2,
    circuitBreaker: { failuresMax: 1, halfOpenAfter: "1m" },
  });
  expect((await get("/activities")).body).toEqual({
    activities: [{
      name: "work",
      queued: 0,
      running: 0,
      attempts: 0,
      failures: 0,
      circuit: { state: "closed" },
    }, {
      // Folio's own.
      name: "deliver-webhook",
      queued: 0,
      running: 0,
      attempts: 0,
      failures: 0,
    }],
  });
  const own = { name: "deliver-webhook", attempts: 0 };
  await post("/actors/boss/b/ask", { jobs: [{ label: "a" }, { label: "b" }, { label: "c" }] });
  await clock.advance(250);
  expect((await get("/activities")).body.activities).toMatchObject([
    { queued: 1, running: 2, attempts: 2 },
    own,
  ]);
  const [a, b] = outside.runs;
  a?.succeed();
  await clock.settle();
  b?.fail();
  await clock.settle();
  expect((await get("/activities")).body.activities).toMatchObject([{
    failures: 1,
    p99Ms: 250,
    circuit: { state: "open", probeAt: "2026-01-01T00:01:00.250Z", error: "Error: failed, as planned" },
  }, own]);
  expect((await get("/activities?x=1")).status).toBe(400);
});

test("nobody can send a message to an activity from outside", async () => {
  const { post } = await serve();
  const answer = await post("/actors/activity:work/-/run", { label: "a" });
  expect({ status: answer.status, code: answer.body.code }).toEqual({
    status: 404,
    code: "unknown-actor-type",
  });
});

test("a dead letter of an activity is listed, redriven with another input, and discarded", async () => {
  const { outside, clock, get, post } = await serve({ retry: { attemptsMax: 1 } });
  outside.behave = (run) => run.fail();
  const asked = await post("/actors/boss/b/ask", { jobs: [{ label: "a" }] });
  const [id] = asked.body.reply.ids;
  await clock.settle();
  expect((await get("/dead-letters?type=activity:work")).body.deadLetters).toMatchObject([
    { id, input: { label: "a" } },
  ]);
  expect((await post(`/dead-letters/${id}/redrive`, { input: { label: 5 } })).status).toBe(422);
  outside.behave = (run) => run.succeed();
  expect((await post(`/dead-letters/${id}/redrive`, { input: { label: "mended" } })).status).toBe(202);
  await clock.settle();
  expect((await get(`/messages/${id}`)).body).toMatchObject({ status: "done", reply: { label: "mended" } });
});
