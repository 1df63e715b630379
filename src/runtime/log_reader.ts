import type { RecordedEvent } from "../core/event.ts";
import { formatToken, type Positions } from "../core/token.ts";
import { readLog } from "../store/events.ts";
import type { Shard } from "./shard.ts";

/** An event with the token that names everything up to it. */
export interface LoggedEvent extends RecordedEvent {
  readonly token: string;
}

export interface LogPage {
  readonly events: readonly LoggedEvent[];
  /** Where the next page begins. */
  readonly next: Positions;
  /** Whether there was more to look through when this page was read. */
  readonly hasMore: boolean;
}

export interface LogQuery {
  readonly after: Positions;
  readonly limit: number;
  /** Of payloads; `pageBytesMax` if that is less, or not given. */
  readonly bytesMax?: number;
  /** Only events of this type. */
  readonly type?: string | undefined;
}

/** What a page may cost beside its items. */
export interface LogPageBounds {
  /** Positions of each shard looked through, so that a rare type does not cost the whole log. */
  readonly scanMax: number;
  /** Of payloads, over all shards; each gives one event at least. */
  readonly bytesMax: number;
}

/**
 * One page of the log across shards. Events of a shard are in its order; shards are merged by time, which
 * promises nothing about events of different shards.
 */
export async function readLogPage(
  shards: readonly Shard[],
  query: LogQuery,
  { scanMax, bytesMax }: LogPageBounds,
): Promise<LogPage> {
  const reached = new Map<number, number>();
  const ends = new Map<number, number>();
  /** Lists that go on behind what was read of them. */
  const cut = new Set<number>();
  let hasMore = false;
  const lists = await Promise.all(shards.map(async (shard) => {
    const after = query.after.get(shard.number) ?? 0;
    const upTo = Math.min(shard.durablePosition, after + scanMax);
    reached.set(shard.number, after);
    if (upTo <= after) {
      ends.set(shard.number, after);
      return [];
    }
    const { limit, type } = query;
    const part = await readLog(shard.store.database, shard.number, {
      ...{ after, upTo, limit, bytesMax: Math.floor(bytesMax / shards.length) },
      types: type === undefined ? undefined : [type],
    });
    ends.set(shard.number, part.end);
    if (part.end < shard.durablePosition) hasMore = true;
    if (part.hasMore) cut.add(shard.number);
    return part.events;
  }));

  const events: LoggedEvent[] = [];
  const heads = lists.map(() => 0);
  while (events.length < query.limit) {
    const from = soonest(lists, heads);
    const event = from === undefined ? undefined : lists[from]?.[heads[from] ?? 0];
    if (from === undefined || !event) break;
    heads[from] = (heads[from] ?? 0) + 1;
    reached.set(event.shard, event.position);
    events.push({ ...event, token: formatToken(reached) });
    // What comes next of this shard may be older than what is there of others.
    if (cut.has(event.shard) && heads[from] === lists[from]?.length) break;
  }
  for (const [index, shard] of shards.entries()) {
    const isAllTaken = heads[index] === lists[index]?.length;
    if (isAllTaken) reached.set(shard.number, ends.get(shard.number) ?? 0);
    else hasMore = true;
  }
  return { events, next: reached, hasMore };
}

/** Index of the list whose next event is the oldest. */
function soonest(lists: readonly (readonly RecordedEvent[])[], heads: readonly number[]): number | undefined {
  let found: number | undefined;
  let foundAt = Infinity;
  for (const [index, list] of lists.entries()) {
    const event = list[heads[index] ?? 0];
    if (event && event.at < foundAt) {
      found = index;
      foundAt = event.at;
    }
  }
  return found;
}
