/** Webhooks over real sockets, and the addresses that they may not be sent to. */
import { describe, expect, onTestFinished, test } from "vitest";
import { Webhook } from "standardwebhooks";
import { createApp, createRuntime } from "../../src/mod.ts";
import type { WebhooksOptions } from "../../src/processors/webhooks.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { type Answer, expectProblem, readAnswer } from "../http/support.ts";
import { note, parseEvent } from "./support.ts";

async function serve(webhooks: Omit<WebhooksOptions, "limits">, clock?: VirtualClock) {
  const runtime = await createRuntime({ modules: [note], data: ":memory:", webhooks, clock });
  onTestFinished(() => runtime[Symbol.asyncDispose]());
  const app = createApp(runtime);
  const request = async (method: string, path: string, body: unknown = {}): Promise<Answer> =>
    await readAnswer(
      await app.request(`http://localhost${path}`, {
        method,
        ...(method === "GET"
          ? {}
          : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      }),
    );
  return { runtime, request };
}

test("events reach a receiver on this machine, signed and whole", async () => {
  const arrivals: { headers: Record<string, string>; body: string }[] = [];
  const { promise: all, resolve: allHere } = Promise.withResolvers<void>();
  const receiver = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    arrivals.push({ headers: Object.fromEntries(request.headers), body: await request.text() });
    if (arrivals.length === 20) allHere();
    return new Response("ok");
  });
  onTestFinished(() => receiver.shutdown());
  const { runtime, request } = await serve({ allowPrivate: true });
  const url = `http://127.0.0.1:${receiver.addr.port}/hook`;
  const { id, secret } = (await request("POST", "/webhooks", { url })).body;
  for (let n = 1; n <= 20; n++) {
    await runtime.ask(note.ref(n % 2 ? "odd" : "even").add({ n, text: "é😀\u2028" }));
  }
  await all;
  const numbers: Record<string, number[]> = { "note/odd": [], "note/even": [] };
  for (const { headers, body } of arrivals) {
    new Webhook(secret).verify(body, headers);
    const event = parseEvent(headers, body);
    expect(event.data.text).toBe("é😀\u2028");
    numbers[event.subject ?? ""]?.push(event.data.n);
  }
  expect(numbers).toEqual({
    "note/odd": [1, 3, 5, 7, 9, 11, 13, 15, 17, 19],
    "note/even": [2, 4, 6, 8, 10, 12, 14, 16, 18, 20],
  });
  const tested = await request("POST", `/webhooks/${id}/test`);
  expect(tested.body).toMatchObject({ isDelivered: true, responseStatus: 200, detail: "ok" });
});

describe("unless it is allowed", () => {
  test.each([
    "http://127.0.0.1:8000/",
    "https://localhost/",
    "http://[::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://169.254.169.254/latest/meta-data/",
    "https://10.1.2.3/",
    "https://private.test/",
  ])("%s is refused when it is registered", async (url) => {
    const resolve = (host: string) =>
      host === "private.test" || host === "localhost"
        ? Promise.resolve(["10.0.0.1"])
        : Promise.reject(new Error("no such host"));
    const { request } = await serve({ resolve });
    const answer = await request("POST", "/webhooks", { url });
    expectProblem(answer, 422, "invalid-input");
    expect(answer.body.issues).toMatchObject([{ path: ["url"], message: expect.stringContaining("public") }]);
  });

  test("a host that cannot be looked up yet is taken", async () => {
    const { request } = await serve({ resolve: () => Promise.reject(new Error("no such host")) });
    expect((await request("POST", "/webhooks", { url: "https://later.test/" })).status).toBe(201);
  });

  test("a public address is taken, and changing to a private one is refused", async () => {
    const { request } = await serve({ resolve: () => Promise.resolve(["93.184.216.34"]) });
    const { status, body } = await request("POST", "/webhooks", { url: "https://public.test/" });
    expect(status).toBe(201);
    expectProblem(
      await request("PATCH", `/webhooks/${body.id}`, { url: "http://127.0.0.1/" }),
      422,
      "invalid-input",
    );
    expect((await request("GET", `/webhooks/${body.id}`)).body.url).toBe("https://public.test/");
  });

  // Would catch a check that is made once, when a webhook is registered, and never again.
  test("a name that has become private since is not connected to", async () => {
    let connections = 0;
    const receiver = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => {
      connections++;
      return new Response();
    });
    onTestFinished(() => receiver.shutdown());
    let addresses = ["93.184.216.34"];
    const clock = new VirtualClock();
    const { runtime, request } = await serve({ resolve: () => Promise.resolve(addresses) }, clock);
    const url = `http://rebound.test:${receiver.addr.port}/`;
    const { id } = (await request("POST", "/webhooks", { url })).body;
    addresses = ["127.0.0.1"];
    await runtime.ask(note.ref("a").add({ n: 1 }));
    await clock.advance("1s");
    const [delivery] = (await request("GET", `/webhooks/${id}/deliveries`)).body.deliveries;
    expect(delivery).toMatchObject({
      status: "retrying",
      latest: { detail: expect.stringContaining("not public") },
    });
    expect((await request("POST", `/webhooks/${id}/test`)).body).toMatchObject({ isDelivered: false });
    expect(connections).toBe(0);
  });
});
