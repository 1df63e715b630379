import { expect, test } from "vitest";
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
