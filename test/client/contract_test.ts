import { expect, test } from "vitest";
import modules from "../../actors/mod.ts";
import { createClient } from "../../src/client.ts";
import { createApp } from "../../src/http/app.ts";
import { createRuntime } from "../../src/mod.ts";
import { TestClock } from "./support.ts";

/** The client and the server as they are, with nothing but the network between them left out. */
async function start() {
  const clock = new TestClock();
  const runtime = await createRuntime({ modules, data: ":memory:", clock });
  const app = createApp(runtime);
  const client = createClient<typeof modules>("http://localhost", { fetch: app.request, clock });
  return { client, clock, runtime };
}

test("commands, rejections, states and events are what the client says they are", async () => {
  const { client, clock, runtime } = await start();
  await using _ = runtime;
  const alice = client.account("alice & bob/ä");
  await clock.run(alice.open({ owner: "Alice" }));
  const deposited = await clock.run(
    alice.deposit({ amount: 10 }, { idempotencyKey: "d1", expectedVersion: 1 }),
  );
  expect(deposited).toMatchObject({ ok: true, reply: { balance: 10 }, version: 2, messageId: "d1" });
  expect(await clock.run(alice.deposit({ amount: 10 }, { idempotencyKey: "d1" }))).toEqual(deposited);
  expect(await clock.run(alice.withdraw({ amount: 11 }, { idempotencyKey: "w1" }))).toEqual({
    ok: false,
    rejection: { code: "insufficient-funds", details: { balance: 10 } },
    messageId: "w1",
  });
  await expect(clock.run(alice.withdraw({ amount: 1 }, { expectedVersion: 1 }))).rejects.toMatchObject({
    status: 412,
    code: "version-mismatch",
  });
  await expect(clock.run(alice.withdraw({ amount: -1 }))).rejects.toMatchObject({
    status: 422,
    code: "invalid-input",
    message: expect.stringContaining("Input does not fit account/withdraw: amount: Too small"),
  });
  expect(await clock.run(alice.$state())).toMatchObject({ state: { balance: 10 }, version: 2 });
  expect(await clock.run(alice.$state({ version: 1 }))).toMatchObject({ state: { balance: 0 }, version: 1 });
  expect(await clock.run(client.account("nobody").$state())).toBeUndefined();
  expect(await clock.run(client.$message("d1"))).toMatchObject({ status: "done", reply: { balance: 10 } });
  expect(await clock.run(client.$message("w1"))).toMatchObject({
    status: "rejected",
    rejection: { code: "insufficient-funds", details: { balance: 10 } },
  });
  expect(await clock.run(client.$message("nothing"))).toBeUndefined();
  const page = await clock.run(client.$events({ type: "Deposited" }));
  expect(page.events).toMatchObject([{ type: "Deposited", payload: { amount: 10 }, messageId: "d1" }]);
  expect((await clock.run(client.$events({ after: page.next }))).events).toEqual([]);
  if (deposited.ok) expect(page.events[0]?.token).toBe(deposited.token);
});

test("a message that was sent for later is done later, and followed", async () => {
  const { client, clock, runtime } = await start();
  await using _ = runtime;
  const startedAt = clock.now();
  const following = (async () => {
    for await (const event of client.$follow({ after: "now", type: "Incremented" })) return event;
  })();
  const { messageId } = await clock.run(client.counter("c").$send("increment", { by: 2 }, { delay: "15m" }));
  expect(await clock.run(client.$message(messageId))).toMatchObject({ status: "queued" });
  expect(await clock.run(following)).toMatchObject({ type: "Incremented", payload: { by: 2 }, messageId });
  expect(clock.now() - startedAt).toBeGreaterThanOrEqual(900_000);
});

test("a command that was not waited for is asked after, and its token says where its effect is", async () => {
  const { client, clock, runtime } = await start();
  await using _ = runtime;
  const result = await clock.run(client.counter("c").increment({ by: 2 }, { waitSeconds: 0 }));
  expect(result).toMatchObject({ ok: true, reply: { value: 2 }, version: 1, position: 1, token: "0.1" });
});
