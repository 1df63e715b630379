import type { Database, Row, SqlValue, Statement } from "./database.ts";

/** Where a page ends: at so many rows, or before the row with which it would be longer than so many bytes. */
export interface PageBound {
  readonly limit: number;
  /** Bytes of texts in columns that may be long. One row is taken however long it is. */
  readonly bytesMax: number;
}

/** A part of a list, and whether anything comes behind it. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly hasMore: boolean;
}

/** A list that is read in pages. All SQL of it is this program's, never its users'. */
export interface PageSource {
  /** A SELECT of columns, without order and end. Its parameters are numbered: it stands in a statement twice. */
  readonly select: (columns: string) => string;
  /** In the order in which they stand in a row. */
  readonly columns: readonly string[];
  /** Those of `columns` whose texts may be long. */
  readonly long: readonly string[];
  /** Columns that tell its rows apart, and the order of rows by these. */
  readonly keys: string;
  readonly order: string;
  readonly args: readonly SqlValue[];
}

/** Reads a page. Texts beyond its bound never leave the disk. */
export async function readPage(
  database: Pick<Database, "execute">,
  source: PageSource,
  bound: PageBound,
): Promise<Page<Row>> {
  return boundedPage(source, await database.execute(selectBounded(source, bound)), bound);
}

/**
 * The same for rows that are short nearly always, which one look at each is enough for then: a text that is
 * longer than its part of the bound is left out, and where none is, that was the page.
 */
export async function readMostlyShortPage(
  database: Pick<Database, "execute">,
  source: PageSource,
  bound: PageBound,
): Promise<Page<Row>> {
  const page = shortPage(source, await database.execute(selectShort(source, bound)), bound);
  return page ?? await readPage(database, source, bound);
}

/** As many rows as there is room for however they are, and one more. A text that is too long for that is 0. */
export function selectShort(
  { select, columns, long, keys, order, args }: PageSource,
  bound: PageBound,
): Statement {
  const at = args.length + 1;
  const ordering = keys.split(", ");
  const shown = columns.map((column, index) => {
    if (long.includes(column)) return `CASE WHEN octet_length(${column}) > ?${at} THEN 0 ELSE ${column} END`;
    // What stands behind a text in its row is found only by going through that text.
    const before = long.find((each) => columns.indexOf(each) < index);
    if (before === undefined || ordering.includes(column)) return column;
    return `CASE WHEN coalesce(octet_length(${before}), 0) <= ?${at} THEN ${column} END`;
  });
  return {
    sql: `${select(shown.join(", "))} ORDER BY ${order} LIMIT ?${at + 1}`,
    args: [...args, Math.floor(bytesOf(bound) / (bound.limit + 1) / long.length), bound.limit + 1],
  };
}

/** Rows of `selectShort` as a page; undefined where a text was left out. */
export function shortPage(
  { columns, long }: PageSource,
  rows: readonly Row[],
  { limit }: PageBound,
): Page<Row> | undefined {
  const places = long.map((column) => columns.indexOf(column));
  for (const row of rows) for (const place of places) if (typeof row[place] === "number") return undefined;
  return { items: rows.slice(0, limit), hasMore: rows.length > limit };
}

/**
 * The rows that there is room for and one more, each with its size behind its columns. The end is found by the
 * sizes alone, which SQLite knows without reading the texts.
 */
export function selectBounded(source: PageSource, bound: PageBound): Statement {
  const { select, columns, long, keys, order, args } = source;
  const size = long.map((column) => `coalesce(octet_length(${column}), 0)`).join(" + ");
  const [limit, bytesMax] = [`?${args.length + 1}`, `?${args.length + 2}`];
  return {
    sql: `${select([...columns, size].join(", "))} ORDER BY ${order} LIMIT (
      SELECT 1 + max(1, count(*)) FROM (
        SELECT sum(size) OVER (ORDER BY ${order} ROWS UNBOUNDED PRECEDING) AS total
        FROM (${select(`${keys}, ${size} AS size`)} ORDER BY ${order} LIMIT ${limit})
      ) WHERE total <= ${bytesMax})`,
    args: [...args, bound.limit, bytesOf(bound)],
  };
}

function boundedPage({ columns }: PageSource, rows: readonly Row[], bound: PageBound): Page<Row> {
  let total = 0;
  const end = rows.findIndex((row, index) => {
    total += Number(row[columns.length]);
    return index >= bound.limit || (index > 0 && total > bound.bytesMax);
  });
  return { items: end < 0 ? rows : rows.slice(0, end), hasMore: end >= 0 };
}

/** As a number that can be bound: SQLite has no infinite one. */
function bytesOf({ bytesMax }: PageBound): number {
  return Math.min(bytesMax, Number.MAX_SAFE_INTEGER);
}

/** A page with its rows as something else. */
export function mapPage<T, U>({ items, hasMore }: Page<T>, map: (item: T) => U): Page<U> {
  return { items: items.map(map), hasMore };
}
