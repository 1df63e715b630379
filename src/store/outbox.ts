import type { Message } from "../core/message.ts";
import type { Database, Statement } from "./database.ts";
import { rowWriter } from "./row_writer.ts";

/** Messages on their way to other shards, until those have them on disk. */
export const createOutbox = [
  `CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    message TEXT NOT NULL
  ) STRICT`,
  `CREATE INDEX outbox_shard ON outbox (shard, seq)`,
];

/** `shard` is where it goes; `message` is JSON text of a `Message`. */
export type OutboxRow = [seq: number, shard: number, message: string];

export const insertOutbox: (rows: readonly OutboxRow[]) => Statement[] = rowWriter("INSERT INTO outbox", 3);

export function deleteOutbox(seqs: readonly number[]): Statement {
  return {
    sql: `DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(?))`,
    args: [JSON.stringify(seqs)],
  };
}

/** What waits for one other shard, in the order sent. */
export async function readOutbox(
  database: Database,
  page: { shard: number; after: number; limit: number },
): Promise<{ seq: number; message: Message }[]> {
  const rows = await database.execute({
    sql: `SELECT seq, shard, message FROM outbox WHERE shard = ? AND seq > ? ORDER BY seq LIMIT ?`,
    args: [page.shard, page.after, page.limit],
  });
  return rows.map((row) => {
    const [seq, , message] = row as OutboxRow;
    return { seq, message: JSON.parse(message) };
  });
}

/** How many messages wait for other shards. */
export async function countOutbox(database: Database): Promise<number> {
  const [row] = await database.execute({ sql: `SELECT count(*) FROM outbox` });
  return Number(row?.[0]);
}

/** When the message that has waited longest was sent, in milliseconds since the Unix epoch. */
export async function readOutboxOldest(database: Database): Promise<number | undefined> {
  const [row] = await database.execute({
    sql: `SELECT message ->> 'enqueuedAt' FROM outbox ORDER BY seq LIMIT 1`,
  });
  return row === undefined ? undefined : Number(row[0]);
}
