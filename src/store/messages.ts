import type { Failure, MessageRecord, MessageStatus, Outcome, ReplyTo } from "../core/message.ts";
import type { Database, Row, SqlValue, Statement } from "./database.ts";
import { mapPage, type Page, type PageBound, type PageSource, readPage } from "./page.ts";
import { rowWriter } from "./row_writer.ts";

/**
 * Mailboxes and their history: one row a message that had to be durable, from its admission until its
 * retention ends. `status` never reads `running` here: a turn is never seen half done.
 */
export const createMessages = [
  `CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    actor TEXT NOT NULL,
    command TEXT NOT NULL,
    input TEXT NOT NULL,
    original_input TEXT,
    correlation_id TEXT NOT NULL,
    causation_id TEXT,
    traceparent TEXT,
    expected_version TEXT,
    status TEXT NOT NULL CHECK (status IN ('queued', 'retrying', 'done', 'rejected', 'dead')),
    attempts INTEGER NOT NULL,
    enqueued_at INTEGER NOT NULL,
    deliver_at INTEGER NOT NULL,
    next_attempt_at INTEGER,
    handled_at INTEGER,
    outcome TEXT,
    failures TEXT NOT NULL
  ) STRICT`,
  `CREATE UNIQUE INDEX messages_id ON messages (id, actor)`,
  `CREATE INDEX messages_correlation ON messages (correlation_id)`,
  `CREATE INDEX messages_pending ON messages (deliver_at, seq) WHERE status IN ('queued', 'retrying')`,
  `CREATE INDEX messages_dead ON messages (seq) WHERE status = 'dead' AND handled_at IS NULL`,
  `CREATE INDEX messages_handled ON messages (handled_at) WHERE handled_at IS NOT NULL`,
];

/** What came with the second schema version. */
export const extendMessages = [
  `ALTER TABLE messages ADD COLUMN expires_at INTEGER`,
  `ALTER TABLE messages ADD COLUMN reply_to TEXT`,
];

/** A row of `messages`. `input`, `originalInput`, `outcome` and `failures` are JSON text. */
export type MessageRow = [
  seq: number,
  id: string,
  actor: string,
  command: string,
  input: string,
  originalInput: string | null,
  correlationId: string,
  causationId: string | null,
  traceparent: string | null,
  expectedVersion: string | null,
  status: MessageStatus,
  attempts: number,
  enqueuedAt: number,
  deliverAt: number,
  nextAttemptAt: number | null,
  handledAt: number | null,
  outcome: string | null,
  failures: string,
  expiresAt: number | null,
  replyTo: string | null,
];

const columnNames = [
  ...["seq", "id", "actor", "command", "input", "original_input", "correlation_id", "causation_id"],
  ...["traceparent", "expected_version", "status", "attempts", "enqueued_at", "deliver_at"],
  ...["next_attempt_at", "handled_at", "outcome", "failures", "expires_at", "reply_to"],
];
const columns = columnNames.join(", ");
const long = ["input", "original_input", "outcome", "failures", "reply_to"];

/** @param inputJson The input as JSON text, where that has been made already. */
export function messageRow(record: MessageRecord, inputJson = JSON.stringify(record.input)): MessageRow {
  return [
    record.seq,
    record.id,
    record.actor,
    record.command,
    inputJson,
    record.originalInput === undefined ? null : JSON.stringify(record.originalInput),
    record.correlationId,
    record.causationId,
    record.traceparent,
    record.expectedVersion,
    record.status,
    record.attempts,
    record.enqueuedAt,
    record.deliverAt,
    record.nextAttemptAt,
    record.handledAt,
    record.outcome && JSON.stringify(record.outcome),
    JSON.stringify(record.failures),
    record.expiresAt,
    record.replyTo && JSON.stringify(record.replyTo),
  ];
}

function toRecord(shard: number, row: Row): MessageRecord {
  const fields = row as MessageRow;
  return {
    shard,
    seq: fields[0],
    id: fields[1],
    actor: fields[2],
    command: fields[3],
    input: JSON.parse(fields[4]),
    originalInput: fields[5] === null ? undefined : JSON.parse(fields[5]),
    correlationId: fields[6],
    causationId: fields[7],
    traceparent: fields[8],
    expectedVersion: fields[9],
    status: fields[10],
    attempts: fields[11],
    enqueuedAt: fields[12],
    deliverAt: fields[13],
    nextAttemptAt: fields[14],
    handledAt: fields[15],
    outcome: fields[16] === null ? null : JSON.parse(fields[16]) as Outcome,
    failures: JSON.parse(fields[17]) as Failure[],
    expiresAt: fields[18],
    replyTo: fields[19] === null ? null : JSON.parse(fields[19]) as ReplyTo,
  };
}

/** Rows as records, for statements that were run in a batch. */
export function messagesOf(shard: number, rows: readonly Row[]): MessageRecord[] {
  return rows.map((row) => toRecord(shard, row));
}

