import { parseActorName } from "../../src/core/message.ts";
import { formatToken, parseToken } from "../../src/core/token.ts";
import { actorPath, followStream } from "../../src/client/reads.ts";
import type { EventPage, LogEvent } from "../../src/client/types.ts";
import type { EventsQuery } from "../folio/events.ts";
import type { Server } from "./server.ts";

const EVENTS_PER_PAGE = 1_000;
/** A token of a server names any of its shards, whose number this program does not know. */
const SHARDS_MAX = 256;

/** Events of a server, and, with `follow`, those to come. */
export function readServerEvents(server: Server, query: EventsQuery): AsyncGenerator<LogEvent> {
  return query.actor === undefined ? readLog(server, query) : readActor(server, query.actor, query);
}

async function* readLog(
  server: Server,
  { type, after, limit, follow }: EventsQuery,
): AsyncGenerator<LogEvent> {
  let reached = after;
  for (let hasMore = true; hasMore;) {
    const page: EventPage = await server.get("/events", {
      after: reached,
      type,
      limit: Math.min(limit, EVENTS_PER_PAGE),
    });
    yield* page.events;
    ({ next: reached, hasMore } = page);
  }
  if (follow) yield* followed(server, "/events", { after: reached, type });
}

/** An actor's route counts by versions and gives no tokens: they are made here, as a folder gives them. */
async function* readActor(
  server: Server,
  actor: string,
  { type, after, follow }: EventsQuery,
): AsyncGenerator<LogEvent> {
  const path = `${actorPath(parseActorName(actor))}/events`;
  const start = parseToken(after, SHARDS_MAX);
  const reached = new Map(start);
  let version = 0;
  const shown = (event: LogEvent): LogEvent[] => {
    version = event.version;
    if (event.position <= (start.get(event.shard) ?? 0)) return [];
    if (type !== undefined && event.type !== type) return [];
    reached.set(event.shard, event.position);
    return [{ ...event, token: formatToken(reached) }];
  };
  for (let hasMore = true; hasMore;) {
    const page: EventPage = await server.get(path, { after: version, limit: EVENTS_PER_PAGE });
    for (const event of page.events) yield* shown(event);
    hasMore = page.hasMore;
  }
  if (!follow) return;
  for await (const event of followed(server, path, { after: version })) yield* shown(event);
}

async function* followed(
  server: Server,
  path: string,
  query: { after: string | number; type?: string | undefined },
) {
  const stream = followStream(server.transport, path, query);
  while (true) {
    const next = await server.explained(() => stream.next());
    if (next.done) return;
    yield next.value;
  }
}
