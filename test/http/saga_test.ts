/** Sagas over HTTP: started once, looked at, signalled, cancelled; and wrong requests that are told what is wrong. */
import { describe, expect, test } from "vitest";
import { useEnvironment } from "../actors/activity_runs.ts";
import { type Answer, expectProblem, serve, type Served } from "./support.ts";

async function open(served: Served, owner: string, amount = 0): Promise<void> {
  await served.post(`/actors/account/${owner}/open`, { owner });
  if (amount > 0) await served.post(`/actors/account/${owner}/deposit`, { amount });
}

/** An answer that may have to wait for what others do meanwhile. */
async function whenSettled(served: Served, asked: Promise<Answer>): Promise<Answer> {
  await served.clock.settle();
  return await asked;
}

const balanceOf = async (served: Served, owner: string) =>
  (await served.get(`/actors/account/${owner}`)).body.state.balance;

describe.each([1, 4])("with %i shards", (shards) => {
  test("a start is answered 202 with where to look, and the end is there later", async () => {
    const served = await serve({ shards });
    await open(served, "alice", 100);
    await open(served, "bob");
    const started = await served.post("/sagas/transfer/t1", { from: "alice", to: "bob", amount: 30 });
    expect(started.status).toBe(202);
    expect(started.headers.get("location")).toBe("/sagas/transfer/t1");
    expect(started.headers.get("folio-message-id")).toMatch(/./);
    expect(started.body).toEqual({
      saga: "transfer",
      id: "t1",
      actor: "transfer/t1",
      status: "running",
      messageId: started.headers.get("folio-message-id"),
    });
    await served.clock.advance("1s");
    const ended = await served.get("/sagas/transfer/t1");
    expect(ended.status).toBe(200);
    expect(ended.body).toMatchObject({
      status: "completed",
      input: { from: "alice", to: "bob", amount: 30 },
      result: { transferred: 30 },
      startedAt: expect.stringMatching(/^2026-01-01T/),
      steps: [
        { name: "withdraw", kind: "ask", status: "done", to: "account/alice", attempts: 1 },
        { name: "deposit", kind: "ask", status: "done", to: "account/bob", attempts: 1 },
      ],
    });
    expect(ended.body.output).toBeUndefined();
    expect([await balanceOf(served, "alice"), await balanceOf(served, "bob")]).toEqual([70, 30]);
  });

  test("with Prefer: wait the end is the answer; a failed one says what was taken back", async () => {
    const served = await serve({ shards });
    await open(served, "alice", 100);
    const wait = { prefer: "wait=10" };
    const asked = served.post("/sagas/transfer/t1", { from: "alice", to: "nobody", amount: 30 }, wait);
    const answer = await whenSettled(served, asked);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      status: "failed",
      error: { code: "not-open" },
      steps: [
        { name: "withdraw", status: "done", compensation: { status: "done", to: "account/alice" } },
        { name: "deposit", status: "failed", error: { code: "not-open" } },
      ],
    });
    expect(answer.body.result).toBeUndefined();
    expect(await balanceOf(served, "alice")).toBe(100);
  });
});

test("an end that does not come in time is 202, and can be waited for at its place", async () => {
  useEnvironment({ SMTP_URL: "" });
  const served = await serve();
  const asked = served.post("/sagas/follow-up/f1", { email: "ann@example.com" }, { prefer: "wait=5" });
  await served.clock.advance("4s");
  await served.runtime.activities.idle();
  await served.clock.advance("2s");
  const answer = await asked;
  expect(answer).toMatchObject({ status: 202, body: { status: "running" } });
  const waiting = served.get("/sagas/follow-up/f1", { prefer: "wait=20" });
  const signalled = await served.post("/sagas/follow-up/f1/signals/replied", { text: "yes" });
  expect(signalled.status).toBe(202);
  expect(signalled.headers.get("location")).toBe("/sagas/follow-up/f1");
  expect((await whenSettled(served, waiting)).body).toMatchObject({
    status: "completed",
    result: { outcome: "replied", mailsSent: 1, text: "yes" },
  });
});

