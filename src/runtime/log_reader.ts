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
  /** Only events of this type. */
  readonly type?: string | undefined;
}

/**
 * One page of the log across shards. Events of a shard are in its order; shards are merged by time, which
 * promises nothing about events of different shards.
 *
 * @param scanMax Positions of each shard looked through, so that a rare type does not cost the whole log.
 */
export async function readLogPage(
  shards: readonly Shard[],
  query: LogQuery,
  scanMax: number,
): Promise<LogPage> {
  const reached = new Map<number, number>();
  const ends = new Map<number, number>();
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
    const events = await readLog(shard.store.database, shard.number, {
      after,
      upTo,
      limit,
      types: type === undefined ? undefined : [type],
    });
    // A full page may have left some out; otherwise everything up to the end was looked through.
    const end = events.length === limit ? events.at(-1)?.position ?? upTo : upTo;
    ends.set(shard.number, end);
    if (end < shard.durablePosition) hasMore = true;
    return events;
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
