import type { Database } from "./database.ts";

/** An instance of a saga, by the newest of its events that says how it stands. */
export interface SagaRow {
  readonly actor: string;
  readonly version: number;
  /** Type of that event. */
  readonly type: string;
}

/**
 * Instances of a saga in the order of their names.
 *
 * @param query `types`: events that say how an instance stands. `only`: those wanted of them.
 */
export async function readSagas(
  database: Database,
  query: {
    saga: string;
    after: string;
    types: readonly string[];
    only: readonly string[];
    limit: number;
  },
): Promise<SagaRow[]> {
  const rows = await database.execute({
    // The character after "/" ends the range.
    sql: `SELECT actor, max(version), (
        SELECT type FROM main.events AS said WHERE said.actor = events.actor
          AND said.type IN (SELECT value FROM json_each(?3)) ORDER BY said.version DESC LIMIT 1
      ) AS status
      FROM main.events AS events WHERE actor > ?1 AND actor < ?2
      GROUP BY actor HAVING status IN (SELECT value FROM json_each(?4)) ORDER BY actor LIMIT ?5`,
    args: [
      `${query.saga}/${query.after}`,
      `${query.saga}0`,
      JSON.stringify(query.types),
      JSON.stringify(query.only),
      query.limit,
    ],
  });
  return rows.map(([actor, version, type]) => ({
    actor: String(actor),
    version: Number(version),
    type: String(type),
  }));
}
