import fc from "fast-check";
import { expect, test } from "vitest";
import type { CommandRequest } from "../../src/core/command.ts";
import { names, sender } from "../support/actors.ts";
import { at, type World } from "../support/world.ts";
import { range, startRelayed } from "./relayed.ts";

/** What happens between the turns that send. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      from: fc.nat({ max: 2 }),
      // A turn that sends one actor more than its mailbox holds (4, less the message of a turn that sends to
      // itself) is refused for ever, and rightly.
      to: fc.array(fc.nat({ max: 5 }), { maxLength: 6 })
        .filter((to) => to.every((one) => to.filter((other) => other === one).length <= 3)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("fault" as const),
      shard: fc.nat({ max: 3 }),
      fault: fc.constantFrom("before", "after", "ok"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(0, 1, 100, 1_500) }),
  },
);

test("whatever fails, each receiver gets each sender's messages once and in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const relayed = await startRelayed({ limits: { mailboxDepthMax: 4, commitTurnsMax: 3 } });
      const { world } = relayed;
      const receivers = names(6);
      const sent = new Map<string, number[]>();
      let count = 0;
      let turns = 0;
      for (const each of steps) {
        if (each.kind === "send") {
          const to = each.to.map((index) => ({ key: at(receivers, index), n: each.from * 10_000 + count++ }));
          await insist(world, sender.ref(`s${each.from}`).fanOut({ to }), `m${++turns}`);
          for (const { key, n } of to) {
            sent.set(`${each.from} ${key}`, [...sent.get(`${each.from} ${key}`) ?? [], n]);
          }
        } else if (each.kind === "fault") at(world.engines, each.shard).plan(each.fault as "before");
        else if (each.kind === "crash") await relayed.crash();
        else await world.clock.advance(each.ms);
      }
      await world.clock.advance("2m");
      expect(await world.outbox()).toEqual([]);
      for (const key of receivers) {
        const entries = await relayed.entriesOf(key);
        for (const from of range(3)) {
          const got = entries.filter((n) => Math.floor(n / 10_000) === from);
          expect(got).toEqual(sent.get(`${from} ${key}`) ?? []);
        }
      }
    }),
    { numRuns: 60 },
  );
});

/** Sends a command, under one name, until it has been handled. */
async function insist(world: World, request: CommandRequest, messageId: string): Promise<void> {
  for (let attempt = 1; attempt <= 10; attempt++) {
    const asked = world.runtime.ask(request, { messageId }).then(() => true, () => false);
    await world.clock.advance("6s");
    if (await asked) return;
  }
  throw new Error(`${messageId} is never handled`);
}
