import type { SqlArgument } from "../core/projection.ts";
import type { RowDifference } from "../runtime/read_models.ts";
import type { Database, Row, SqlValue } from "../store/database.ts";

/** A table that serves and one that a replay has filled, as they are called in the database. */
export interface ComparedTables {
  /** As the projection calls it. */
  readonly name: string;
  readonly served: string;
  readonly replayed: string;
}

/** A row in which two tables part, to be looked for in a third. */
export interface DifferingRow {
  /** Of the table, as the projection calls it. */
  readonly table: string;
  /** Columns that name a row and have no index of their own. */
  readonly unindexed: readonly string[];
  /** All that is there under the row's key, to the letter; empty where nothing is. */
  readonly served: string;
  readonly replayed: string;
  /** SQL that gives the same for another table, as `content`. */
  contentIn(table: string): { content: string; args: readonly SqlValue[] };
}

/** What a comparison has found. */
export interface Comparison {
  readonly rowsCompared: number;
  readonly difference?: RowDifference;
  /** Where it is a row that differs, and not the table's columns. */
  readonly row?: DifferingRow;
}

type Connection = Pick<Database, "execute">;

/**
 * Compares tables row by row, to the letter.
 *
 * @returns The first row of the first table in which they part, in the order of its key.
 */
export async function compareTables(
  connection: Connection,
  tables: readonly ComparedTables[],
): Promise<Comparison> {
  let rowsCompared = 0;
  for (const table of tables) {
    const [count] = await connection.execute({ sql: `SELECT count(*) FROM [${table.served}]` });
    rowsCompared += Number(count?.[0]);
    const found = await compareTable(connection, table);
    if (found) return { rowsCompared, ...found };
  }
  return { rowsCompared };
}

async function compareTable(
  connection: Connection,
  table: ComparedTables,
): Promise<Omit<Comparison, "rowsCompared"> | undefined> {
  const served = await columnsOf(connection, table.served);
  const replayed = await columnsOf(connection, table.replayed);
  if (served.all.join() !== replayed.all.join()) {
    // The tables were changed, and the version was not raised.
    const columns = (all: readonly string[]) => ({ columns: all.join(", ") });
    return {
      difference: {
        table: table.name,
        key: {},
        served: columns(served.all),
        replayed: columns(replayed.all),
      },
    };
  }
  const key = served.key.map(bracketed).join(", ");
  // In a table without a key, a row may be there several times.
  const text = `${served.all.map((column) => `quote(${bracketed(column)})`).join(" || ',' || ")}`;
  const rowsOf = (name: string) =>
    `SELECT ${key}, ${text} AS text, count(*) AS n FROM [${name}] GROUP BY text`;
  const order = served.key.map((_, index) => index + 1).join(", ");
  const [first] = await connection.execute({
    sql: `SELECT * FROM (
      SELECT * FROM (${rowsOf(table.served)} EXCEPT ${rowsOf(table.replayed)})
      UNION ALL SELECT * FROM (${rowsOf(table.replayed)} EXCEPT ${rowsOf(table.served)})
    ) ORDER BY ${order} LIMIT 1`,
  });
  if (!first) return undefined;
  const values = first.slice(0, served.key.length);
  const isThatRow = served.key.map((column, index) => `${bracketed(column)} IS ?${index + 1}`).join(" AND ");
  const find = async (name: string) => {
    const [row] = await connection.execute({
      sql: `SELECT ${served.all.map(bracketed).join(", ")} FROM [${name}] WHERE ${isThatRow}`,
      args: values,
    });
    return row && toRecord(served.all, row);
  };
  const contentIn = (name: string) => ({
    content: `SELECT coalesce(group_concat(text, char(10)), '') AS content FROM (
      SELECT ${text} AS text FROM [${name}] WHERE ${isThatRow} ORDER BY text
    )`,
    args: values,
  });
  const contentOf = async (name: string) => {
    const { content: sql, args } = contentIn(name);
    const [row] = await connection.execute({ sql, args });
    return String(row?.[0]);
  };
  const [before, after] = [await find(table.served), await find(table.replayed)];
  return {
    difference: {
      table: table.name,
      key: toRecord(served.key, values),
      ...(before ? { served: before } : {}),
      ...(after ? { replayed: after } : {}),
    },
    row: {
      table: table.name,
      unindexed: served.isKeyed ? [] : served.key,
      served: await contentOf(table.served),
      replayed: await contentOf(table.replayed),
      contentIn,
    },
  };
}

/** A table's columns, and which of them name a row. */
export async function columnsOf(
  connection: Connection,
  table: string,
): Promise<{ all: string[]; key: string[]; isKeyed: boolean }> {
  const rows = await connection.execute({
    sql: `SELECT name, pk FROM pragma_table_info(?) ORDER BY cid`,
    args: [table],
  });
  const all = rows.map(([name]) => String(name));
  const key = rows.filter(([, pk]) => Number(pk) > 0).sort(([, a], [, b]) => Number(a) - Number(b));
  const isKeyed = key.length > 0;
  return { all, key: isKeyed ? key.map(([name]) => String(name)) : all, isKeyed };
}

function bracketed(column: string): string {
  return `[${column}]`;
}

function toRecord(columns: readonly string[], row: Row): Record<string, SqlArgument> {
  return Object.fromEntries(columns.map((column, index) => [column, row[index] ?? null]));
}