test("the same id and input again is the same instance; another input is refused", async () => {
  const served = await serve();
  await open(served, "alice", 100);
  await open(served, "bob");
  const input = { from: "alice", to: "bob", amount: 30 };
  const wait = { prefer: "wait=10" };
  await whenSettled(served, served.post("/sagas/transfer/t1", input, wait));
  const again = await served.post("/sagas/transfer/t1", { amount: 30, to: "bob", from: "alice" }, wait);
  expect(again).toMatchObject({ status: 200, body: { status: "completed", result: { transferred: 30 } } });
  const late = await served.post("/sagas/transfer/t1", input);
  expect(late).toMatchObject({ status: 202, body: { status: "completed" } });
  expect(await balanceOf(served, "alice")).toBe(70);
  const other = await served.post("/sagas/transfer/t1", { ...input, amount: 31 }, wait);
  expectProblem(other, 409, "already-started");
  expect(other.headers.get("retry-after")).toBeNull();
  expect(other.body).toMatchObject({ saga: "transfer", id: "t1" });
  expect(other.headers.get("folio-message-id")).toMatch(/./);
  expect(other.headers.get("folio-position")).toMatch(/./);
});

// Would catch two instances, or an error for one of those who sent it twice.
test("the same start many times at once is one instance", async () => {
  const served = await serve();
  await open(served, "alice", 100);
  await open(served, "bob");
  const input = { from: "alice", to: "bob", amount: 30 };
  const answers = Array.from({ length: 20 }, () => served.post("/sagas/transfer/t1", input));
  await served.clock.settle();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(20).fill(202));
  await served.clock.advance("1s");
  expect(await balanceOf(served, "alice")).toBe(70);
});

test("cancelling takes back what was done, and a second time says that it has ended", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  const served = await serve();
  const input = { customer: "Ann", seat: "A1", card: "card-times-out" };
  await served.post("/sagas/booking/b1", input);
  await served.clock.advance("1s");
  expect((await served.get("/actors/seat/A1")).body.state.holder).toMatchObject({ by: "Ann" });
  const cancelled = await served.post("/sagas/booking/b1/cancel", { reason: "changed my mind" });
  expect(cancelled.status).toBe(202);
  await served.clock.advance("5m");
  const { body } = await served.get("/sagas/booking/b1");
  expect(body).toMatchObject({ status: "cancelled", error: { message: expect.stringContaining("mind") } });
  expect((await served.get("/actors/seat/A1")).body.state.holder).toBeNull();
  expect(Deno.readTextFileSync(`${data}/payments.jsonl`)).not.toContain("charged");
  const late = await served.post("/sagas/booking/b1/cancel", {}, { "folio-correlation-id": "c1" });
  expectProblem(late, 409, "ended");
  expect(late.headers.get("folio-message-id")).toMatch(/./);
  expect(late.headers.get("folio-correlation-id")).toBe("c1");
  expect(late.headers.get("folio-position")).toMatch(/./);
});

test("a list has instances of all sagas, by name and status, in pages", async () => {
  const served = await serve({ shards: 4 });
  await open(served, "alice", 100);
  await open(served, "bob");
  for (const id of ["t1", "t2", "t3"]) {
    await served.post(`/sagas/transfer/${id}`, { from: "alice", to: "bob", amount: id === "t2" ? 999 : 1 });
  }
  await served.post("/sagas/follow-up/f1", { email: "ann@example.com" });
  await served.clock.advance("1s");
  const all = await served.get("/sagas");
  expect(
    all.body.sagas.map((
      each: { saga: string; id: string; status: string },
    ) => [each.saga, each.id, each.status]),
  ).toEqual([
    ["follow-up", "f1", "running"],
    ["transfer", "t1", "completed"],
    ["transfer", "t2", "failed"],
    ["transfer", "t3", "completed"],
  ]);
  expect(all.body.next).toBeUndefined();
  const failed = await served.get("/sagas?name=transfer&status=failed");
  expect(failed.body.sagas).toMatchObject([{ id: "t2" }]);
  const seen: string[] = [];
  let path = "/sagas?limit=1";
  for (let pages = 0; pages < 10; pages++) {
    const { body } = await served.get(path);
    seen.push(...body.sagas.map(({ id }: { id: string }) => id));
    expect(body.hasMore).toBe(body.next !== undefined);
    if (body.next === undefined) break;
    expect(body.sagas).toHaveLength(1);
    path = `/sagas?limit=1&after=${encodeURIComponent(body.next)}`;
  }
  expect(seen).toEqual(["f1", "t1", "t2", "t3"]);
  // A page that is full, and the last one.
  expect((await served.get("/sagas?limit=4")).body).toMatchObject({ hasMore: false });
  expect((await served.get("/sagas?limit=3")).body).toMatchObject({ hasMore: true, next: "transfer/t2" });
});

