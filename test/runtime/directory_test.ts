import { expect, test } from "vitest";
import { defaultLimits } from "../../src/config.ts";
import { SteadyClock } from "../../src/core/clock.ts";
import { createIds } from "../../src/core/ids.ts";
import { Directory } from "../../src/runtime/directory.ts";
import { Registry } from "../../src/runtime/registry.ts";
import { Entry } from "../../src/runtime/mailbox.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { ledger } from "../support/actors.ts";
import { queuedMessage } from "../store/databases.ts";
import { messagesOf } from "../../src/store/messages.ts";
import { at } from "../support/world.ts";

const BUSY = 10_000; // as many as one sweep looks at

/** A directory whose oldest actors all have a message that waits, as those of sagas that are stopped. */
function directory() {
  const clock = new VirtualClock();
  const world = {
    clock: new SteadyClock(clock),
    ids: createIds(clock),
    limits: { ...defaultLimits, activationsMax: BUSY + 100, passivateAfterMs: 300_000 },
    log: () => {},
    observer: undefined,
    registry: new Registry([ledger]),
    shardOf: () => 0,
  };
  const made = new Directory(world, { durableIndex: 0 });
  const waiting = Entry.fromRecord(at(messagesOf(0, [queuedMessage(1)]), 0));
  for (let n = 0; n < BUSY; n++) made.activate(`ledger/busy-${n}`).mailbox.push(waiting);
  return { clock, made };
}

// Would catch memory that grows with every actor that is ever used, once enough of them cannot go.
test("however many actors cannot be passivated, those behind them are", () => {
  const { made } = directory();
  for (let n = 0; n < 30_000; n++) made.activate(`ledger/idle-${n}`);
  expect(made.size).toBeLessThanOrEqual((BUSY + 100) * 1.1 + 1);
  for (let n = 0; n < BUSY; n++) expect(made.get(`ledger/busy-${n}`)?.mailbox.length).toBe(1);
});

test("those behind them that are not used for long go, too", async () => {
  const { clock, made } = directory();
  const stop = made.startSweeping();
  for (let n = 0; n < 50; n++) made.activate(`ledger/idle-${n}`);
  await clock.advance("10m");
  expect(made.size).toBe(BUSY);
  made.activate("ledger/new");
  await clock.advance("4m");
  expect(made.get("ledger/new")).toBeDefined();
  stop();
});
