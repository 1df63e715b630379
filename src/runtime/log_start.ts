import { FolioError } from "../core/errors.ts";
import { formatToken, type Positions } from "../core/token.ts";
import { readTime } from "../store/events.ts";
import type { Shard } from "./shard.ts";

/** A place in the log to begin at: after what a token names, or at a time, in milliseconds since the Unix epoch. */
export type LogStart = { readonly after: Positions } | { readonly at: number };

/**
 * Position of the last event before a start, in each shard.
 *
 * @throws {FolioError} `malformed` when a token names events that are not there.
 */
export async function positionsBefore(
  shards: readonly Shard[],
  start: LogStart,
): Promise<Map<number, number>> {
  if ("at" in start) {
    const found = shards.map(async (shard) => [shard.number, await lastBefore(shard, start.at)] as const);
    return new Map(await Promise.all(found));
  }
  return new Map(shards.map((shard) => {
    const position = start.after.get(shard.number) ?? 0;
    if (position <= shard.durablePosition) return [shard.number, position];
    const place = formatToken(new Map([[shard.number, position]]));
    const message =
      `Cannot begin after ${place}: the log of shard ${shard.number} ends at ${shard.durablePosition}`;
    throw new FolioError("malformed", message, { name: "from" });
  }));
}

/** Times within a shard never go back: few looks find the place. */
async function lastBefore(shard: Shard, at: number): Promise<number> {
  let [before, notBefore] = [0, shard.durablePosition + 1];
  while (notBefore - before > 1) {
    const middle = (before + notBefore) >> 1;
    if (await readTime(shard.store.database, middle) < at) before = middle;
    else notBefore = middle;
  }
  return before;
}
