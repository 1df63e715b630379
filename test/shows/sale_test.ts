/** Would catch: an order lost or sold twice, or overload that is not told to come again. */
import { expect, onTestFinished, test } from "vitest";
import { crowd } from "../../scripts/sale/crowd.ts";
import { item } from "../../scripts/sale/item.ts";
import { createApp, createRuntime } from "../../src/mod.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";

const ORDERS = 5_000;
const ITEMS = 100;
const MAILBOX = 50;

test("a crowd of thousands at once: as many are sold as there are, and everybody is answered", async () => {
  const clock = new VirtualClock();
  const runtime = await createRuntime({
    modules: [item],
    data: ":memory:",
    clock,
    limits: { mailboxDepthMax: MAILBOX },
  });
  onTestFinished(() => runtime[Symbol.asyncDispose]());
  const app = createApp(runtime);
  await runtime.ask(item.ref("phone").stock({ count: ITEMS }));
  let isOver = false;
  const sale = crowd(
    async (path, init) => await app.request(`http://localhost${path}`, init),
    {
      orders: ORDERS,
      pause: (seconds) => new Promise<void>((resolve) => clock.after(seconds * 1_000, resolve)),
    },
  ).finally(() => isOver = true);
  while (!isOver) await clock.advance("1s");
  const { sold, soldOut, refusals, odd } = await sale;
  expect({ sold, soldOut, odd: [...odd] }).toEqual({ sold: ITEMS, soldOut: ORDERS - ITEMS, odd: [] });
  expect(refusals).toBeGreaterThan(0); // the mailbox was full
  expect(runtime.shards[0]?.depth).toBe(0);
  const { events } = await runtime.stream("item", "phone", { after: 0, limit: 1_000 });
  const orders = events.filter(({ type }) => type === "Sold").map(({ payload }) => JSON.stringify(payload));
  expect(new Set(orders).size).toBe(ITEMS);
  expect(orders).toHaveLength(ITEMS);
});
