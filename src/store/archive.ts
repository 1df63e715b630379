import type { Database, Statement } from "./database.ts";
import { createEventsIn } from "./events.ts";

/**
 * Events of closed actors, moved out of a shard's database into a file beside it. The file is attached to the
 * shard's connection, and a view takes the name `events`, so whoever reads the log reads both, in the order
 * of positions. Who means the shard's own table says `main.events`.
 *
 * Two files cannot share a transaction, so events are moved in two, in this order:
 * 1. Copied into the archive, durably. Nobody sees the copies yet.
 * 2. A commit of the shard writes into `archived` up to which version the actor's events are in the archive,
 *    and deletes them from the shard's own table. From then on the copies are what is seen.
 *
 * Whatever is interrupted between the two is begun again with 1, which leaves alone what is there already.
 * So each event is seen once at any time, and the archive never takes part in a commit.
 */
export const createArchived = [
  `CREATE TABLE archived (actor TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
];

/** An actor, and the version up to which its events are in the archive, or are to be. */
export type ArchivedRow = [actor: string, version: number];

/** What a connection to a shard begins with where the shard has an archive. @param path Of the archive's file. */
export function attachArchive(path: string): Statement[] {
  return [
    { sql: `ATTACH ? AS archive`, args: [path] },
    { sql: `PRAGMA archive.synchronous = FULL` },
    {
      sql: `CREATE TEMP VIEW events AS SELECT * FROM main.events UNION ALL SELECT * FROM archive.events AS a
        WHERE a.version <= (SELECT m.version FROM main.archived AS m WHERE m.actor = a.actor)`,
    },
  ];
}

/** The same in memory, where the archive is new, and this connection's alone. Not in a transaction. */
export function attachArchiveInMemory(): Statement[] {
  return [...attachArchive(":memory:"), ...createEventsIn("archive.").map((sql) => ({ sql }))];
}

const names = [
  ...["position", "actor", "version", "type", "schema_version", "payload", "at"],
  ...["message_id", "correlation_id", "causation_id"],
];
const columnsOf = (table: string) => names.map((name) => `${table}.${name}`).join(", ");

/** Step 1. @throws {Error} When the archive holds other events in their places. */
export async function copyToArchive(database: Database, rows: readonly ArchivedRow[]): Promise<void> {
  const selected = `SELECT ${columnsOf("e")} FROM json_each(?1) AS wanted
    CROSS JOIN main.events AS e ON e.actor = wanted.value ->> 0 AND e.version <= wanted.value ->> 1`;
  const args = [JSON.stringify(rows)];
  await database.batch([
    { sql: `INSERT OR IGNORE INTO archive.events ${selected}`, args },
  ], "write");
  const [other] = await database.execute({
    sql: `SELECT actor, version FROM (${selected} EXCEPT SELECT ${
      columnsOf("a")
    } FROM json_each(?1) AS wanted CROSS JOIN archive.events AS a ON a.actor = wanted.value ->> 0) LIMIT 1`,
    args,
  });
  if (other) throw new Error(`Archive holds another event in the place of ${other[0]}, version ${other[1]}`);
}

/** Step 2, as a part of a commit. */
export function moveToArchive(rows: readonly ArchivedRow[]): Statement[] {
  const args = [JSON.stringify(rows)];
  return [
    {
      sql: `INSERT INTO archived SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
        ON CONFLICT (actor) DO UPDATE SET version = excluded.version WHERE excluded.version > archived.version`,
      args,
    },
    {
      sql: `DELETE FROM main.events WHERE position IN (
        SELECT e.position FROM json_each(?) AS wanted
        CROSS JOIN main.events AS e ON e.actor = wanted.value ->> 0 AND e.version <= wanted.value ->> 1)`,
      args,
    },
  ];
}

/** An event after which its actor is closed, and nothing has come since. */
export interface ClosedActor {
  readonly position: number;
  readonly actor: string;
  readonly version: number;
  /** The first version that is not in the archive. */
  readonly first: number;
  /** Whether something still waits for it: a message, a timer, an activity that it is to be told about. */
  readonly isAwaited: boolean;
}

/**
 * Looks for closed actors of a type in one page of the log. The newest event of a shard is left where it is:
 * positions go on from there.
 *
 * @returns `reached`: how far was looked; undefined where nothing is left that is old enough.
 */
export async function readClosed(
  database: Database,
  query: {
    readonly type: string;
    readonly closedBy: readonly string[];
    /** Milliseconds since the Unix epoch. */
    readonly closedUpTo: number;
    readonly after: number;
    readonly limit: number;
  },
): Promise<{ closed: ClosedActor[]; reached: number | undefined }> {
  const page = `(SELECT position, actor, version, type, at FROM main.events WHERE position > ?1
    ORDER BY position LIMIT ?2) AS e`;
  const isNotNewest = `position < (SELECT max(position) FROM main.events)`;
  const args = [query.after, query.limit, query.closedUpTo];
  const [ends = [], rows = []] = await database.batch([
    // Up to the newest one, which is looked at again: it may be a closed actor's.
    { sql: `SELECT max(position) FROM ${page} WHERE at <= ?3 AND ${isNotNewest}`, args },
    {
      sql: `SELECT position, actor, version, (SELECT min(version) FROM main.events WHERE actor = e.actor),
          actor IN (SELECT actor FROM messages WHERE status IN ('queued', 'retrying'))
          OR actor IN (SELECT actor FROM timers)
          OR actor IN (SELECT reply_to ->> 'actor' FROM messages
            WHERE status IN ('queued', 'retrying') AND reply_to IS NOT NULL)
        FROM ${page}
        WHERE at <= ?3 AND substr(actor, 1, length(?4)) = ?4 AND type IN (SELECT value FROM json_each(?5))
          AND NOT EXISTS (SELECT 1 FROM main.events AS later
            WHERE later.actor = e.actor AND later.version > e.version)
          AND ${isNotNewest}
        ORDER BY position`,
      args: [...args, `${query.type}/`, JSON.stringify(query.closedBy)],
    },
  ], "read");
  const reached = ends[0]?.[0];
  return {
    reached: typeof reached === "number" ? reached : undefined,
    closed: rows.map(([position, actor, version, first, isAwaited]) => ({
      position: Number(position),
      actor: String(actor),
      version: Number(version),
      first: Number(first),
      isAwaited: isAwaited === 1,
    })),
  };
}