/** Writes each message as it now is, whether or not it was there. */
export const upsertMessages: (rows: readonly MessageRow[]) => Statement[] = rowWriter(
  `INSERT INTO messages (${columns})`,
  20,
  `ON CONFLICT (id, actor) DO UPDATE SET
    seq = excluded.seq, input = excluded.input, original_input = excluded.original_input,
    status = excluded.status, attempts = excluded.attempts, deliver_at = excluded.deliver_at,
    next_attempt_at = excluded.next_attempt_at, handled_at = excluded.handled_at,
    outcome = excluded.outcome, failures = excluded.failures`,
);

/** Which message becomes a dead letter, after how many attempts, when, and why (a text of this program). */
export type BuriedRow = readonly [id: string, actor: string, attempts: number, at: number, error: string];

/** Marks messages as dead letters; what else their rows hold stays as it is. */
export function buryMessages(rows: readonly BuriedRow[]): Statement {
  return {
    sql: `UPDATE messages SET status = 'dead', attempts = wanted.value ->> 2, next_attempt_at = NULL,
        failures = json_insert(failures, '$[#]', json_object(
          'attempt', wanted.value ->> 2, 'at', wanted.value ->> 3, 'error', wanted.value ->> 4))
      FROM json_each(?) AS wanted
      WHERE messages.id = wanted.value ->> 0 AND messages.actor = wanted.value ->> 1`,
    args: [JSON.stringify(rows)],
  };
}

/** Deletes what was handled before a time, at most `limit` rows, oldest first. */
export function pruneMessages(handledBefore: number, limit: number): Statement {
  return {
    sql: `DELETE FROM messages WHERE seq IN (
      SELECT seq FROM messages WHERE handled_at IS NOT NULL AND handled_at < ? ORDER BY handled_at, seq LIMIT ?
    )`,
    args: [handledBefore, limit],
  };
}

/** How many messages were handled before a time, counted up to `limit`. */
export async function countPrunable(
  database: Database,
  handledBefore: number,
  limit: number,
): Promise<number> {
  const [row] = await database.execute({
    sql: `SELECT count(*) FROM (
      SELECT 1 FROM messages WHERE handled_at IS NOT NULL AND handled_at < ? LIMIT ?
    )`,
    args: [handledBefore, limit],
  });
  return Number(row?.[0]);
}

/** The messages with these ids, each for its actor. */
export function selectMessages(wanted: readonly (readonly [id: string, actor: string])[]): Statement {
  return {
    sql: `SELECT ${columns} FROM (SELECT value FROM json_each(?)) AS wanted
      CROSS JOIN messages ON id = wanted.value ->> 0 AND actor = wanted.value ->> 1`,
    args: [JSON.stringify(wanted)],
  };
}

/** Which messages, by SQL of this program, never of its users, with numbered parameters; and their order. */
interface WantedMessages {
  readonly where: string;
  readonly args: readonly SqlValue[];
  /** Columns that tell them apart, and the order by these. */
  readonly keys?: string;
  readonly order?: string;
}

function pageSourceOf({ where, args, keys = "seq", order = keys }: WantedMessages): PageSource {
  const select = (columns: string) => `SELECT ${columns} FROM messages WHERE ${where}`;
  return { columns: columnNames, long, keys, order, select, args };
}

async function readMessagePage(
  database: Database,
  shard: number,
  wanted: WantedMessages,
  bound: PageBound,
): Promise<Page<MessageRecord>> {
  return mapPage(await readPage(database, pageSourceOf(wanted), bound), (row) => toRecord(shard, row));
}

/** A message without what may be long of it: input, reply, details. */
export type MessageSummary = Omit<MessageRecord, "input" | "originalInput" | "outcome" | "replyTo"> & {
  /** Whether it was done or rejected. */
  readonly hasOutcome: boolean;
};

/** Messages of which nothing long is read. @param wanted Its `where` goes on with `ORDER BY` and `LIMIT`. */
export async function readSummariesWhere(
  database: Database,
  shard: number,
  { where, args }: Pick<WantedMessages, "where" | "args">,
): Promise<MessageSummary[]> {
  const short: Readonly<Record<string, string>> = {
    ...{ input: "'null'", original_input: "NULL", reply_to: "NULL" },
    outcome: "CASE WHEN outcome IS NOT NULL THEN 'true' END",
  };
  const shown = columnNames.map((column) => short[column] ?? column).join(", ");
  const rows = await database.execute({ sql: `SELECT ${shown} FROM messages WHERE ${where}`, args });
  return messagesOf(shard, rows).map(({ input: _, originalInput: _o, replyTo: _r, outcome, ...rest }) => ({
    ...rest,
    hasOutcome: outcome !== null,
  }));
}

