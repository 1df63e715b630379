import { expect, test } from "vitest";
import { World } from "../support/world.ts";
import { bookingOf, Payments, seat, statusOf } from "./support.ts";

/** What happens to the commit of one index. */
type Trouble = "killed before" | "killed after" | "lost" | "answer lost";

/**
 * Books a seat, and lets trouble come with one commit of the whole saga.
 *
 * @returns How it has ended; undefined when the saga had ended before that commit.
 */
async function book(card: string, failures: number, index: number, trouble: Trouble) {
  const payments = new Payments();
  payments.failures = failures;
  const modules = [seat, payments.charge, payments.refund, bookingOf(payments)];
  const world = await World.start({ modules });
  const [engine] = world.engines;
  if (!engine) throw new Error("There is no shard");
  const plan = Array.from({ length: index }, () => "ok" as const);
  if (trouble === "lost") engine.plan(...plan, "before");
  else if (trouble === "answer lost") engine.plan(...plan, "after");
  else engine.killAt(index, trouble === "killed before" ? "before" : "after");
  const input = { seat: "1A", customer: "alice", card };
  // Named, as a caller's would be who repeats it until it is answered.
  const options = { messageId: "start-1" };
  world.runtime.sagas.start("booking", "alice", input, options).catch(() => {});
  await world.clock.advance("5s");
  if (engine.isDead) {
    await world.crash();
  } else if (engine.attempts <= index) return undefined;
  const again = await world.runtime.sagas.start("booking", "alice", input, options);
  expect(again.ok).toBe(true);
  await world.clock.advance("10m");
  const status = await statusOf(world, "booking", "alice");
  const { state } = await world.runtime.state("seat", "1A");
  return { status: status.status, seat: state as { isConfirmed: boolean }, payments, world };
}

const troubles: Trouble[] = ["killed before", "killed after", "lost", "answer lost"];
const cards = [
  { card: "ok", failures: 0, end: "completed" },
  { card: "ok", failures: 2, end: "completed" },
  { card: "declines", failures: 0, end: "failed" },
];

// Would catch a step that is done twice, or forgotten, or left half undone.
test.each(cards.flatMap((card) => troubles.map((trouble) => ({ ...card, trouble }))))(
  "trouble with any commit ($trouble, card $card, $failures failures): confirmed and charged, or neither",
  async ({ card, failures, end, trouble }) => {
    let index = 0;
    for (; index < 100; index++) {
      const ended = await book(card, failures, index, trouble);
      if (!ended) break;
      const what = `commit ${index}`;
      expect(ended.status, what).toBe(end);
      if (end === "completed") {
        expect(ended.seat, what).toMatchObject({ reservation: "alice-1", isConfirmed: true, made: 1 });
        expect(ended.payments.balance, what).toBe(100);
        expect(ended.payments.charges.size, what).toBe(1);
      } else {
        expect(ended.seat, what).toMatchObject({ reservation: "", isConfirmed: false, made: 1 });
        expect(ended.payments.balance, what).toBe(0);
      }
      expect((await ended.world.runtime.deadLetters.list({}, { limit: 10 })).deadLetters.length, what)
        .toBe(card === "declines" ? 1 : 0);
    }
    // Each turn of the saga and of whom it asks is a commit of its own.
    expect(index).toBeGreaterThan(5);
  },
);
