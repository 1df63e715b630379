/** What limits of webhooks change, just below and just above them. */
import { expect, test } from "vitest";
import { post } from "../../src/processors/webhook_post.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { type Received, WebhooksServer } from "./support.ts";

test("a delivery of a paused webhook looks again after webhookPausedMs, and goes on if it is resumed", async () => {
  const server = await WebhooksServer.start({ limits: { webhookPausedMs: 90_000, webhookRetryMs: 1_000 } });
  const id = await server.register();
  server.react = () => 500;
  await server.add("a", 1);
  await server.settle();
  const nextAt = async () => (await server.runtime.webhooks.deliveries(id, 1))[0]?.nextAttemptAt ?? 0;
  const lookedAt = await nextAt();
  await server.request("POST", `/webhooks/${id}/pause`, {});
  await server.clock.advance("2s");
  expect(server.received).toHaveLength(1);
  expect(await nextAt()).toBe(lookedAt + 90_000);
  server.react = () => 204;
  await server.request("POST", `/webhooks/${id}/resume`, {});
  await server.clock.advance(lookedAt + 89_999 - server.clock.now());
  expect(server.received).toHaveLength(1);
  await server.clock.advance(1);
  await server.settle();
  expect(server.numbersOf("a")).toEqual([1, 1]);
});

test("webhookRequestsMax deliveries are tried at a time; one more waits until one has ended", async () => {
  const server = await WebhooksServer.start({ limits: { webhookRequestsMax: 2, webhookTimeoutMs: 5_000 } });
  await server.register();
  server.react = () => "silence";
  for (const key of ["a", "b"]) await server.add(key, 1);
  await server.clock.advance(100);
  expect(server.received).toHaveLength(2);
  await server.add("c", 1);
  await server.clock.advance(4_800);
  expect(server.received).toHaveLength(2);
  await server.clock.advance(200);
  expect(server.numbersOf("c")).toEqual([1]);
});

test.each([[31, 31], [32, 32], [33, 32]])(
  "where webhookResponseBytesMax is 32, of an answer of %i bytes %i are kept",
  async (bytes, kept) => {
    const receiver = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      () => new Response("x".repeat(bytes)),
    );
    const clock = new VirtualClock(Date.now());
    const server = await WebhooksServer.start({ clock, post, limits: { webhookResponseBytesMax: 32 } });
    const id = await server.register({ url: `http://127.0.0.1:${receiver.addr.port}/` });
    const { body } = await server.request("POST", `/webhooks/${id}/test`);
    expect(body).toMatchObject({ isDelivered: true, detail: "x".repeat(kept) });
    await receiver.shutdown();
  },
);

test("a secret that was replaced signs for webhookSecretOverlapMs, and no longer", async () => {
  const server = await WebhooksServer.start({ limits: { webhookSecretOverlapMs: 50_000 } });
  const id = await server.register();
  const signaturesOf = async (key: string) => {
    await server.add(key, 1);
    await server.settle();
    const { headers } = server.received.at(-1) as Received;
    return headers["webhook-signature"]?.split(" ").length;
  };
  expect(await signaturesOf("before")).toBe(1);
  await server.request("POST", `/webhooks/${id}/rotate-secret`);
  const rotatedAt = server.clock.now();
  await server.clock.advance(rotatedAt + 49_999 - server.clock.now());
  expect(await signaturesOf("while")).toBe(2);
  await server.clock.advance(rotatedAt + 50_000 - server.clock.now());
  expect(await signaturesOf("after")).toBe(1);
});
