import fc from "fast-check";
import { expect, test } from "vitest";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { createdName, keywordOf, namesIn, renameTables } from "../../src/store/sql_names.ts";

const own = new Set(["total", "other", "by_total"]);
const renamed = (sql: string) => renameTables(sql, own, 2);

test.each([
  ["SELECT * FROM total", "SELECT * FROM total__2"],
  ["select * from TOTAL", "select * from total__2"],
  ["SELECT total FROM total WHERE total > 1", "SELECT total FROM total__2 WHERE total > 1"],
  ["SELECT total.total FROM total", "SELECT total__2.total FROM total__2"],
  ["SELECT total . * FROM total", "SELECT total__2 . * FROM total__2"],
  ["SELECT count(*) AS total FROM other", "SELECT count(*) AS total FROM other__2"],
  ["SELECT 'total from total' FROM total", "SELECT 'total from total' FROM total__2"],
  ["SELECT 'it''s' FROM total -- from total", "SELECT 'it''s' FROM total__2 -- from total"],
  ["SELECT 1 /* from total */ FROM /**/ total", "SELECT 1 /* from total */ FROM /**/ total__2"],
  ['SELECT "total" FROM "total", [other]', 'SELECT "total" FROM total__2, other__2'],
  ["SELECT `total`.a FROM `total`", "SELECT total__2.a FROM total__2"],
  ["SELECT * FROM total, other, a", "SELECT * FROM total__2, other__2, a"],
  ["SELECT * FROM total t JOIN other USING (total)", "SELECT * FROM total__2 t JOIN other__2 USING (total)"],
  ["SELECT * FROM a JOIN total ON total = 1, other", "SELECT * FROM a JOIN total__2 ON total = 1, other__2"],
  ["SELECT * FROM (total, other)", "SELECT * FROM (total__2, other__2)"],
  ["SELECT * FROM (SELECT total, other FROM total)", "SELECT * FROM (SELECT total, other FROM total__2)"],
  ["SELECT max(total, other) FROM total", "SELECT max(total, other) FROM total__2"],
  ["SELECT a IS DISTINCT FROM total FROM total", "SELECT a IS DISTINCT FROM total FROM total__2"],
  ["SELECT a IN total, b IN (total, 1) FROM c", "SELECT a IN total__2, b IN (total, 1) FROM c"],
  ["SELECT * FROM total INDEXED BY by_total", "SELECT * FROM total__2 INDEXED BY by_total__2"],
  ["SELECT * FROM total ORDER BY total, other", "SELECT * FROM total__2 ORDER BY total, other"],
  [
    "SELECT * FROM total UNION SELECT total, other FROM other",
    "SELECT * FROM total__2 UNION SELECT total, other FROM other__2",
  ],
  [
    "WITH x AS (SELECT * FROM total), y AS (SELECT 1) SELECT total, other FROM x, total",
    "WITH x AS (SELECT * FROM total__2), y AS (SELECT 1) SELECT total, other FROM x, total__2",
  ],
  ["INSERT INTO total (total, other) VALUES (1, 2)", "INSERT INTO total__2 (total, other) VALUES (1, 2)"],
  [
    "INSERT OR REPLACE INTO total SELECT * FROM other",
    "INSERT OR REPLACE INTO total__2 SELECT * FROM other__2",
  ],
  [
    "INSERT INTO total VALUES (1) ON CONFLICT (total) DO UPDATE SET total = total.total + excluded.total",
    "INSERT INTO total__2 VALUES (1) ON CONFLICT (total) DO UPDATE SET total = total__2.total + excluded.total",
  ],
  ["UPDATE total SET total = 1, other = 2", "UPDATE total__2 SET total = 1, other = 2"],
  [
    "UPDATE OR IGNORE total SET a = other.b FROM other",
    "UPDATE OR IGNORE total__2 SET a = other__2.b FROM other__2",
  ],
  [
    "DELETE FROM total WHERE total = 1 RETURNING total",
    "DELETE FROM total__2 WHERE total = 1 RETURNING total",
  ],
  [
    "CREATE TABLE total (total INTEGER, other TEXT REFERENCES other (total))",
    "CREATE TABLE total__2 (total INTEGER, other TEXT REFERENCES other__2 (total))",
  ],
  [
    "CREATE TABLE IF NOT EXISTS total (a, CHECK (total > 0))",
    "CREATE TABLE IF NOT EXISTS total__2 (a, CHECK (total > 0))",
  ],
  [
    "CREATE UNIQUE INDEX by_total ON total (total) WHERE other > 0",
    "CREATE UNIQUE INDEX by_total__2 ON total__2 (total) WHERE other > 0",
  ],
  ["SELECT * FROM totals, total_, xtotal, main.total", "SELECT * FROM totals, total_, xtotal, main.total"],
  ["SELECT :total, @total, $total FROM total", "SELECT :total, @total, $total FROM total__2"],
  ["SELECT 1 FROM total;  -- done", "SELECT 1 FROM total__2  -- done"],
])("%s", (sql, expected) => {
  expect(renamed(sql)).toBe(expected);
});

test.each([
  ["SELECT 1; SELECT 2", /more than one/],
  ["SELECT 1;;", /more than one/],
  ["SELECT (1", /not closed/],
  ["SELECT 1)", /not opened/],
  ["SELECT a FROM b) UNION SELECT (1", /not opened/],
  ["WITH total AS (SELECT 1) SELECT * FROM total", /gives the name/],
  ["WITH x AS (SELECT 1), total (a) AS (SELECT 1) SELECT * FROM total", /gives the name/],
  ["WITH RECURSIVE other(n) AS (SELECT 1) SELECT * FROM other", /gives the name/],
])("%s is refused", (sql, error) => {
  expect(() => renamed(sql)).toThrow(error);
});

