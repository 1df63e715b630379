import fc from "fast-check";
import { expect, test } from "vitest";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { rowWriter } from "../../src/store/row_writer.ts";

const insert = rowWriter("INSERT INTO pets", 3, "ON CONFLICT (id) DO UPDATE SET name = excluded.name");

test("any number of rows is written, in order, by few statements with few texts", async () => {
  const database = openLibsqlDatabase({ url: "file::memory:" });
  await database.execute({
    sql: "CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT, weight INTEGER) STRICT",
  });
  const texts = new Set<string>();
  const pet = fc.tuple(fc.string({ unit: "grapheme" }), fc.option(fc.maxSafeInteger()));
  await fc.assert(
    fc.asyncProperty(fc.array(pet, { maxLength: 300, size: "max" }), async (pets) => {
      const rows = pets.map(([name, weight], id) => [id, name, weight] as const);
      const statements = insert(rows);
      for (const { sql } of statements) texts.add(sql);
      expect(statements.length).toBeLessThanOrEqual(Math.floor(rows.length / 64) + 9);
      await database.batch([{ sql: "DELETE FROM pets" }, ...statements], "write");
      expect(await database.execute({ sql: "SELECT id, name, weight FROM pets ORDER BY id" })).toEqual(rows);
    }),
    { numRuns: 50 },
  );
  expect(texts.size).toBeLessThanOrEqual(4);
  await database.close();
});

test("of rows with one key the last one counts, wherever they are cut", async () => {
  const database = openLibsqlDatabase({ url: "file::memory:" });
  await database.execute({
    sql: "CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT, weight INTEGER) STRICT",
  });
  for (const count of [1, 2, 4, 5, 64, 65, 85]) {
    await database.batch(insert(Array.from({ length: count }, (_, n) => [1, `name ${n}`, null])), "write");
    expect(await database.execute({ sql: "SELECT name FROM pets" })).toEqual([[`name ${count - 1}`]]);
  }
  await database.close();
});
