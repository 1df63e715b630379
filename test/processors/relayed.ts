import { Relay } from "../../src/processors/relay.ts";
import { ledger, names, sender } from "../support/actors.ts";
import { at, World, type WorldOptions } from "../support/world.ts";

/** A world of four shards with a relay, which a crash takes along. */
export async function startRelayed(options: Partial<WorldOptions> = {}) {
  const world = await World.start({ modules: [ledger, sender], shards: 4, ...options });
  let relay = new Relay(world.runtime);
  relay.start();
  const shardNumberOf = (actor: string) => world.runtime.shardOf(actor).number;
  return {
    world,
    get relay() {
      return relay;
    },
    async crash() {
      await world.crash();
      relay = new Relay(world.runtime);
      relay.start();
    },
    /** Keys of ledgers that live in other shards than an actor, and in one of those only if so asked. */
    away(from: string, count: number, options: { inOneShard?: boolean } = {}): string[] {
      const keys = names(200).filter((key) => shardNumberOf(`ledger/${key}`) !== shardNumberOf(from));
      const wanted = shardNumberOf(`ledger/${at(keys, 0)}`);
      return keys.filter((key) => !options.inOneShard || shardNumberOf(`ledger/${key}`) === wanted).slice(
        0,
        count,
      );
    },
    async entriesOf(key: string): Promise<number[]> {
      return ((await world.runtime.state("ledger", key)).state as { entries: number[] }).entries;
    },
  };
}

export const range = (count: number) => Array.from({ length: count }, (_, n) => n);
