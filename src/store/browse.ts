import type { MessageStatus } from "../core/message.ts";
import type { Database } from "./database.ts";
import {
  deadArguments,
  type DeadLetterFilter,
  type MessageSummary,
  readSummariesWhere,
  whereDead,
} from "./messages.ts";

/** What people look for who do not know its name yet. None of it is on the way of a command. */

/** An actor, and how many events it has. */
export interface ActorRow {
  readonly actor: string;
  readonly version: number;
}

/** Actors of a type whose keys begin with some text, in the order of their names. */
export async function readActors(
  database: Database,
  page: { type: string; keyPrefix: string; after: string; limit: number },
): Promise<ActorRow[]> {
  const begin = `${page.type}/${page.keyPrefix}`;
  const rows = await database.execute({
    // The last code point there is ends the range of all that begin so.
    sql: `SELECT actor, max(version) FROM (
        SELECT actor, version FROM main.events WHERE actor >= ?1 AND actor < ?2 AND actor <> ?3
        UNION ALL SELECT actor, version FROM archived WHERE actor >= ?1 AND actor < ?2 AND actor <> ?3
        ORDER BY actor
      ) GROUP BY actor ORDER BY actor LIMIT ?4`,
    args: [page.after > begin ? page.after : begin, `${begin}\u{10ffff}`, page.after, page.limit],
  });
  return rows.map(([actor, version]) => ({ actor: String(actor), version: Number(version) }));
}

/** Newest messages that are looked through; those before them are not found. */
const MESSAGES_SCAN_MAX = 20_000;

/** Which messages are looked for. */
export interface MessageFilter {
  /** Of these; of all if not given. */
  readonly statuses?: readonly MessageStatus[] | undefined;
  /** Only those of which an attempt has failed. */
  readonly hasFailed?: boolean | undefined;
  readonly type?: string | undefined;
  readonly actor?: string | undefined;
  readonly limit: number;
}

/** Messages on disk, the newest first. */
export function readNewestMessages(
  database: Database,
  shard: number,
  { statuses, hasFailed, type, actor, limit }: MessageFilter,
): Promise<MessageSummary[]> {
  const isWaiting = statuses?.every((status) => status === "queued" || status === "retrying");
  // Of those that wait an index knows, however old they are.
  const within = isWaiting
    ? "status IN ('queued', 'retrying')"
    : `seq > (SELECT coalesce(max(seq), 0) FROM messages) - ${MESSAGES_SCAN_MAX}`;
  return readSummariesWhere(database, shard, {
    where: `${within}
      AND (?1 IS NULL OR status IN (SELECT value FROM json_each(?1)))
      AND (?2 IS NULL OR substr(actor, 1, length(?2) + 1) = ?2 || '/')
      AND (?3 IS NULL OR actor = ?3)
      AND (?4 = 0 OR failures <> '[]')
      ORDER BY seq DESC LIMIT ?5`,
    args: [statuses ? JSON.stringify(statuses) : null, type ?? null, actor ?? null, hasFailed ? 1 : 0, limit],
  });
}

/** Messages of one actor that wait, in the order of its mailbox. */
export function readWaiting(
  database: Database,
  shard: number,
  wanted: { actor: string; limit: number },
): Promise<MessageSummary[]> {
  return readSummariesWhere(database, shard, {
    where: `status IN ('queued', 'retrying') AND actor = ? ORDER BY deliver_at, seq LIMIT ?`,
    args: [wanted.actor, wanted.limit],
  });
}

/** Dead letters of one command of one actor type whose last error is the same. */
export interface DeadLetterGroup {
  readonly type: string;
  readonly command: string;
  readonly error: string;
  readonly count: number;
  /** When the newest of them failed, in epoch milliseconds. */
  readonly newestAt: number;
}

/** Dead letters that are looked through for their errors; those behind them are in no group. */
const GROUPED_MAX = 20_000;

/** Dead letters of a filter by their errors, the most frequent ones first, up to `limit` of these. */
export async function readDeadLetterGroups(
  database: Database,
  wanted: DeadLetterFilter & { limit: number },
): Promise<DeadLetterGroup[]> {
  const rows = await database.execute({
    sql: `SELECT type, command, error, count(*) AS count, max(at) FROM (
        SELECT seq, substr(actor, 1, instr(actor, '/') - 1) AS type, command,
          coalesce(failures ->> '$[#-1].error', '') AS error,
          coalesce(failures ->> '$[#-1].at', enqueued_at) AS at
        FROM messages WHERE ${whereDead} ORDER BY seq LIMIT ${GROUPED_MAX}
      ) GROUP BY type, command, error ORDER BY count DESC, min(seq) LIMIT ?6`,
    args: [0, ...deadArguments(wanted), wanted.limit],
  });
  return rows.map(([type, command, error, count, at]) => ({
    ...{ type: String(type), command: String(command), error: String(error) },
    ...{ count: Number(count), newestAt: Number(at) },
  }));
}

/** How many dead letters there are of a filter. Without one, an index says it: 0.1 µs for each. */
export async function countDead(database: Database, wanted: DeadLetterFilter): Promise<number> {
  const isFiltered = deadArguments(wanted).some((value) => value !== null);
  const [row] = await database.execute({
    sql: `SELECT count(*) FROM messages WHERE ${
      isFiltered ? whereDead : "status = 'dead' AND handled_at IS NULL"
    }`,
    args: isFiltered ? [0, ...deadArguments(wanted)] : [],
  });
  return Number(row?.[0] ?? 0);
}
