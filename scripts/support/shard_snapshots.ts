/**
 * Copies of all shards as they were at one instant, while a server goes on writing to them.
 *
 * Why one instant. A message to another shard is made durable three times over: (1) the sender's commit puts
 * it into the sender's outbox, (2) the receiver's commit puts it into the receiver's mailbox, (3) another
 * commit of the sender takes it out of the outbox. Each commit is one transaction of one shard. Copied one
 * after the other, two shards can be caught in two ways that no order of copying avoids, since messages go
 * both ways:
 *
 * - the receiver before (2) and the sender after (3): the message is in neither copy. It is lost.
 * - the sender before (1) and the receiver after (2): the effect is there without its cause. When the restored
 *   sender runs that turn again, its message gets another id, which nobody recognises: it is handled twice.
 *
 * Copies of one instant have neither. Between (2) and (3) they hold the message twice, in the outbox and in
 * the mailbox; it is then carried again and recognised by its id, as after a crash.
 *
 * How. A read transaction of SQLite (in WAL mode) sees the database as it was when it began, however long it
 * lasts, and holds nobody up. So only their beginnings have to coincide: the write lock of every shard is
 * taken (`BEGIN IMMEDIATE`, which writes nothing), so that no shard can commit; a read transaction is begun on
 * every shard; the locks are let go. Commits wait for some milliseconds. The copying itself comes after.
 *
 * Invariants:
 * 1. All locks are held at the moment when each read transaction begins.
 * 2. No lock is held for longer than `LOCK_MS_MAX`, far less than the server's own patience with a busy
 *    database (5 s), beyond which it would take its store for unavailable.
 * 3. A lock that is not free is asked for again, never waited for inside SQLite: its waits grow to 100 ms,
 *    during which a busy shard is free many times.
 */
import { type Client, createClient, LibsqlError, type Transaction } from "@libsql/client";
import { ScriptError } from "./errors.ts";
import { fileUrl } from "./store_folder.ts";

const LOCK_MS_MAX = 500;
const LOCK_RETRY_MS = 1;
const ATTEMPTS_MAX = 20;
const ATTEMPT_DELAY_MS = 100;

/** Where a shard lies, and where its copy is to be made. */
export interface ShardCopy {
  readonly source: string;
  /** No file yet. */
  readonly target: string;
}

/** All shards as they were at one instant, until it is closed. */
export interface ShardSnapshots {
  /** For how long commits had to wait. */
  readonly lockedMs: number;
  /** Rows of a shard's snapshot; the tables are in the schema `source`. */
  query(shard: number, sql: string): Promise<(string | number | null)[][]>;
  /** Writes a shard's snapshot to its target, without gaps or leftovers. */
  copy(shard: number): Promise<void>;
  close(): void;
}

/** @throws {ScriptError} When the shards are never free all at once. */
export async function takeSnapshots(copies: readonly ShardCopy[]): Promise<ShardSnapshots> {
  const clients: Client[] = [];
  const close = () => {
    for (const client of clients.splice(0)) client.close();
  };
  try {
    const readers: Client[] = [];
    const writers: Client[] = [];
    for (const { source, target } of copies) {
      clients.push(readers[readers.length] = await openCopy(source, target));
      clients.push(writers[writers.length] = createClient({ url: fileUrl(source), concurrency: 1 }));
    }
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const snapshots = await beginAll(readers, writers);
      if (snapshots) return { ...access(snapshots.begun), lockedMs: snapshots.lockedMs, close };
      await delay(ATTEMPT_DELAY_MS);
    }
    throw new ScriptError(
      "Cannot take a snapshot: the shards are never free at once; try when less is written",
    );
  } catch (error) {
    close();
    throw error;
  }
}

/** The new database, with the shard attached to it: `CREATE` statements then run as they are recorded. */
async function openCopy(source: string, target: string): Promise<Client> {
  const client = createClient({ url: fileUrl(target), concurrency: 1 });
  // Half a copy is thrown away, and a whole one is brought to the disk at the end.
  for (const pragma of ["journal_mode = OFF", "synchronous = OFF", "busy_timeout = 5000"]) {
    await client.execute(`PRAGMA ${pragma}`);
  }
  await client.execute({ sql: "ATTACH ? AS source", args: [source] });
  return client;
}

async function beginAll(
  readers: readonly Client[],
  writers: readonly Client[],
): Promise<{ begun: Transaction[]; lockedMs: number } | undefined> {
  const locks: Transaction[] = [];
  let lockedAt: number | undefined;
  try {
    for (const writer of writers) {
      const lock = await lockBefore(writer, (lockedAt ?? performance.now()) + LOCK_MS_MAX);
      if (!lock) return undefined;
      lockedAt ??= performance.now();
      locks.push(lock);
    }
    const begun: Transaction[] = [];
    for (const reader of readers) {
      const transaction = await reader.transaction("deferred");
      // It begins with the first read.
      await transaction.execute("SELECT 1 FROM source.meta LIMIT 1");
      begun.push(transaction);
    }
    return { begun, lockedMs: performance.now() - (lockedAt ?? 0) };
  } finally {
    for (const lock of locks) lock.close();
  }
}

async function lockBefore(client: Client, deadline: number): Promise<Transaction | undefined> {
  while (true) {
    try {
      return await client.transaction("write");
    } catch (error) {
      if (!(error instanceof LibsqlError && error.code.startsWith("SQLITE_BUSY"))) throw error;
    }
    if (performance.now() > deadline) return undefined;
    await delay(LOCK_RETRY_MS);
  }
}

function access(begun: readonly Transaction[]): Pick<ShardSnapshots, "query" | "copy"> {
  const query = async (shard: number, sql: string) => {
    const transaction = begun[shard];
    if (!transaction) throw new RangeError(`There is no snapshot of shard ${shard}`);
    const { rows, columns } = await transaction.execute(sql);
    return rows.map((row) => columns.map((_, index) => row[index] as string | number | null));
  };
  return {
    query,
    async copy(shard) {
      const objects = await query(
        shard,
        `SELECT type, name, sql FROM source.sqlite_schema
          WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid`,
      );
      // Indexes before rows: then SQLite copies whole pages of both, as VACUUM does.
      for (const [, , sql] of objects) await query(shard, String(sql));
      for (const [type, name] of objects) {
        if (type === "table") await query(shard, `INSERT INTO main."${name}" SELECT * FROM source."${name}"`);
      }
      await begun[shard]?.commit();
    },
  };
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