/** All messages with an id: one for each actor that was sent it, or that of one actor. */
export function readMessagesById(
  database: Database,
  shard: number,
  id: string,
  actor?: string,
): Promise<MessageRecord[]> {
  const where = "id = ?1 AND (?2 IS NULL OR actor = ?2) LIMIT 100";
  return readMessagesWhere(database, shard, { where, args: [id, actor ?? null] });
}

/** Messages with one correlation id, in order of admission. */
export function readMessagesOfCorrelation(
  database: Database,
  shard: number,
  wanted: { correlationId: string; limit: number },
): Promise<MessageSummary[]> {
  return readSummariesWhere(database, shard, {
    where: "correlation_id = ? ORDER BY seq LIMIT ?",
    args: [wanted.correlationId, wanted.limit],
  });
}

/** Messages of which all is read, however much that is. @param where What follows `WHERE`. */
export async function readMessagesWhere(
  database: Database,
  shard: number,
  { where, args }: Pick<WantedMessages, "where" | "args">,
): Promise<MessageRecord[]> {
  const rows = await database.execute({ sql: `SELECT ${columns} FROM messages WHERE ${where}`, args });
  return messagesOf(shard, rows);
}

/** Messages that are due and not yet handled, in mailbox order, after a place in that order. */
export function readPending(
  database: Database,
  shard: number,
  page: PageBound & { after: { deliverAt: number; seq: number }; deliverBefore: number },
): Promise<Page<MessageRecord>> {
  return readMessagePage(database, shard, {
    where: `status IN ('queued', 'retrying') AND (deliver_at, seq) > (?1, ?2) AND deliver_at <= ?3`,
    keys: "deliver_at, seq",
    args: [page.after.deliverAt, page.after.seq, page.deliverBefore],
  }, page);
}

/** When the first message after a time is to be delivered. */
export async function nextDeliveryAt(database: Database, after: number): Promise<number | undefined> {
  const [row] = await database.execute({
    sql: `SELECT min(deliver_at) FROM messages WHERE status IN ('queued', 'retrying') AND deliver_at > ?`,
    args: [after],
  });
  return typeof row?.[0] === "number" ? row[0] : undefined;
}

/** Messages that wait for a time to come, soonest first: all, or an actor's. */
export function readDelayed(
  database: Database,
  shard: number,
  page: { after: number; actor?: string | undefined; limit: number },
): Promise<MessageSummary[]> {
  return readSummariesWhere(database, shard, {
    where: `status IN ('queued', 'retrying') AND deliver_at > ?1 AND (?2 IS NULL OR actor = ?2)
      ORDER BY deliver_at, seq LIMIT ?3`,
    args: [page.after, page.actor ?? null, page.limit],
  });
}

/** Which dead letters: all, or those of an actor type, an actor, a command. */
export interface DeadLetterFilter {
  readonly type?: string | undefined;
  readonly actor?: string | undefined;
  readonly command?: string | undefined;
  /** Text that the last error holds. */
  readonly error?: string | undefined;
}

/** Dead letters that nobody has dealt with, behind ?1; ?2 to ?5 are `deadArguments`. */
export const whereDead = `status = 'dead' AND handled_at IS NULL AND seq > ?1
      AND (?2 IS NULL OR substr(actor, 1, length(?2) + 1) = ?2 || '/')
      AND (?3 IS NULL OR actor = ?3)
      AND (?4 IS NULL OR command = ?4)
      AND (?5 IS NULL OR instr(failures ->> '$[#-1].error', ?5) > 0)`;

export function deadArguments({ type, actor, command, error }: DeadLetterFilter): (string | null)[] {
  return [type ?? null, actor ?? null, command ?? null, error ?? null];
}

/** Dead letters that nobody has dealt with, in order of admission. */
export function readDeadLetters(
  database: Database,
  shard: number,
  page: DeadLetterFilter & PageBound & { after: number },
): Promise<Page<MessageRecord>> {
  const args = [page.after, ...deadArguments(page)];
  return readMessagePage(database, shard, { where: whereDead, args }, page);
}

/** How many dead letters there are of one command of one actor type. */
export interface DeadLetterCount {
  readonly type: string;
  readonly command: string;
  readonly count: number;
}

/** Counts dead letters that nobody has dealt with, up to `limit` of them. */
export async function countDeadLetters(
  database: Pick<Database, "execute">,
  limit: number,
): Promise<DeadLetterCount[]> {
  const rows = await database.execute({
    sql: `SELECT type, command, count(*) FROM (
      SELECT substr(actor, 1, instr(actor, '/') - 1) AS type, command FROM messages
      WHERE status = 'dead' AND handled_at IS NULL LIMIT ?
    ) GROUP BY type, command ORDER BY type, command`,
    args: [limit],
  });
  return rows.map(([type, command, count]) => ({
    type: String(type),
    command: String(command),
    count: Number(count),
  }));
}
