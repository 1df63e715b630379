/** Databases for tests: every way that Folio opens one, and the folders they lie in. */
import { onTestFinished } from "vitest";
import type { Commit } from "../../src/store/commit.ts";
import type { Database } from "../../src/store/database.ts";
import { openClientDatabase, openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import type { EventRow } from "../../src/store/events.ts";
import type { MessageRow } from "../../src/store/messages.ts";
import { openShardStore, type ShardStore } from "../../src/store/shard_store.ts";
import { openWorkerDatabase } from "../../src/store/worker_database.ts";

/** A folder that is gone when the test is over. */
export function temporaryFolder(): string {
  const path = Deno.makeTempDirSync({ prefix: "folio-test-" });
  onTestFinished(() => Deno.removeSync(path, { recursive: true }));
  return path;
}

/** The implementations of the port, each of which has to pass the same tests. */
export const databaseKinds: { kind: string; isFile: boolean; open: () => Promise<Database> }[] = [
  {
    kind: "in memory",
    isFile: false,
    open: () => Promise.resolve(openLibsqlDatabase({ url: "file::memory:" })),
  },
  {
    kind: "in a file on this thread",
    isFile: true,
    open: () => Promise.resolve(openLibsqlDatabase({ url: `file:${temporaryFolder()}/test.db` })),
  },
  {
    kind: "by the client for servers",
    isFile: true,
    open: () => Promise.resolve(openClientDatabase({ url: `file:${temporaryFolder()}/test.db` })),
  },
  {
    kind: "in a file on a worker thread",
    isFile: true,
    open: () => openWorkerDatabase({ url: `file:${temporaryFolder()}/test.db` }),
  },
];

/** Closes a database when the test is over, whether or not the test has. */
export async function closedAtEnd(opening: Database | Promise<Database>): Promise<Database> {
  const database = await opening;
  onTestFinished(() => database.close().catch(() => {}));
  return database;
}

/** Opens the only shard of a store, in memory unless told otherwise. */
export async function openStore(
  kind: typeof databaseKinds[number] | undefined = databaseKinds[0],
): Promise<ShardStore> {
  if (!kind) throw new Error("There is no kind of database");
  const database = await closedAtEnd(kind.open());
  return await openShardStore(database, { name: "test.db", shard: 0, shards: 1, isFile: kind.isFile });
}

/** Every row of every table, by the table's name. */
export async function dump(database: Database): Promise<Record<string, unknown[]>> {
  const tables = await database.execute({
    sql: `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`,
  });
  const contents: Record<string, unknown[]> = {};
  for (const [table] of tables) {
    const rows = await database.execute({ sql: `SELECT * FROM ${table} ORDER BY 1` });
    // Who holds a database is not part of what is in it.
    contents[String(table)] = rows.filter(([key]) => !(table === "meta" && key === "holder"));
  }
  return contents;
}

/** A commit of epoch 1 that changes nothing but what is given. */
export function commitOf(index: number, changes: Partial<Commit> = {}): Commit {
  return {
    index,
    epoch: 1,
    id: `commit-${index}`,
    at: 1_000 + index,
    events: [],
    messages: [],
    outbox: [],
    relayed: [],
    snapshots: [],
    timers: [],
    timersGone: [],
    checkpoints: [],
    prune: null,
    ...changes,
  };
}

/** An event of `thing/a`, whose version is its position unless told otherwise. */
export function eventRow(
  position: number,
  event: {
    actor?: string;
    version?: number;
    type?: string;
    payload?: unknown;
    messageId?: string;
    at?: number;
  } = {},
): EventRow {
  const { actor = "thing/a", version = position, type = "Added", payload = { n: position } } = event;
  const { messageId = `message-${position}`, at = 1_000 } = event;
  return [position, actor, version, type, 1, JSON.stringify(payload), at, messageId, null, null];
}

/** A queued message, due at once, with what is given changed. */
export function queuedMessage(seq: number, changes: Partial<MessageFields> = {}): MessageRow {
  const fields: MessageFields = {
    id: `m${seq}`,
    actor: "thing/a",
    command: "add",
    input: { n: seq },
    status: "queued",
    attempts: 0,
    deliverAt: 100,
    handledAt: null,
    failures: [],
    ...changes,
  };
  const { id, actor, command, input, status, attempts, deliverAt, handledAt, failures } = fields;
  const outcome = status === "done" ? `{"status":"done","reply":${seq},"version":1,"position":1}` : null;
  return [
    ...[seq, id, actor, command, JSON.stringify(input), null, `c-${id}`, null, null, null] as const,
    ...[
      status,
      attempts,
      100,
      deliverAt,
      null,
      handledAt,
      outcome,
      JSON.stringify(failures),
      null,
      null,
    ] as const,
  ];
}

interface MessageFields {
  id: string;
  actor: string;
  command: string;
  input: unknown;
  status: MessageRow[10];
  attempts: number;
  deliverAt: number;
  handledAt: number | null;
  failures: { attempt: number; at: number; error: string }[];
}