// Would catch a name that is taken for something else: whatever is asked, the renamed tables give the answer that
// tables of the plain names give, although columns, aliases and texts are called like tables.
test("a statement means the same with renamed tables as with plain ones", async () => {
  const tables = [
    `CREATE TABLE total (total INTEGER PRIMARY KEY, other TEXT)`,
    `CREATE TABLE other (total INTEGER, other INTEGER)`,
    `CREATE INDEX by_total ON total (other)`,
  ];
  const fill = [
    `INSERT INTO total VALUES (1, 'total'), (2, 'other'), (3, 'from total')`,
    `INSERT INTO other VALUES (1, 10), (2, 20), (2, 21)`,
  ];
  const [plain, generations] = [1, 2].map(() => openLibsqlDatabase({ url: "file::memory:" }));
  if (!plain || !generations) throw new Error("There are no databases");
  for (const sql of [...tables, ...fill]) {
    await plain.execute({ sql });
    await generations.execute({ sql: renamed(sql) });
  }
  const quoted = (name: string) =>
    fc.constantFrom(name, name.toUpperCase(), `"${name}"`, `[${name}]`, `\`${name}\``);
  const column = fc.oneof(
    fc.constantFrom("t.total", "t.other", "u.other", "'total'", "/* total */ 7", "count(*) OVER ()"),
    fc.constantFrom("t.other || 'x' AS total", "u.total IN (SELECT total FROM other) AS other"),
    fc.constantFrom(
      "t.total IS DISTINCT FROM u.total",
      "(SELECT max(total) FROM other)",
      "u.total IN (t.total, 2)",
    ),
  );
  const source = fc.tuple(quoted("total"), quoted("other")).chain(([total, other]) =>
    fc.constantFrom(
      `${total} AS t, ${other} u`,
      `${total} t JOIN ${other} AS u ON u.total = t.total`,
      `(SELECT total, other FROM ${total}) t, ${other} AS u`,
      `(${total} AS t, ${other} AS u)`,
      `${total} AS t LEFT JOIN (SELECT other.total, other.other FROM ${other}) AS u USING (total)`,
    )
  );
  const rest = fc.constantFrom(
    "",
    " WHERE t.total > 1",
    " WHERE t.total IN (SELECT other.total FROM other)",
    " -- total",
  );
  const statement = fc.tuple(fc.array(column, { minLength: 1, maxLength: 4 }), source, rest, fc.boolean())
    .map(
      ([columns, from, end, isWith]) => {
        const select = `SELECT ${columns.join(", ")} FROM ${from}${end}`;
        return isWith
          ? `WITH x AS (${select}\n), y AS (SELECT total, other FROM other) SELECT * FROM x, y`
          : select;
      },
    );
  await fc.assert(
    fc.asyncProperty(statement, async (sql) => {
      const attempt = async (database: typeof plain, text: string) => {
        try {
          return (await database.execute({ sql: text })).map(String).sort();
        } catch (error) {
          return String(error).replaceAll("__2", "");
        }
      };
      expect(await attempt(generations, renamed(sql)), sql).toEqual(await attempt(plain, sql));
    }),
    { numRuns: 500 },
  );
});

test("what is no name comes out as it went in", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.constantFrom(
          "'",
          '"',
          "a",
          "total",
          " ",
          "\n",
          "-",
          "/",
          "*",
          "[",
          "]",
          ".",
          ",",
          "0",
          "é",
          "😀",
          "1e5",
          "--",
          "from",
        ),
      ),
      (parts) => {
        const sql = parts.join("");
        let result: string;
        try {
          result = renamed(sql);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
          return;
        }
        expect(result.replaceAll("total__2", "total")).toBe(
          sql.replaceAll(/["[`]total["\]`]/g, (name) => result.includes(name) ? name : "total"),
        );
      },
    ),
    { numRuns: 2_000 },
  );
});

test.each([
  ["CREATE TABLE total (a)", { kind: "table", name: "total" }],
  ['-- the total\ncreate table if not exists "Total" (a)', { kind: "table", name: "total" }],
  ["CREATE UNIQUE INDEX By_Total ON total (a)", { kind: "index", name: "by_total" }],
  ["CREATE INDEX IF NOT EXISTS i ON total (a)", { kind: "index", name: "i" }],
])("%s is understood", (sql, created) => {
  expect(createdName(sql)).toEqual(created);
});

// Would catch what lives in one connection, has no generations, or has more in it than its tables.
test.each([
  "CREATE TEMP TABLE total (a)",
  "CREATE TABLE main.total (a)",
  "CREATE TABLE total AS SELECT 1",
  "CREATE VIRTUAL TABLE total USING fts5(a)",
  "CREATE VIEW total AS SELECT 1",
  "CREATE TRIGGER total AFTER INSERT ON a BEGIN SELECT 1; END",
  "CREATE UNIQUE TABLE total (a)",
  "CREATE TABLE sqlite_total (a)",
  "CREATE TABLE [to]tal] (a)",
  'CREATE TABLE "to tal" (a)',
  "DROP TABLE total",
  "",
])("%s makes no table of a projection", (sql) => {
  expect(() => createdName(sql)).toThrow(TypeError);
});

test("names and keywords are found, and nothing in texts and comments is", () => {
  expect(namesIn(`SELECT "A", [b b], 'c' -- d\n FROM /* e */ f`)).toEqual([
    "select",
    "a",
    "b b",
    "from",
    "f",
  ]);
  expect(keywordOf("  -- x\n/* y */ with z AS (SELECT 1)")).toBe("WITH");
  expect(keywordOf(" ")).toBe("");
});
