import { expect, test } from "vitest";
import { createApp } from "../../src/http/app.ts";
import { World } from "../support/world.ts";
import { bookingOf, journalOf, Payments, seat, statusOf } from "./support.ts";

async function start() {
  const payments = new Payments();
  const modules = [seat, payments.charge, payments.refund, bookingOf(payments)];
  const world = await World.start({ modules });
  const book = async (id: string, card: string) => {
    const started = await world.runtime.sagas.start("booking", id, { seat: "1A", customer: id, card });
    expect(started).toMatchObject({ ok: true, reply: { status: "running" } });
    await world.settle();
    return statusOf(world, "booking", id);
  };
  return { payments, world, book };
}

test("each step is done once, in order, and what run returns is the output", async () => {
  const { payments, world, book } = await start();
  const status = await book("alice", "ok");
  expect(status).toMatchObject({
    status: "completed",
    output: { charge: [...payments.charges.keys()][0] },
    steps: [
      {
        name: "reserve",
        kind: "ask",
        status: "done",
        output: { reservation: "alice-1", price: 100 },
        to: "seat/1A",
      },
      { name: "charge", kind: "perform", status: "done", to: "activity:charge-card/-" },
      { name: "confirm", kind: "ask", status: "done", output: null },
    ],
  });
  expect(await journalOf(world, "booking/alice")).toEqual([
    "Started",
    ...["StepStarted", "StepDone", "StepStarted", "StepDone", "StepStarted", "StepDone"],
    "Completed",
  ]);
  expect((await world.runtime.state("seat", "1A")).state).toMatchObject({ isConfirmed: true });
  expect(payments.balance).toBe(100);
});

test("a step that fails for good makes run throw, and what was done before is undone", async () => {
  const { payments, world, book } = await start();
  const status = await book("alice", "declines");
  expect(status).toMatchObject({
    status: "failed",
    error: { code: "dead-letter", message: "FinalError: declined" },
    steps: [
      { name: "reserve", status: "done", compensation: { status: "done", to: "seat/1A" } },
      { name: "charge", status: "failed", error: { code: "dead-letter" } },
    ],
  });
  expect((await world.runtime.state("seat", "1A")).state).toMatchObject({ reservation: "" });
  expect(payments.balance).toBe(0);
});

test("a rejected step fails with the code and details of the rejection", async () => {
  const { book } = await start();
  await book("alice", "ok");
  expect(await book("bob", "ok")).toMatchObject({
    status: "failed",
    error: { code: "taken", details: { by: "alice-1" } },
  });
});

// Would catch a card that is charged, and nothing ever refunded, by whoever tidies up the dead letters.
test("a dead charge whose booking has given up is not redriven, unless that is forced", async () => {
  const { payments, world, book } = await start();
  await book("alice", "declines");
  const [{ id, actor } = { id: "", actor: "" }] =
    (await world.runtime.deadLetters.list({}, { limit: 1 })).deadLetters;
  const app = createApp(world.runtime);
  const redrive = (body: object) =>
    app.request(`http://localhost/dead-letters/${id}/redrive?actor=${encodeURIComponent(actor)}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const input = { amount: 100, card: "ok" }; // the card is mended, and the operator means well
  const refused = await redrive({ input });
  expect(refused.status).toBe(409);
  expect(refused.headers.get("retry-after")).toBeNull();
  expect(await refused.json()).toMatchObject({ code: "saga-gone-on", saga: "booking", id: "alice" });
  await world.settle();
  expect(payments.balance).toBe(0);
  expect((await redrive({ input, force: true })).status).toBe(202);
  await world.settle();
  expect(payments.balance).toBe(100);
});
