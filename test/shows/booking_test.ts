/** The booking of the samples: confirmed and charged, or released and not charged; whatever is in its way. */
import { expect, test } from "vitest";
import modules from "../../actors/mod.ts";
import { useEnvironment } from "../actors/activity_runs.ts";
import { serve, type Served } from "../http/support.ts";
import { at, World } from "../support/world.ts";

/** What the sandbox has in its books, whatever process wrote it. */
function books(data: string) {
  const lines = Deno.readTextFileSync(`${data}/payments.jsonl`).trimEnd().split("\n");
  const entries = lines.map((line): { kind: string; key: string } => JSON.parse(line));
  const count = (kind: string) => entries.filter((entry) => entry.kind === kind).length;
  return { charged: count("charged"), refunded: count("refunded"), failed: count("failed") };
}

async function book(served: Served, card: string) {
  const started = await served.post("/sagas/booking/b1", { customer: "Ann", seat: "A1", card });
  expect(started.status).toBe(202);
  await served.clock.advance("5m");
  const { body } = await served.get("/sagas/booking/b1");
  return { booking: body, holder: (await served.get("/actors/seat/A1")).body.state.holder };
}

test("a good card: confirmed, and charged once", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  const { booking, holder } = await book(await serve(), "card-good");
  expect(booking).toMatchObject({ status: "completed", result: { charge: "charge-1" } });
  expect(holder).toMatchObject({ by: "Ann", heldUntil: null });
  expect(books(data)).toEqual({ charged: 1, refunded: 0, failed: 0 });
});

test("the card that declines: the seat is released, and nothing charged", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  const { booking, holder } = await book(await serve(), "card-declines");
  expect(booking).toMatchObject({
    status: "failed",
    error: { code: "card-declined", message: "Card declined" },
    steps: [
      { name: "reserve", status: "done", compensation: { status: "done" } },
      { name: "charge", status: "done", attempts: 1, output: { declined: "Card declined" } },
    ],
  });
  expect(holder).toBeNull();
  expect(books(data)).toEqual({ charged: 0, refunded: 0, failed: 1 });
});

test("the card that fails twice: confirmed, and charged once", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  const { booking, holder } = await book(await serve(), "card-fails-twice");
  expect(booking.status).toBe("completed");
  expect(booking.steps[1]).toMatchObject({ name: "charge", attempts: 3 });
  expect(holder).toMatchObject({ by: "Ann", heldUntil: null });
  expect(books(data)).toEqual({ charged: 1, refunded: 0, failed: 2 });
});

test("the card that times out: the seat is released, and nothing charged", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  const { booking, holder } = await book(await serve(), "card-times-out");
  expect(booking.status).toBe("failed");
  expect(booking.steps[1]).toMatchObject({ name: "charge", attempts: 5 });
  expect(holder).toBeNull();
  expect(books(data).charged).toBe(0);
});

test("a booking that cannot be confirmed any more: the charge is paid back", async () => {
  const { data } = useEnvironment({ PAYMENTS_URL: "" });
  const served = await serve();
  // Whoever runs the house gives the seat away while the card is being charged.
  await served.post("/sagas/booking/b1", { customer: "Ann", seat: "A1", card: "card-fails-twice" });
  await served.clock.settle();
  const { reservation } = (await served.get("/actors/seat/A1")).body.state.holder;
  await served.post("/actors/seat/A1/release", { reservation });
  await served.clock.advance("5m");
  const { body } = await served.get("/sagas/booking/b1");
  expect(body).toMatchObject({ status: "failed", error: { code: "reservation-ended" } });
  expect(books(data)).toMatchObject({ charged: 1, refunded: 1 });
});

/** Books a seat; the process is killed with one commit of the whole, and another one goes on. */
async function bookKilled(card: string, index: number, when: "before" | "after") {
  const world = await World.start({ modules });
  const engine = at(world.engines, 0);
  engine.killAt(index, when);
  const start = () =>
    world.runtime.sagas.start("booking", "b1", { customer: "Ann", seat: "A1", card }, { messageId: "m1" });
  start().catch(() => {});
  await world.clock.advance("1m");
  if (!engine.isDead) return undefined;
  await world.crash();
  await start();
  await world.clock.advance("20m");
  const { state } = await world.runtime.state("seat", "A1");
  const status = await world.runtime.sagas.status("booking", "b1");
  return { status: status?.status, holder: (state as { holder: unknown }).holder };
}

test.each(
  (["before", "after"] as const).flatMap((when) => [
    { card: "card-good", when, end: "completed" },
    { card: "card-fails-twice", when, end: "completed" },
    { card: "card-declines", when, end: "failed" },
  ]),
)("killed $when any commit, $card: in the end it is all or nothing", async ({ card, when, end }) => {
  let index = 0;
  for (; index < 100; index++) {
    const { data } = useEnvironment({ PAYMENTS_URL: "" });
    const ended = await bookKilled(card, index, when);
    if (!ended) break;
    const { charged, refunded } = books(data);
    const what = `commit ${index}`;
    expect(ended.status, what).toBe(end);
    if (end === "completed") {
      expect(ended.holder, what).toMatchObject({ by: "Ann", heldUntil: null });
      expect({ charged, refunded }, what).toEqual({ charged: 1, refunded: 0 });
    } else {
      expect(ended.holder, what).toBeNull();
      expect(charged, what).toBe(refunded);
    }
  }
  expect(index).toBeGreaterThan(5);
});
