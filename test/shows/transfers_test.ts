/**
 * Would catch money that is lost or made: a step done twice or forgotten, a compensation that is not sent, when
 * commits fail, answers are lost and the process dies in the middle of it all.
 */
import { expect, test } from "vitest";
import modules from "../../actors/mod.ts";
import { Relay } from "../../src/processors/relay.ts";
import { seededIds } from "../../src/testing/seeded_ids.ts";
import type { Fault } from "../support/faulty_engine.ts";
import { at, World } from "../support/world.ts";
import { fullCount } from "./full_count.ts";

const TRANSFERS = fullCount(1_000, 10_000);
const ACCOUNTS = 100;
const OPENING = 1_000;

interface Wanted {
  readonly id: string;
  readonly input: { readonly from: string; readonly to: string; readonly amount: number };
}

/** What each account has, after every event; fails where it was ever below zero. */
async function balances(world: World): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const { actor, type, payload } of await world.events()) {
    const { amount = 0 } = Object(payload) as { amount?: number };
    if (!actor.startsWith("account/") || (type !== "Deposited" && type !== "Withdrawn")) continue;
    const balance = (found.get(actor) ?? 0) + (type === "Deposited" ? amount : -amount);
    expect(balance, actor).toBeGreaterThanOrEqual(0);
    found.set(actor, balance);
  }
  return found;
}

test.each([[1, 7], [4, 8]])(
  "transfers in any trouble, %i shards: not a cent more or less",
  async (shards, seed) => {
    const random = seededIds(seed);
    const pick = (count: number) => Math.floor(random.random() * count);
    const world = await World.start({ modules, shards, seed });
    let relay = new Relay(world.runtime);
    relay.start();
    for (let n = 0; n < ACCOUNTS; n++) {
      await world.runtime.send({ type: "account", key: `a${n}`, command: "open", input: { owner: `A${n}` } });
      await world.runtime.send({
        type: "account",
        key: `a${n}`,
        command: "deposit",
        input: { amount: OPENING },
      });
    }
    // One in ten goes to an account that was never opened, and many are more than there is.
    const wanted = Array.from({ length: TRANSFERS }, (_, n): Wanted => ({
      id: `t${n}`,
      input: {
        from: `a${pick(ACCOUNTS)}`,
        to: pick(10) === 0 ? `nobody${pick(10)}` : `a${pick(ACCOUNTS)}`,
        amount: 1 + pick(OPENING),
      },
    }));
    let open: Wanted[] = wanted;
    for (let round = 0; open.length > 0 && round < 100; round++) {
      // Every third commit fails, or its answer is lost; after some rounds the disk is well again.
      for (const engine of round < 5 ? world.engines : []) {
        engine.plan(
          ...Array.from(
            { length: 10 },
            () => at<Fault>(["before", "after", "ok", "ok", "ok", "ok"], pick(6)),
          ),
        );
      }
      const unanswered = new Set(open);
      for (const each of open) {
        world.runtime.sagas.start("transfer", each.id, each.input, { messageId: `start-${each.id}` }).then(
          ({ ok }) => ok && unanswered.delete(each),
          () => {},
        );
      }
      await world.clock.advance(pick(300));
      if (round === 1) {
        // Killed in the middle of it all.
        await world.crash();
        await relay.stop();
        relay = new Relay(world.runtime);
        relay.start();
      }
      await world.clock.advance("10s");
      open = [...unanswered];
    }
    expect(open.length).toBe(0);
    await world.clock.advance("10m");

    const ended = new Map<string, number>();
    for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
      const page: Awaited<ReturnType<typeof world.runtime.sagas.list>> = await world.runtime.sagas.list(
        "transfer",
        {
          limit: 1_000,
          ...(after === undefined ? {} : { after }),
        },
      );
      for (const { status } of page.sagas) {
        ended.set(status, (ended.get(status) ?? 0) + 1);
      }
      after = page.next;
    }
    expect([...ended.keys()].sort()).toEqual(["completed", "failed"]);
    expect([...ended.values()].reduce((sum, count) => sum + count)).toBe(TRANSFERS);
    // So many at once find little money left: how many succeed goes by how much there is, not by how many they are.
    expect(ended.get("completed")).toBeGreaterThan(ACCOUNTS);
    expect(ended.get("failed")).toBeGreaterThan(ACCOUNTS);
    const found = await balances(world);
    expect([...found.values()].reduce((sum, balance) => sum + balance)).toBe(ACCOUNTS * OPENING);
    await relay.stop();
  },
  300_000,
);
