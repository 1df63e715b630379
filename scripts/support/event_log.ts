import { defaultLimits } from "../../src/config.ts";
import type { RecordedEvent } from "../../src/core/event.ts";
import { shardOf } from "../../src/core/shard_of.ts";
import { formatToken, type Positions } from "../../src/core/token.ts";
import type { LoggedEvent } from "../../src/runtime/log_reader.ts";
import { readLog, readStream } from "../../src/store/events.ts";
import type { StoreFolder } from "./store_folder.ts";

/** Of one shard. */
const perRead = { limit: 500, bytesMax: defaultLimits.pageBytesMax };

/** Which events. */
export interface EventFilter {
  /** Only of one actor, `type/key`. */
  readonly actor?: string | undefined;
  /** Only of one event type. */
  readonly type?: string | undefined;
}

type StoreShard = StoreFolder["shards"][number];

/**
 * The log across shards, a page of each in memory at a time. Events of a shard are in its order; shards are
 * merged by time, which promises nothing about events of different shards.
 *
 * @param upTo What is read up to, so that it ends however much is written meanwhile.
 * @returns Each event with the token to go on from.
 */
export async function* readEvents(
  folder: StoreFolder,
  filter: EventFilter,
  after: Positions,
  upTo: Positions,
): AsyncGenerator<LoggedEvent> {
  const reached = new Map(after);
  const { actor } = filter;
  const shards = actor === undefined
    ? folder.shards
    : folder.shards.filter(({ number }) => number === shardOf(actor, folder.shards.length));
  const sources = shards.map((shard) =>
    eventsOfShard(shard, filter, after.get(shard.number) ?? 0, upTo.get(shard.number) ?? 0)
  );
  const heads = await Promise.all(sources.map(async (source) => (await source.next()).value));
  while (true) {
    let next = -1;
    for (const [index, head] of heads.entries()) {
      if (head && head.at < (heads[next]?.at ?? Infinity)) next = index;
    }
    const event = heads[next];
    if (!event) return;
    reached.set(event.shard, event.position);
    yield { ...event, token: formatToken(reached) };
    heads[next] = (await sources[next]?.next())?.value;
  }
}

/** The newest position of each shard. */
export async function readPositions(folder: StoreFolder): Promise<Map<number, number>> {
  const positions = new Map<number, number>();
  for (const { number, database } of folder.shards) {
    const [row] = await database.execute({ sql: `SELECT coalesce(max(position), 0) FROM main.events` });
    positions.set(number, Number(row?.[0]));
  }
  return positions;
}

async function* eventsOfShard(
  shard: StoreShard,
  { actor, type }: EventFilter,
  after: number,
  upTo: number,
): AsyncGenerator<RecordedEvent, undefined> {
  if (upTo <= after) return;
  if (actor !== undefined) {
    for await (const event of eventsOfActor(shard, actor, after)) {
      if (event.position > upTo) return;
      if (type === undefined || event.type === type) yield event;
    }
    return;
  }
  const types = type === undefined ? undefined : [type];
  for (let from = after;;) {
    const page = { after: from, upTo, ...perRead, types };
    const { events, end, hasMore } = await readLog(shard.database, shard.number, page);
    yield* events;
    if (!hasMore) return;
    from = end;
  }
}

async function* eventsOfActor(
  shard: StoreShard,
  actor: string,
  after: number,
): AsyncGenerator<RecordedEvent> {
  const [row] = await shard.database.execute({
    sql: `SELECT coalesce(max(version), 0) FROM events WHERE actor = ? AND position <= ?`,
    args: [actor, after],
  });
  for (let from = Number(row?.[0]);;) {
    const page = { actor, after: from, ...perRead };
    const { items: events, hasMore } = await readStream(shard.database, shard.number, page);
    yield* events;
    if (!hasMore) return;
    from = events.at(-1)?.version ?? Infinity;
  }
}
