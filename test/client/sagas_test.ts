/** Sagas through the client: once however often it is sent, and waited for as long as it takes. */
import { Hono } from "hono";
import { expect, expectTypeOf, test } from "vitest";
import type modules from "../../actors/mod.ts";
import type { Client } from "../../src/client.ts";
import { clientOf, problem } from "./support.ts";

const instance = (status: string, more: object = {}) => ({
  saga: "transfer",
  id: "t1",
  actor: "transfer/t1",
  version: 3,
  status,
  input: { from: "a", to: "b", amount: 5 },
  steps: [],
  signals: [],
  ...more,
});
const input = { from: "a", to: "b", amount: 5 };

/** Checked by `deno check`, never run: each wrong line must stay a compile error. */
async function _types(client: Client<typeof modules>): Promise<void> {
  const info = await client.sagas.transfer("t1").start(input);
  if (info.status === "completed") {
    expectTypeOf(info.result).toEqualTypeOf<{ transferred: number }>();
  } else {
    // @ts-expect-error: there is no result without completion
    info.result;
  }
  const end = await client.sagas.followUp("f1").ended();
  expectTypeOf(end.status).toEqualTypeOf<"completed" | "failed" | "cancelled" | "timed-out">();
  await client.sagas.followUp("f1").signal("replied", { text: "yes" });
  // @ts-expect-error: there is no such signal
  await client.sagas.followUp("f1").signal("shouted", {});
  // @ts-expect-error: not its payload
  await client.sagas.followUp("f1").signal("replied", { text: 1 });
  // @ts-expect-error: the amount is missing
  await client.sagas.transfer("t1").start({ from: "a", to: "b" });
  // @ts-expect-error: there is no such saga
  client.sagas.theft("t1");
}

test("a start is posted with an id of its own, and sent again when its answer is lost", async () => {
  let requests = 0;
  const app = new Hono().post("/sagas/:name/:id", (c) => {
    if (++requests === 1) return problem(503, "draining");
    return c.json(instance("running"), 202);
  });
  const { client, clock, seen } = clientOf(app);
  const info = await clock.run(client.sagas.transfer("a/b c").start(input, { correlationId: "c1" }));
  expect(info.status).toBe("running");
  expect(seen).toHaveLength(2);
  const keys = seen.map(({ headers }) => headers.get("idempotency-key"));
  expect(keys[0]).toMatch(/./);
  expect(keys[1]).toBe(keys[0]);
  expect(seen[0]).toMatchObject({ path: "/sagas/transfer/a%2Fb%20c", body: input });
  expect(seen[0]?.headers.get("folio-correlation-id")).toBe("c1");
});

test("an end is waited for, question by question", async () => {
  const answers = [instance("running"), instance("compensating"), instance("failed")];
  const app = new Hono().get("/sagas/:name/:id", (c) => c.json(answers.shift()));
  const { client, clock, seen } = clientOf(app);
  const end = await clock.run(client.sagas.transfer("t1").ended());
  expect(end.status).toBe("failed");
  expect(seen.map(({ headers }) => headers.get("prefer"))).toEqual(["wait=20", "wait=20", "wait=20"]);
  expect(seen[2]?.afterMs).toBeGreaterThan(0);
});

test("waiting ends with its signal", async () => {
  const app = new Hono().get("/sagas/:name/:id", (c) => c.json(instance("running")));
  const { client, clock } = clientOf(app);
  const abort = new AbortController();
  clock.after(1_000, () => abort.abort(new Error("enough")));
  const ended = client.sagas.transfer("t1").ended({ signal: abort.signal });
  await expect(clock.run(ended)).rejects.toThrow("enough");
});

test("what was never started has no status, and another input for it is an error", async () => {
  const app = new Hono()
    .get("/sagas/:name/:id", () => problem(404, "no-events"))
    .post("/sagas/:name/:id", () => problem(409, "already-started"));
  const { client, clock, seen } = clientOf(app);
  expect(await clock.run(client.sagas.transfer("t1").status())).toBeUndefined();
  await expect(clock.run(client.sagas.transfer("t1").start(input))).rejects.toMatchObject({
    status: 409,
    code: "already-started",
  });
  expect(seen).toHaveLength(2); // neither is of any use again
});

test("signals, cancelling and going on have paths of their own", async () => {
  const app = new Hono().post("*", (c) => c.json({ status: "running" }, 202));
  const { client, clock, seen } = clientOf(app);
  const instance = client.sagas.followUp("f1");
  expect(await clock.run(instance.signal("replied", { text: "yes" }, { idempotencyKey: "k1" })))
    .toEqual({ status: "running" });
  await clock.run(instance.cancel("enough"));
  await clock.run(instance.cancel());
  await clock.run(instance.retry());
  expect(seen.map(({ path, body }) => [path, body])).toEqual([
    ["/sagas/follow-up/f1/signals/replied", { text: "yes" }],
    ["/sagas/follow-up/f1/cancel", { reason: "enough" }],
    ["/sagas/follow-up/f1/cancel", {}],
    ["/sagas/follow-up/f1/retry", {}],
  ]);
  expect(seen[0]?.headers.get("idempotency-key")).toBe("k1");
});

test("an id that no instance can have is refused before it is sent", () => {
  const { client, seen } = clientOf(new Hono());
  for (const id of ["", ".", "..", "a\n"]) {
    expect(() => client.sagas.transfer(id)).toThrow(TypeError);
  }
  expect(seen).toEqual([]);
});
