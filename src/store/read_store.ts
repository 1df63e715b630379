import type { Database, Row, SqlValue, Statement } from "./database.ts";
import type { Migration } from "./migrations.ts";

/** Which generation of each projection's tables serves, which are being built, and how far each has come. */
const createProjections = [
  `CREATE TABLE projections (
    name TEXT PRIMARY KEY,
    generation INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE generations (
    projection TEXT NOT NULL,
    generation INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (projection, generation)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE generation_tables (
    projection TEXT NOT NULL,
    generation INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (projection, generation, name)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE checkpoints (
    projection TEXT NOT NULL,
    generation INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (projection, generation, shard)
  ) STRICT, WITHOUT ROWID`,
];

export const readMigrations: readonly Migration[] = [createProjections];

/** One set of a projection's tables. */
export interface Generation {
  readonly projection: string;
  readonly generation: number;
  /** Version of the projection that it was made by. */
  readonly version: number;
  readonly isServing: boolean;
}

export async function readGenerations(database: Database, projection: string): Promise<Generation[]> {
  const rows = await database.execute({
    sql: `SELECT g.generation, g.version, g.generation = p.generation
      FROM generations AS g LEFT JOIN projections AS p ON p.name = g.projection
      WHERE g.projection = ? ORDER BY g.generation`,
    args: [projection],
  });
  return rows.map(([generation, version, isServing]) => ({
    projection,
    generation: Number(generation),
    version: Number(version),
    isServing: isServing === 1,
  }));
}

/** Makes the tables of a new generation. `tables` are complete statements; `names` is what they make. */
export async function createGeneration(
  database: Database,
  generation: Omit<Generation, "isServing">,
  made: { tables: readonly string[]; names: readonly string[] },
): Promise<void> {
  const key = [generation.projection, generation.generation];
  await database.batch([
    { sql: `INSERT INTO generations VALUES (?, ?, ?)`, args: [...key, generation.version] },
    {
      sql: `INSERT INTO generation_tables SELECT ?, ?, value FROM json_each(?)`,
      args: [...key, JSON.stringify(made.names)],
    },
    ...made.tables.map((sql) => ({ sql })),
  ], "write");
}

/** Lets a generation serve, and drops all others, in one transaction. */
export async function serveGeneration(
  database: Database,
  projection: string,
  generation: number,
): Promise<void> {
  await database.batch([
    {
      sql: `INSERT INTO projections VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET generation = ?2`,
      args: [projection, generation],
    },
    ...await dropStatements(database, projection, (other) => other !== generation),
  ], "write");
}

/** Drops one generation that does not serve. */
export async function dropGeneration(
  database: Database,
  projection: string,
  generation: number,
): Promise<void> {
  await database.batch(await dropStatements(database, projection, (other) => other === generation), "write");
}

async function dropStatements(
  database: Database,
  projection: string,
  isWanted: (generation: number) => boolean,
): Promise<Statement[]> {
  const statements: Statement[] = [];
  for (const { generation } of await readGenerations(database, projection)) {
    if (!isWanted(generation)) continue;
    const args = [projection, generation];
    const tables = await database.execute({
      sql: `SELECT name FROM generation_tables WHERE projection = ? AND generation = ?`,
      args,
    });
    for (const [name] of tables) statements.push({ sql: `DROP TABLE IF EXISTS "${name}"` });
    for (const table of ["checkpoints", "generation_tables", "generations"]) {
      statements.push({ sql: `DELETE FROM ${table} WHERE projection = ? AND generation = ?`, args });
    }
  }
  return statements;
}

export async function readCheckpoints(
  database: Database,
  projection: string,
  generation: number,
): Promise<Map<number, number>> {
  const rows = await database.execute(selectCheckpoints(projection, generation));
  return checkpointsOf(rows);
}

/**
 * Runs a query and tells how far the rows it saw had come, from one snapshot of the database.
 *
 * @param of `columns`: what to take of each row, in order; at most `rowsMax` rows and one more.
 */
export async function readRows(
  database: Database,
  of: {
    projection: string;
    generation: number;
    sql: string;
    args: readonly SqlValue[];
    columns: readonly string[];
    rowsMax: number;
  },
): Promise<{ rows: Row[]; checkpoints: Map<number, number> }> {
  const columns = of.columns.map((column) => `[${column}]`).join(", ");
  const [checkpoints = [], rows = []] = await database.batch([
    selectCheckpoints(of.projection, of.generation),
    // As a subquery it can only be one SELECT: whatever would write is a syntax error here.
    { sql: `SELECT ${columns} FROM (${of.sql}\n) LIMIT ${of.rowsMax + 1}`, args: of.args },
  ], "read");
  return { rows, checkpoints: checkpointsOf(checkpoints) };
}

function selectCheckpoints(projection: string, generation: number): Statement {
  return {
    sql: `SELECT shard, position FROM checkpoints WHERE projection = ? AND generation = ?`,
    args: [projection, generation],
  };
}

function checkpointsOf(rows: readonly Row[]): Map<number, number> {
  return new Map(rows.map(([shard, position]) => [Number(shard), Number(position)]));
}

/**
 * Moves a checkpoint on. Belongs into the transaction of the rows it stands for: when somebody else has moved
 * it meanwhile, or dropped the generation, `position` comes out as NULL, and all of it fails.
 */
export function moveCheckpoint(
  of: { projection: string; generation: number; shard: number },
  from: number,
  to: number,
): Statement {
  return {
    sql: `INSERT INTO checkpoints VALUES (?1, ?2, ?3, (
        SELECT ?5 FROM generations WHERE projection = ?1 AND generation = ?2 AND ?4 = coalesce((
          SELECT position FROM checkpoints WHERE projection = ?1 AND generation = ?2 AND shard = ?3
        ), 0)
      )) ON CONFLICT (projection, generation, shard) DO UPDATE SET position = excluded.position`,
    args: [of.projection, of.generation, of.shard, from, to],
  };
}
