/** Payments: once for a key, in the sandbox and at a provider. */
import { expect, onTestFinished, test } from "vitest";
import { chargeCard, refundCard } from "../../actors/payments.ts";
import { SandboxProvider } from "../../actors/sandbox_provider.ts";
import { FinalError } from "../../src/mod.ts";
import { contextOf, useEnvironment } from "./activity_runs.ts";

const charge = (card: string, key: string) => chargeCard.run({ amount: 500, card }, contextOf(key));
const errorOf = (promise: Promise<unknown>) => promise.then(() => undefined, (error) => error);
const linesOf = (path: string) =>
  Deno.readTextFileSync(path).trimEnd().split("\n").map((line) => JSON.parse(line));

test("a charge is made once for each key, also by another process", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  const first = await charge("card-good", "k1");
  expect(await charge("card-good", "k1")).toEqual(first);
  const { signal } = new AbortController();
  const other = new SandboxProvider(`${data}/payments.jsonl`);
  expect(await other.charge({ amount: 500, card: "card-good" }, "k1", signal)).toEqual(first);
  expect(await charge("4242 4242 4242 4242", "k2")).not.toEqual(first);
  expect(linesOf(`${data}/payments.jsonl`)).toMatchObject([
    { kind: "charged", key: "k1", amount: 500, card: "card-good" },
    { kind: "charged", key: "k2" },
  ]);
});

test("a key that comes again with another amount is refused", async () => {
  useEnvironment({ PAYMENTS_URL: "" });
  await charge("card-good", "k1");
  const error = await errorOf(chargeCard.run({ amount: 501, card: "card-good" }, contextOf("k1")));
  expect(error).toBeInstanceOf(FinalError);
});

test("the card that declines is answered so, and so is one that nobody knows", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  expect(await charge("card-declines", "k1")).toEqual({ declined: "Card declined" });
  expect(await charge("card-declines", "k1")).toEqual({ declined: "Card declined" });
  expect(await charge("card-decline", "k2")).toEqual({ declined: expect.stringContaining("card-good") });
  expect(linesOf(`${data}/payments.jsonl`).map(({ kind }) => kind)).toEqual(["failed", "failed", "failed"]);
});

test("the card that fails twice counts over a restart, and is charged once", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  const path = `${data}/payments.jsonl`;
  const { signal } = new AbortController();
  const again = () =>
    new SandboxProvider(path).charge({ amount: 500, card: "card-fails-twice" }, "k1", signal);
  for (let attempt = 1; attempt <= 2; attempt++) {
    const error = await errorOf(again());
    expect(chargeCard.isRetryable(error)).toBe(true);
  }
  await again();
  await again();
  expect(linesOf(path).map(({ kind }) => kind)).toEqual(["failed", "failed", "charged"]);
});

test("the card that times out says nothing until the attempt is given up, and charges nothing", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  const abort = new AbortController();
  const attempt = chargeCard.run(
    { amount: 500, card: "card-times-out" },
    contextOf("k1", { signal: abort.signal }),
  );
  abort.abort(new Error("too slow"));
  await expect(attempt).rejects.toThrow("too slow");
  expect(linesOf(`${data}/payments.jsonl`).map(({ kind }) => kind)).toEqual(["failed"]);
});

test("a refund is made once, and only of a charge", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  const charged = await charge("card-good", "k1");
  const id = "id" in charged ? charged.id : "";
  const refunded = await refundCard.run({ charge: id }, contextOf("k2"));
  expect(await refundCard.run({ charge: id }, contextOf("k3"))).toEqual(refunded);
  expect(await errorOf(refundCard.run({ charge: "charge-9" }, contextOf("k4")))).toBeInstanceOf(FinalError);
  expect(linesOf(`${data}/payments.jsonl`).map(({ kind }) => kind)).toEqual(["charged", "refunded"]);
});

// Would catch books that cannot be read after a kill in the middle of a line.
test("a line that was cut off is not there, and those after it are", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  const path = `${data}/payments.jsonl`;
  await charge("card-good", "k1");
  Deno.writeTextFileSync(path, '{"kind":"charged","key":"k2"', { append: true });
  const { signal } = new AbortController();
  await new SandboxProvider(path).charge({ amount: 7, card: "card-good" }, "k3", signal);
  expect(new SandboxProvider(path).entries).toMatchObject([{ key: "k1" }, { key: "k3" }]);
});

test("a provider at PAYMENTS_URL is told the key, and its no is an answer", async () => {
  const asked: unknown[] = [];
  const answers = [
    Response.json({ id: "ch/1" }, { status: 201 }),
    Response.json({ reason: "declined" }, { status: 402 }),
    new Response("down", { status: 503 }),
    Response.json({ id: "re1" }),
  ];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    asked.push([new URL(request.url).pathname, request.headers.get("idempotency-key"), await request.json()]);
    return answers.shift() ?? new Response(null, { status: 404 });
  });
  onTestFinished(() => server.shutdown());
  const { data } = useEnvironment({ PAYMENTS_URL: `http://127.0.0.1:${server.addr.port}` });
  expect(await charge("any", "k1")).toEqual({ id: "ch/1", amount: 500 });
  expect(await charge("any", "k2")).toEqual({ declined: '{"reason":"declined"}' });
  expect(chargeCard.isRetryable(await errorOf(charge("any", "k3")))).toBe(true);
  expect(await refundCard.run({ charge: "ch/1" }, contextOf("k4"))).toEqual({ id: "re1" });
  expect(asked).toEqual([
    ["/charges", "k1", { amount: 500, card: "any" }],
    ["/charges", "k2", { amount: 500, card: "any" }],
    ["/charges", "k3", { amount: 500, card: "any" }],
    ["/charges/ch%2F1/refunds", "k4", {}],
  ]);
  expect([...Deno.readDirSync(data)]).toEqual([]);
});
