import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";

/** What is on disk of one command and of all that its turn has asked for, with its actor as ?1 and its id as ?2. */
const kinds = {
  events: "SELECT count(*) FROM events WHERE actor = ?1",
  replies: "SELECT count(*) FROM messages WHERE id = ?2 AND actor = ?1 AND outcome IS NOT NULL",
  snapshots: "SELECT count(*) FROM snapshots WHERE actor = ?1",
  timers: "SELECT count(*) FROM timers WHERE actor = ?1",
  messages: "SELECT count(*) FROM messages WHERE causation_id = ?2",
  outbox: "SELECT count(*) FROM outbox WHERE message ->> 'causationId' = ?2",
};

/** Looks into the file of a shard that no server holds. @returns Rows by kind, as `textOf` tells them. */
export async function readRemains(file: string, actor: string, id: string): Promise<string> {
  const counts = await look(file, Object.values(kinds), [actor, id]);
  return textOf(Object.fromEntries(Object.keys(kinds).map((kind, at) => [kind, counts[at]?.[0] ?? 0])));
}

export function textOf(rows: Readonly<Record<keyof typeof kinds | string, number>>): string {
  return Object.keys(kinds).map((kind) => `${kind} ${rows[kind] ?? 0}`).join(", ");
}

/**
 * Looks into the files of a shard and of the read models that no server holds.
 *
 * @returns Events that are in an actor's row, and those that its projection's checkpoint says are.
 */
export async function readProjected(
  folder: string,
  shard: number,
  actor: string,
): Promise<{ inRow: number; behindCheckpoint: number }> {
  const file = `${folder}/read.db`;
  const [[generation = 0] = []] = await look(file, [
    `SELECT generation FROM projections WHERE name = 'tallies'`,
  ], []);
  const [[inRow = 0] = [], [position = 0] = []] = await look(file, [
    `SELECT coalesce(max(events), 0) FROM tallies__${generation} WHERE name = ?1 AND ?2 = ?2`,
    `SELECT coalesce(max(position), 0) FROM projection_checkpoints
      WHERE ?1 = ?1 AND generation = ${generation} AND shard = ?2`,
  ], [actor, shard]);
  const [[behindCheckpoint = 0] = []] = await look(
    `${folder}/shard-${shard}.db`,
    [`SELECT count(*) FROM events WHERE actor = ?1 AND position <= ?2`],
    [actor, position],
  );
  return { inRow, behindCheckpoint };
}

/** The first row of each query, in numbers. */
async function look(
  file: string,
  queries: readonly string[],
  args: (string | number)[],
): Promise<number[][]> {
  const database = openLibsqlDatabase({ url: `file:${file}` });
  try {
    const found = await database.batch(queries.map((sql) => ({ sql, args })), "read");
    return found.map((rows) => (rows[0] ?? []).map(Number));
  } finally {
    await database.close();
  }
}
