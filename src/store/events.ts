import type { RecordedEvent } from "../core/event.ts";
import type { Database, Row, Statement } from "./database.ts";
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

const columns =
  "position, actor, version, type, schema_version, payload, at, message_id, correlation_id, causation_id";

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

/** Events of one actor after a version, oldest first. */
export async function readStream(
  database: Database,
  shard: number,
  query: { actor: string; after: number; limit: number },
): Promise<RecordedEvent[]> {
  const rows = await database.execute({
    sql: `SELECT ${columns} FROM events WHERE actor = ? AND version > ? ORDER BY version LIMIT ?`,
    args: [query.actor, query.after, query.limit],
  });
  return rows.map((row) => toEvent(shard, row));
}

/** An actor to be loaded: its events after a version, or after its snapshot if that is later. */
export type WantedStream = [actor: string, afterVersion: number, fingerprint: string];

/**
 * Events of several actors, oldest first for each, in the order of the actors.
 *
 * @param hasArchive Whether an archive is attached. SQLite would read all of the view `events` for this join.
 */
export function selectStreams(wanted: readonly WantedStream[], limit: number, hasArchive = false): Statement {
  const selectFrom = (table: string) =>
    `SELECT ${columns}, wanted.key AS place FROM (SELECT key, value FROM json_each(?1)) AS wanted
      CROSS JOIN ${table} ON actor = wanted.value ->> 0 AND version > max(
        wanted.value ->> 1,
        coalesce((SELECT s.version FROM snapshots AS s
          WHERE s.actor = wanted.value ->> 0 AND s.fingerprint = wanted.value ->> 2), 0)
      )`;
  const archived = hasArchive
    ? ` UNION ALL ${selectFrom("archive.events")}
        AND version <= (SELECT m.version FROM main.archived AS m WHERE m.actor = wanted.value ->> 0)`
    : "";
  return {
    sql: `${selectFrom("main.events")}${archived} ORDER BY place, version LIMIT ?2`,
    args: [JSON.stringify(wanted), limit],
  };
}

/** Rows of `selectStreams` as events. */
export function eventsOf(shard: number, rows: readonly Row[]): RecordedEvent[] {
  return rows.map((row) => toEvent(shard, row));
}

/** Events of the shard with `after` < position <= `upTo`, oldest first. */
export async function readLog(
  database: Database,
  shard: number,
  query: { after: number; upTo: number; limit: number; types?: readonly string[] | undefined },
): Promise<RecordedEvent[]> {
  const rows = await database.execute({
    sql:
      `SELECT ${columns} FROM events WHERE position > ?1 AND position <= ?2 AND (?3 IS NULL OR type IN (SELECT value FROM json_each(?3)))
      ORDER BY position LIMIT ?4`,
    args: [query.after, query.upTo, query.types ? JSON.stringify(query.types) : null, query.limit],
  });
  return rows.map((row) => toEvent(shard, row));
}

/** When the event of a position was recorded, in milliseconds since the Unix epoch. */
export async function readTime(database: Database, position: number): Promise<number> {
  const [row] = await database.execute({ sql: `SELECT at FROM events WHERE position = ?`, args: [position] });
  if (!row) throw new RangeError(`There is no event at position ${position}`);
  return Number(row[0]);
}

/** Events that one message emitted. */
export async function readEventsOfMessage(
  database: Database,
  shard: number,
  id: string,
): Promise<RecordedEvent[]> {
  const rows = await database.execute({
    sql: `SELECT ${columns} FROM events WHERE message_id = ? ORDER BY position LIMIT 1000`,
    args: [id],
  });
  return rows.map((row) => toEvent(shard, row));
}

/** Events with one correlation id, oldest first. */
export async function readEventsOfCorrelation(
  database: Database,
  shard: number,
  query: { correlationId: string; limit: number },
): Promise<RecordedEvent[]> {
  const rows = await database.execute({
    sql: `SELECT ${columns} FROM events
      WHERE correlation_id = ?1 OR (message_id = ?1 AND correlation_id IS NULL)
      ORDER BY position LIMIT ?2`,
    args: [query.correlationId, query.limit],
  });
  return rows.map((row) => toEvent(shard, row));
}
