import type { Row, Statement } from "./database.ts";
import { rowWriter } from "./row_writer.ts";

/** States of actors at a version: a cache, which may be deleted at any time. */
export const createSnapshots = [
  `CREATE TABLE snapshots (
    actor TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
];

/** What came with the sixth schema version: rows are found without going through the states of others. */
export const moveSnapshots = [
  `CREATE TABLE snapshots_moved AS SELECT actor, version, fingerprint, state FROM snapshots`,
  `DROP TABLE snapshots`,
  `CREATE TABLE snapshots (
    actor TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL
  ) STRICT`,
  `INSERT INTO snapshots SELECT actor, version, fingerprint, state FROM snapshots_moved`,
  `DROP TABLE snapshots_moved`,
];

/** `state` is JSON text; `fingerprint` is of the code that made it. */
export type SnapshotRow = [actor: string, version: number, fingerprint: string, state: string];

export const upsertSnapshots: (rows: readonly SnapshotRow[]) => Statement[] = rowWriter(
  "INSERT INTO snapshots",
  4,
  `ON CONFLICT (actor) DO UPDATE
    SET version = excluded.version, fingerprint = excluded.fingerprint, state = excluded.state`,
);

/** Usable snapshots of the wanted actors (`[actor, _, fingerprint]`). */
export function selectSnapshots(wanted: readonly (readonly [string, number, string])[]): Statement {
  return {
    sql: `SELECT s.actor, s.version, s.fingerprint, s.state FROM (SELECT value FROM json_each(?)) AS wanted
      CROSS JOIN snapshots AS s ON s.actor = wanted.value ->> 0 AND s.fingerprint = wanted.value ->> 2`,
    args: [JSON.stringify(wanted)],
  };
}

export function snapshotOf(row: Row): { actor: string; version: number; state: unknown } {
  const [actor, version, , state] = row as SnapshotRow;
  return { actor, version, state: JSON.parse(state) };
}
