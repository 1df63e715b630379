import type { RecordedEvent } from "../core/event.ts";
import type { Database, Row, Statement } from "./database.ts";
import { mapPage, type Page, type PageBound, type PageSource, readMostlyShortPage } from "./page.ts";
import { rowWriter } from "./row_writer.ts";

/** The log: the only table that cannot be made again from others. */
export const createEvents = createEventsIn("");

/** The same in a database that is attached. @param place Its name and a dot; "" for the connection's own. */
export function createEventsIn(place: string): string[] {
  return [
    `CREATE TABLE ${place}events (
    position INTEGER PRIMARY KEY,
    actor TEXT NOT NULL,
    version INTEGER NOT NULL,
    type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    payload TEXT NOT NULL,
    at INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    correlation_id TEXT,
    causation_id TEXT
  ) STRICT`,
    `CREATE UNIQUE INDEX ${place}events_stream ON events (actor, version)`,
    `CREATE INDEX ${place}events_message ON events (message_id)`,
    `CREATE INDEX ${place}events_correlation ON events (correlation_id) WHERE correlation_id IS NOT NULL`,
  ];
}

/**
 * A row of `events`. `payload` is JSON text. `correlationId` is null where it is the message's own id, which
 * spares the index an entry for each command that came from outside.
 */
export type EventRow = [
  position: number,
  actor: string,
  version: number,
  type: string,
  schemaVersion: number,
  payload: string,
  at: number,
  messageId: string,
  correlationId: string | null,
  causationId: string | null,
];

export const insertEvents: (rows: readonly EventRow[]) => Statement[] = rowWriter(
  "INSERT INTO main.events",
  10,
);

const columns = [
  ...["position", "actor", "version", "type", "schema_version", "payload", "at"],
  ...["message_id", "correlation_id", "causation_id"],
];
const long = ["payload"];

/** Rows of the log for pages of them. @param wanted SQL of this program, with numbered parameters. */
export function eventRows(
  { where, order, keys = order, args }:
    & { readonly where: string; readonly order: string; readonly keys?: string }
    & Pick<PageSource, "args">,
): PageSource {
  return {
    columns,
    long,
    keys,
    order,
    select: (columns) => `SELECT ${columns} FROM events WHERE ${where}`,
    args,
  };
}

function toEvent(shard: number, row: Row): RecordedEvent {
  const [position, actor, version, type, schemaVersion, payload, at, messageId, correlationId, causationId] =
    row as EventRow;
  return {
    shard,
    position,
    actor,
    version,
    type,
    schemaVersion,
    payload: JSON.parse(payload),
    at,
    messageId,
    correlationId: correlationId ?? messageId,
    causationId: causationId ?? undefined,
  };
}

/** Which events of an actor. */
export interface StreamQuery extends PageBound {
  readonly actor: string;
  /** Versions behind this one, and up to that one where it is given. */
  readonly after: number;
  readonly upTo?: number | undefined;
  /** Whether a page has the newest of these, and more are before them. */
  readonly isNewest?: boolean | undefined;
}

/** Events of one actor behind a version and up to one, oldest first or newest first. */
export function streamOf(
  actor: string,
  after: number,
  upTo = Number.MAX_SAFE_INTEGER,
  isNewest = false,
): PageSource {
  return eventRows({
    where: "actor = ?1 AND version > ?2 AND version <= ?3",
    ...{ keys: "version", order: isNewest ? "version DESC" : "version" },
    args: [actor, after, upTo],
  });
}

/** Events of one actor, oldest first. */
export async function readStream(
  database: Database,
  shard: number,
  query: StreamQuery,
): Promise<Page<RecordedEvent>> {
  const { actor, after, upTo, isNewest } = query;
  const { items, hasMore } = mapPage(
    await readMostlyShortPage(database, streamOf(actor, after, upTo, isNewest), query),
    (row) => toEvent(shard, row),
  );
  return { items: isNewest ? items.toReversed() : items, hasMore };
}

