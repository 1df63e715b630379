import { FolioClientError } from "./client_error.ts";
import type { Transport } from "./transport.ts";
import type {
  EventPage,
  EventsOptions,
  FollowOptions,
  LogEvent,
  MessageInfo,
  StateOptions,
} from "./types.ts";

/** Which actor. */
export interface ActorAddress {
  readonly type: string;
  readonly key: string;
}

/** An actor's path below the server's URL. */
export function actorPath({ type, key }: ActorAddress): string {
  return `/actors/${encodeURIComponent(type)}/${encodeURIComponent(key)}`;
}

/** A point in time as the server reads it. */
export function timeText(time: Date | string | undefined): string | undefined {
  return time instanceof Date ? time.toISOString() : time;
}

/** An actor's state; undefined if it has no events, or had none then. */
export async function readState(
  transport: Transport,
  actor: ActorAddress,
  { version, at, signal }: StateOptions,
): Promise<{ state: unknown; version: number } | undefined> {
  const query = { version, at: timeText(at) };
  const answer = await undefinedIf(
    "no-events",
    transport.call({ method: "GET", path: actorPath(actor), query, signal }),
  );
  if (!answer) return undefined;
  const body = answer.body as { state: unknown; version: number };
  return { state: body.state, version: body.version };
}

/** What the server knows of a message, and the token of its effect where it says so. */
export async function readMessage(
  transport: Transport,
  id: string,
  { actor, signal }: { actor?: string | undefined; signal?: AbortSignal | undefined },
): Promise<{ message: MessageInfo; token: string }> {
  const path = `/messages/${encodeURIComponent(id)}`;
  const answer = await transport.call({ method: "GET", path, query: { actor }, signal });
  return { message: answer.body as MessageInfo, token: answer.headers.get("folio-position") ?? "" };
}

/** What the server knows of a message; undefined if nothing. */
export async function findMessage(
  transport: Transport,
  id: string,
  options: { actor?: string | undefined; signal?: AbortSignal | undefined },
): Promise<MessageInfo | undefined> {
  return (await undefinedIf("unknown-message", readMessage(transport, id, options)))?.message;
}

/** One page of the log. */
export async function readEvents(
  transport: Transport,
  { after, type, limit, signal }: EventsOptions,
): Promise<EventPage> {
  const answer = await transport.call({
    method: "GET",
    path: "/events",
    query: { after, type, limit },
    signal,
  });
  return answer.body as EventPage;
}

/**
 * The log as it grows, over as many connections as it takes. Where the last event left off is where the next
 * connection begins, so none is missed and none comes twice.
 */
export async function* followEvents(transport: Transport, options: FollowOptions): AsyncGenerator<LogEvent> {
  const { type, signal } = options;
  // "now" of the first connection, not of each one: what comes while there is none must not be lost.
  const isNow = options.after === "now";
  const after = isNow
    ? (await readEvents(transport, { after: "now", limit: 1, signal })).next
    : options.after;
  yield* followStream(transport, "/events", { after, type }, signal);
}

/**
 * Events of a live stream, the log's or an actor's, over as many connections as it takes.
 *
 * @param query `after`: where the first connection begins.
 */
export async function* followStream(
  transport: Transport,
  path: string,
  { after, type }: { after: string | number | undefined; type?: string | undefined },
  signal?: AbortSignal,
): AsyncGenerator<LogEvent> {
  let lastEventId: string | undefined;
  let failures = 0;
  while (true) {
    let error: unknown = connectionEnded;
    try {
      const query = lastEventId === undefined ? { after, type } : { type };
      const headers = { "last-event-id": lastEventId };
      for await (const { id, data } of transport.stream({ method: "GET", path, query, headers, signal })) {
        failures = 0;
        lastEventId = id ?? lastEventId;
        yield JSON.parse(data) as LogEvent;
      }
    } catch (caught) {
      error = caught;
    }
    await transport.waitAfter(error, ++failures, signal);
  }
}

const connectionEnded = new FolioClientError("The stream ended", 0, "unreachable", undefined);

async function undefinedIf<T>(code: string, promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof FolioClientError && error.code === code) return undefined;
    throw error;
  }
}