describe("what is wrong is said", () => {
  const good = { from: "a", to: "b", amount: 1 };

  test.each([
    ["an unknown saga", "/sagas/theft/t1", good, 404, "unknown-saga"],
    [
      "an input that does not fit",
      "/sagas/transfer/t1",
      { from: "a", to: "b", amount: 0 },
      422,
      "invalid-input",
    ],
    ["no input", "/sagas/transfer/t1", "", 422, "invalid-input"],
    ["no JSON", "/sagas/transfer/t1", "{", 400, "malformed"],
    ["a query that is not known", "/sagas/transfer/t1?wait=1", good, 400, "malformed"],
    ["an id with control characters", "/sagas/transfer/a%00", good, 400, "malformed"],
    ["a signal to what was never started", "/sagas/follow-up/f1/signals/replied", {}, 404, "no-events"],
    ["cancelling what was never started", "/sagas/transfer/t1/cancel", {}, 404, "no-events"],
    ["going on with what was never started", "/sagas/transfer/t1/retry", {}, 404, "no-events"],
    ["a reason that is no text", "/sagas/transfer/t1/cancel", { reason: 1 }, 422, "invalid-input"],
    ["cancelling an unknown saga", "/sagas/theft/t1/cancel", {}, 404, "unknown-saga"],
  ])("%s", async (_, path, body, status, code) => {
    const served = await serve();
    expectProblem(await served.post(path, body), status, code);
    expect((await served.get("/sagas")).body.sagas).toEqual([]);
  });

  test("where an input does not fit, as it was sent", async () => {
    const served = await serve();
    const { body } = await served.post("/sagas/transfer/t1", { from: "a", to: "b", amount: "1" });
    expect(body.issues).toMatchObject([{ path: ["amount"] }]);
  });

  test("headers that are for commands only", async () => {
    const served = await serve();
    expectProblem(
      await served.post("/sagas/transfer/t1", good, { "if-match": '"1"' }),
      400,
      "malformed",
      "If-Match",
    );
    expectProblem(
      await served.post("/sagas/transfer/t1", good, { "folio-delay": "1m" }),
      400,
      "malformed",
      "Folio-Delay",
    );
    expectProblem(await served.post("/sagas/transfer/t1", good, { prefer: "wait=soon" }), 400, "malformed");
  });

  test("signals that nothing takes, or that do not fit", async () => {
    const served = await serve();
    await served.post("/sagas/follow-up/f1", { email: "ann@example.com" });
    expectProblem(await served.post("/sagas/follow-up/f1/signals/shouted"), 404, "unknown-signal");
    const unfit = await served.post("/sagas/follow-up/f1/signals/replied", { text: 1 });
    expectProblem(unfit, 422, "invalid-input");
    expect(unfit.body.issues).toMatchObject([{ path: ["text"] }]);
    expectProblem(await served.post("/sagas/follow-up/f1/retry"), 409, "not-stuck");
  });

  test("a look at what was never started, and at what is no saga", async () => {
    const served = await serve();
    expectProblem(await served.get("/sagas/transfer/t1"), 404, "no-events");
    expectProblem(await served.get("/sagas/theft/t1"), 404, "unknown-saga");
    expectProblem(await served.get("/sagas?name=theft"), 404, "unknown-saga");
    expectProblem(await served.get("/sagas?status=odd"), 400, "malformed", "status");
    expectProblem(
      await served.request("/sagas/transfer/t1", { method: "DELETE" }),
      405,
      "method-not-allowed",
    );
  });

  test("what only the runtime may send is not there for others", async () => {
    const served = await serve();
    await served.post("/sagas/follow-up/f1", { email: "ann@example.com" });
    for (const command of ["$due", "$told", "$deadline"]) {
      const answer = await served.post(`/actors/follow-up/f1/${command}`, { step: 0, run: 0 });
      expectProblem(answer, 404, "unknown-command");
    }
  });
});