/** An actor to be loaded: its events after a version, or after its snapshot if that is later. */
export type WantedStream = [actor: string, afterVersion: number, fingerprint: string];

/**
 * Events of several actors, oldest first for each, in the order of the actors.
 *
 * @param hasArchive Whether an archive is attached. SQLite would read all of the view `events` for this join.
 */
export function streamsOf(wanted: readonly WantedStream[], hasArchive = false): PageSource {
  const selectFrom = (columns: string, table: string) =>
    `SELECT ${columns} FROM (SELECT key AS place, value FROM json_each(?1)) AS wanted
      CROSS JOIN ${table} ON actor = wanted.value ->> 0 AND version > max(
        wanted.value ->> 1,
        coalesce((SELECT s.version FROM snapshots AS s
          WHERE s.actor = wanted.value ->> 0 AND s.fingerprint = wanted.value ->> 2), 0)
      )`;
  return {
    // With what they are ordered by: an order of two tables together goes by what is shown.
    ...{ columns: [...columns, "place"], long, keys: "place, version", order: "place, version" },
    select(columns) {
      const archived = hasArchive
        ? ` UNION ALL ${selectFrom(columns, "archive.events")}
        AND version <= (SELECT m.version FROM main.archived AS m WHERE m.actor = wanted.value ->> 0)`
        : "";
      return `${selectFrom(columns, "main.events")}${archived}`;
    },
    args: [JSON.stringify(wanted)],
  };
}

/** Rows of the log as events. */
export function eventsOf(shard: number, rows: readonly Row[]): RecordedEvent[] {
  return rows.map((row) => toEvent(shard, row));
}

/** A part of a shard's log. */
export interface LogPart {
  readonly events: readonly RecordedEvent[];
  /** The last position that was looked at: what comes next begins behind it. */
  readonly end: number;
  /** Whether its bound came before the position it was to go up to. */
  readonly hasMore: boolean;
}

/** Events of the shard with `after` < position <= `upTo`, oldest first. */
export async function readLog(
  database: Database,
  shard: number,
  query: PageBound & { after: number; upTo: number; types?: readonly string[] | undefined },
): Promise<LogPart> {
  const { after, upTo, types } = query;
  if (after >= upTo) return { events: [], end: after, hasMore: false };
  const source = eventRows({
    where: `position > ?1 AND position <= ?2
      AND (?3 IS NULL OR type IN (SELECT value FROM json_each(?3)))`,
    order: "position",
    args: [after, upTo, types ? JSON.stringify(types) : null],
  });
  const { items, hasMore } = await readMostlyShortPage(database, source, query);
  const events = items.map((row) => toEvent(shard, row));
  return { events, end: hasMore ? events.at(-1)?.position ?? after : upTo, hasMore };
}

/** When the event of a position was recorded, in milliseconds since the Unix epoch. */
export async function readTime(database: Database, position: number): Promise<number> {
  const [row] = await database.execute({ sql: `SELECT at FROM events WHERE position = ?`, args: [position] });
  if (!row) throw new RangeError(`There is no event at position ${position}`);
  return Number(row[0]);
}

/** Events that one message emitted, without their payloads. */
export async function readEventsOfMessage(
  database: Database,
  shard: number,
  id: string,
): Promise<Omit<RecordedEvent, "payload">[]> {
  const short = columns.map((column) => (long.includes(column) ? "'null'" : column)).join(", ");
  const rows = await database.execute({
    sql: `SELECT ${short} FROM events WHERE message_id = ? ORDER BY position LIMIT 1000`,
    args: [id],
  });
  return rows.map((row) => toEvent(shard, row));
}

/** Events with one correlation id, oldest first. */
export async function readEventsOfCorrelation(
  database: Database,
  shard: number,
  query: PageBound & { correlationId: string },
): Promise<Page<RecordedEvent>> {
  const source = eventRows({
    where: "(correlation_id = ?1 OR (message_id = ?1 AND correlation_id IS NULL))",
    order: "position",
    args: [query.correlationId],
  });
  return mapPage(await readMostlyShortPage(database, source, query), (row) => toEvent(shard, row));
}
