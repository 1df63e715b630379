import type { Database, Statement } from "./database.ts";
import { rowWriter } from "./row_writer.ts";

/** How far reactors have come in the shard's log. Their rows change with what they send, in one commit. */
export const createCheckpoints = [
  `CREATE TABLE checkpoints (
    reactor TEXT PRIMARY KEY,
    position INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
];

export type CheckpointRow = [reactor: string, position: number];

export const upsertCheckpoints: (rows: readonly CheckpointRow[]) => Statement[] = rowWriter(
  "INSERT INTO checkpoints",
  2,
  "ON CONFLICT (reactor) DO UPDATE SET position = excluded.position",
);

/** Where a reactor goes on in this shard; undefined before its first start. */
export async function readCheckpoint(database: Database, reactor: string): Promise<number | undefined> {
  const [row] = await database.execute({
    sql: `SELECT position FROM checkpoints WHERE reactor = ?`,
    args: [reactor],
  });
  return row === undefined ? undefined : Number(row[0]);
}

/** Checkpoints whose names begin with a text. */
export async function readCheckpointsWith(database: Database, prefix: string): Promise<Map<string, number>> {
  const rows = await database.execute({
    sql:
      `SELECT reactor, position FROM checkpoints WHERE substr(reactor, 1, length(?1)) = ?1 ORDER BY reactor`,
    args: [prefix],
  });
  return new Map(rows.map(([name, position]) => [String(name), Number(position)]));
}
