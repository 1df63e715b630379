import type { CommandRequest } from "../core/command.ts";
import type { Database, Row, Statement } from "./database.ts";
import { mapPage, type Page, type PageBound, type PageSource, readPage } from "./page.ts";
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

/**
 * What came with the sixth schema version: rows are found by a key beside them. A table without rowids goes through
 * the texts of all rows that it passes on its way to one: with 200 timers of 1 MB, each row took 1.3 ms.
 */
export const moveTimers = [
  `CREATE TABLE timers_moved AS SELECT actor, name, id, due_at, message FROM timers`,
  `DROP TABLE timers`,
  `CREATE TABLE timers (
    actor TEXT NOT NULL,
    name TEXT NOT NULL,
    id TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (actor, name)
  ) STRICT`,
  `INSERT INTO timers SELECT actor, name, id, due_at, message FROM timers_moved`,
  `DROP TABLE timers_moved`,
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

const columns = ["actor", "name", "id", "due_at", "message"];

/** Timers after a place in the order of due times, and due by a time, soonest first. */
export async function readTimers(
  database: Database,
  page: PageBound & { after: { at: number; order: string | number }; upTo: number },
): Promise<Page<Timer>> {
  const source: PageSource = {
    ...{ columns, long: ["message"], keys: "due_at, id", order: "due_at, id" },
    select: (columns) => `SELECT ${columns} FROM timers WHERE (due_at, id) > (?1, ?2) AND due_at <= ?3`,
    args: [page.after.at, String(page.after.order), page.upTo],
  };
  return mapPage(await readPage(database, source, page), (row) => {
    const [actor, name, id, dueAt, message] = row as TimerRow;
    return { actor, name, id, dueAt, ...JSON.parse(message) };
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

/** A timer without the input that it sends, which may be long. */
export type TimerSummary = Omit<Timer, "request" | "traceparent"> & {
  readonly request: Omit<Timer["request"], "input">;
};

/** Which timers: of all actors or of some, with one correlation id if it is given. */
export interface TimerSummaryQuery extends PageBound {
  readonly actors?: readonly string[] | undefined;
  readonly correlationId?: string | undefined;
}

/**
 * So many timers, soonest first. SQLite has to go through all of a message for what is told of it: that holds the
 * database for so many bytes at a time, and no longer.
 */
export async function readTimerSummaries(
  database: Database,
  { actors, correlationId, limit, bytesMax }: TimerSummaryQuery,
): Promise<TimerSummary[]> {
  const found: TimerSummary[] = [];
  let [at, id] = [-Number.MAX_SAFE_INTEGER, ""];
  for (let hasMore = true; hasMore && found.length < limit;) {
    const page = await readPage(database, summariesAfter(at, id, actors), {
      // Where only some are wanted, how many have to be looked at is not known.
      ...{
        limit: correlationId === undefined
          ? Math.min(limit - found.length, TIMERS_PER_READ)
          : TIMERS_PER_READ,
      },
      bytesMax,
    });
    const timers = page.items.map(timerSummary);
    found.push(
      ...timers.filter((timer) => correlationId === undefined || timer.correlationId === correlationId),
    );
    ({ dueAt: at, id } = timers.at(-1) ?? { dueAt: at, id });
    hasMore = page.hasMore;
  }
  return found.slice(0, limit);
}

const TIMERS_PER_READ = 1_000;

function summariesAfter(at: number, id: string, actors: readonly string[] | undefined): PageSource {
  const whose = actors ? "actor IN (SELECT value FROM json_each(?3))" : "?3 IS NULL";
  return {
    columns: [
      ...["actor", "name", "id", "due_at"],
      ...["request.type", "request.key", "request.command", "causationId", "correlationId"]
        .map((path) => `message ->> '$.${path}'`),
    ],
    ...{ long: ["message"], keys: "due_at, id", order: "due_at, id" },
    select: (columns) => `SELECT ${columns} FROM timers WHERE (due_at, id) > (?1, ?2) AND ${whose}`,
    args: [at, id, actors ? JSON.stringify(actors) : null],
  };
}

function timerSummary(row: Row): TimerSummary {
  const [actor, name, id, dueAt, type, key, command, causationId, correlationId] = row;
  return {
    ...{ actor: String(actor), name: String(name), id: String(id), dueAt: Number(dueAt) },
    request: { type: String(type), key: String(key), command: String(command) },
    ...{ causationId: String(causationId), correlationId: String(correlationId) },
  };
}
