import type { SqlValue, Statement } from "./database.ts";

/** Rows that one statement takes: few sizes, so that the text of each stays prepared. */
const sizes = [64, 16, 4, 1];

/**
 * Makes statements that write any number of rows, each value bound by itself: to take them out of one JSON text
 * again takes SQLite two and a half times as long.
 *
 * @param into What comes before the values: `INSERT INTO pets (name, age)`.
 * @param width Values of a row.
 * @param onConflict What comes after them.
 */
export function rowWriter(into: string, width: number, onConflict = "") {
  const row = `(${Array(width).fill("?").join(", ")})`;
  const texts = sizes.map((size) => ({
    size,
    sql: `${into} VALUES ${Array(size).fill(row).join(", ")} ${onConflict}`,
  }));
  return (rows: readonly (readonly SqlValue[])[]): Statement[] => {
    const statements: Statement[] = [];
    let next = 0;
    for (const { size, sql } of texts) {
      for (; next + size <= rows.length; next += size) {
        statements.push({ sql, args: rows.slice(next, next + size).flat() });
      }
    }
    return statements;
  };
}
