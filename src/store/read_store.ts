import type { Positions } from "../core/token.ts";
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
    -- 1 where it is only made to be compared with the one that serves.
    is_copy INTEGER NOT NULL,
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

/** A projection may be rebuilt without its earlier events: then it says where its own begin. */
const addStart = [`ALTER TABLE generations ADD COLUMN starts_after TEXT NOT NULL DEFAULT '[]'`];

export const readMigrations: readonly Migration[] = [createProjections, addStart];

/** One set of a projection's tables. */
export interface Generation {
  readonly projection: string;
  readonly generation: number;
  /** Version of the projection that it was made by. */
  readonly version: number;
  readonly isServing: boolean;
  /** Made only to be compared with the one that serves; never to serve itself. */
  readonly isCopy: boolean;
  /** Positions of the last events that were left out on purpose; of none, where it began with the log. */
  readonly startsAfter: Positions;
}

/** The highest number that a generation of any projection has. Numbers are shared, so that tables of two
 * projections may have the same name. */
export async function readLastGeneration(database: Database): Promise<number> {
  const [row] = await database.execute({ sql: `SELECT coalesce(max(generation), 0) FROM generations` });
  return Number(row?.[0]);
}

/** Names of all projections that have tables, whether or not they are among the modules. */
export async function readProjections(database: Database): Promise<string[]> {
  const rows = await database.execute({ sql: `SELECT DISTINCT projection FROM generations ORDER BY 1` });
  return rows.map(([name]) => String(name));
}

export async function readGenerations(database: Database, projection: string): Promise<Generation[]> {
  const rows = await database.execute({
    sql: `SELECT g.generation, g.version, g.generation = p.generation, g.is_copy, g.starts_after
      FROM generations AS g LEFT JOIN projections AS p ON p.name = g.projection
      WHERE g.projection = ? ORDER BY g.generation`,
    args: [projection],
  });
  return rows.map(([generation, version, isServing, isCopy, startsAfter]) => ({
    projection,
    generation: Number(generation),
    version: Number(version),
    isServing: isServing === 1,
    isCopy: isCopy === 1,
    startsAfter: new Map<number, number>(JSON.parse(String(startsAfter))),
  }));
}

/** What a new generation is made with. */
export interface NewTables {
  /** Complete statements. */
  readonly tables: readonly string[];
  /** Names of what they make. */
  readonly names: readonly string[];
  /** Where rows of the generation that serves are copied from, and how far its events are handled again. */
  readonly kept?: {
    readonly generation: number;
    readonly tables: readonly { readonly from: string; readonly to: string; readonly columns: string }[];
    /** Positions behind which events are handled again, at the latest. */
    readonly upTo: Positions;
  };
}

/** Makes the tables of a new generation, with its checkpoints where it does not begin with the log. */
export async function createGeneration(
  database: Database,
  generation: Omit<Generation, "isServing">,
  { tables, names, kept }: NewTables,
): Promise<void> {
  const key = [generation.projection, generation.generation];
  const statements: Statement[] = [
    {
      sql: `INSERT INTO generations VALUES (?, ?, ?, ?, ?)`,
      args: [
        ...key,
        generation.version,
        Number(generation.isCopy),
        JSON.stringify([...generation.startsAfter]),
      ],
    },
    {
      sql: `INSERT INTO generation_tables SELECT ?, ?, value FROM json_each(?)`,
      args: [...key, JSON.stringify(names)],
    },
    ...tables.map((sql) => ({ sql })),
  ];
  if (!kept) {
    statements.push({
      sql: `INSERT INTO checkpoints SELECT ?1, ?2, value ->> 0, value ->> 1 FROM json_each(?3)`,
      args: [...key, JSON.stringify([...generation.startsAfter])],
    });
  } else {
    for (const { from, to, columns } of kept.tables) {
      statements.push({ sql: `INSERT INTO [${to}] (${columns}) SELECT ${columns} FROM [${from}]` });
    }
    statements.push({
      // What the rows do not reflect yet must not be passed over.
      sql: `INSERT INTO checkpoints SELECT ?1, ?2, value ->> 0, min(value ->> 1, coalesce((
          SELECT position FROM checkpoints WHERE projection = ?1 AND generation = ?3 AND shard = value ->> 0
        ), 0)) FROM json_each(?4)`,
      args: [...key, kept.generation, JSON.stringify([...kept.upTo])],
    });
  }
  await database.batch(statements, "write");
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

/** Drops all that a projection has. */
export async function dropProjection(database: Database, projection: string): Promise<void> {
  await database.batch([
    { sql: `DELETE FROM projections WHERE name = ?`, args: [projection] },
    ...await dropStatements(database, projection, () => true),
  ], "write");
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

/** What a query is made of: any SQL of a projection's own, with tables as they are called in a generation. */
export interface RowsQuery {
  readonly projection: string;
  readonly generation: number;
  readonly sql: string;
  readonly args: readonly SqlValue[];
  /** What to take of each row, in order. */
  readonly columns: readonly string[];
  /** Rows at the most, and one more that says that there were more. */
  readonly rowsMax: number;
}

/** The part of a query that a projection has a say in. As a subquery it can only be one SELECT. */
export function selectRows({ sql, columns, rowsMax }: RowsQuery): string {
  return `SELECT ${columns.map(bracketed).join(", ")} FROM (${sql}\n) LIMIT ${rowsMax + 1}`;
}

/**
 * Runs a query and tells how far the rows it saw had come. It is one statement that gives one row, so that it
 * sees one state of the database, and all its work is done before the first row comes: a reader that can be
 * interrupted only until then can be interrupted always.
 */
export async function readRows(
  database: Pick<Database, "execute">,
  query: RowsQuery,
): Promise<{ rows: SqlValue[][]; checkpoints: Map<number, number> }> {
  const [found] = await database.execute({
    sql: `SELECT
      (SELECT json_group_array(json_array(shard, position)) FROM checkpoints
        WHERE projection = '${query.projection}' AND generation = ${query.generation}),
      (SELECT json_group_array(json_array(${query.columns.map(bracketed).join(", ")})) FROM (${
      selectRows(query)
    }))`,
    args: query.args,
  });
  const [checkpoints, rows] = (found ?? []).map((json) => JSON.parse(String(json)));
  return { rows, checkpoints: checkpointsOf(checkpoints) };
}

/** In quotes that SQLite never takes for those of a text. */
function bracketed(column: string): string {
  return `[${column}]`;
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
