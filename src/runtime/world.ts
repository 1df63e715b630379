import type { Limits } from "../config.ts";
import type { SteadyClock } from "../core/clock.ts";
import type { Ids } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { Observer } from "../core/observer.ts";
import type { Registry } from "./registry.ts";

/** What all shards of a process share. */
export interface World {
  readonly clock: SteadyClock;
  readonly ids: Ids;
  readonly limits: Limits;
  readonly log: Log;
  readonly observer?: Observer | undefined;
  readonly registry: Registry;
  /** Number of the shard that an actor lives in. */
  shardOf(actor: string): number;
}
