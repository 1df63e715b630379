import type { CommandRequest } from "../core/command.ts";
import type { Database, Statement } from "./database.ts";
import { rowWriter } from "./row_writer.ts";

/** Messages to be sent later, one a name and actor, until they are sent or cancelled. */
export const createTimers = [
  `CREATE TABLE timers (
    actor TEXT NOT NULL,
    name TEXT NOT NULL,
    id TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (actor, name)
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX timers_due ON timers (due_at, id)`,
];

/** What a timer sends when its time comes. */
export interface Timer {
  /** Whose it is, and its name there. */
  readonly actor: string;
  readonly name: string;
  /** Another one each time that it is set. */
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly dueAt: number;
  readonly request: Pick<CommandRequest, "type" | "key" | "command" | "input">;
  /** The message whose turn has set it. */
  readonly causationId: string;
  readonly correlationId: string;
  readonly traceparent: string | null;
}

export type TimerKey = readonly [actor: string, name: string];

/** `message` is JSON text: the rest of a `Timer`. */
export type TimerRow = [actor: string, name: string, id: string, dueAt: number, message: string];

export function timerRow({ actor, name, id, dueAt, ...message }: Timer): TimerRow {
  return [actor, name, id, dueAt, JSON.stringify(message)];
}

/** What tells one timer of a shard from all others; neither part holds a line feed. */
export function timerKey(timer: { actor: string; name: string }): string {
  return `${timer.actor}\n${timer.name}`;
}

export const upsertTimers: (rows: readonly TimerRow[]) => Statement[] = rowWriter(
  "INSERT OR REPLACE INTO timers",
  5,
);

export function deleteTimers(keys: readonly TimerKey[]): Statement {
  return {
    sql: `DELETE FROM timers WHERE (actor, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))`,
    args: [JSON.stringify(keys)],
  };
}

const columns = "actor, name, id, due_at, message";

/** Timers after a place in the order of due times, and due by a time, soonest first. */
export function readTimers(
  database: Database,
  page: { after: { at: number; order: string | number }; upTo: number; limit: number },
): Promise<Timer[]> {
  const { after, upTo, limit } = page;
  return query(database, {
    sql: `SELECT ${columns} FROM timers WHERE (due_at, id) > (?, ?) AND due_at <= ?
      ORDER BY due_at, id LIMIT ?`,
    args: [after.at, String(after.order), upTo, limit],
  });
}

/** When the first timer after a time is due. */
export async function nextTimerAt(database: Database, after: number): Promise<number | undefined> {
  const [row] = await database.execute({
    sql: `SELECT min(due_at) FROM timers WHERE due_at > ?`,
    args: [after],
  });
  return typeof row?.[0] === "number" ? row[0] : undefined;
}

/** Timers of one actor, soonest first. */
export function readTimersOf(database: Database, actor: string, limit: number): Promise<Timer[]> {
  return query(database, {
    sql: `SELECT ${columns} FROM timers WHERE actor = ? ORDER BY due_at, id LIMIT ?`,
    args: [actor, limit],
  });
}

async function query(database: Database, statement: Statement): Promise<Timer[]> {
  const rows = await database.execute(statement);
  return rows.map((row) => {
    const [actor, name, id, dueAt, message] = row as TimerRow;
    return { actor, name, id, dueAt, ...JSON.parse(message) };
  });
}
