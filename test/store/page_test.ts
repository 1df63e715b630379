import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Database } from "../../src/store/database.ts";
import {
  type Page,
  type PageBound,
  type PageSource,
  readMostlyShortPage,
  readPage,
} from "../../src/store/page.ts";
import { databaseKinds } from "./databases.ts";

const ways = [["readPage", readPage], ["readMostlyShortPage", readMostlyShortPage]] as const;

async function openMemory(): Promise<Database> {
  const [kind] = databaseKinds;
  if (!kind) throw new Error("There is no kind of database");
  return await kind.open();
}

/** A list of texts in a table of its own, by their places. */
async function listOf(database: Database, texts: readonly (string | null)[]): Promise<void> {
  await database.batch([
    { sql: "DROP TABLE IF EXISTS texts" },
    { sql: "CREATE TABLE texts (place INTEGER PRIMARY KEY, text TEXT, other TEXT) STRICT" },
    {
      sql: "INSERT INTO texts SELECT key + 1, value, NULL FROM json_each(?)",
      args: [JSON.stringify(texts)],
    },
  ], "write");
}

function sourceOf(after: number, order = "place"): PageSource {
  return {
    select: (columns) => `SELECT ${columns} FROM texts WHERE place > ?1`,
    ...{ columns: ["place", "text", "other"], long: ["text", "other"], keys: "place", order, args: [after] },
  };
}

/** What a page has to be, said in the simplest way. */
function expectedPage(texts: readonly (string | null)[], after: number, bound: PageBound): Page<number> {
  const places: number[] = [];
  let total = 0;
  for (let place = after + 1; place <= texts.length; place++) {
    total += new TextEncoder().encode(texts[place - 1] ?? "").length;
    const isOver = places.length >= bound.limit || (places.length > 0 && total > bound.bytesMax);
    if (isOver) return { items: places, hasMore: true };
    places.push(place);
  }
  return { items: places, hasMore: false };
}

describe.each(ways)("%s", (_, read) => {
  describe.each(databaseKinds)("of a database $kind", ({ open }) => {
    test("ends at its limit or before the row that is too much, and says whether there is more", async () => {
      const database = await open();
      const texts = ["aaaa", "bbbb", null, "cccc", "ä€😀", "", "dddddddddddd", "e"];
      await listOf(database, texts);
      for (let after = 0; after <= texts.length; after++) {
        for (const limit of [1, 2, 8]) {
          for (const bytesMax of [0, 4, 7, 8, 21, Infinity]) {
            const page = await read(database, sourceOf(after), { limit, bytesMax });
            const shown = { ...page, items: page.items.map(([place]) => place) };
            expect(shown, `${after} ${limit} ${bytesMax}`).toEqual(
              expectedPage(texts, after, { limit, bytesMax }),
            );
            for (const [place, text, other] of page.items) {
              expect([text, other]).toEqual([texts[Number(place) - 1], null]);
            }
          }
        }
      }
      await database.close();
    });
  });

  // Would catch a page that leaves out what the one before had no room for, or begins with it twice.
  test("gives everything once, page by page, whatever the bounds", async () => {
    const database = await openMemory();
    const texts = fc.array(fc.option(fc.string({ maxLength: 40 })), { maxLength: 20 });
    const bounds = fc.record({ limit: fc.integer({ min: 1, max: 9 }), bytesMax: fc.nat(120) });
    await fc.assert(
      fc.asyncProperty(texts, bounds, fc.boolean(), async (texts, bound, isBackward) => {
        await listOf(database, texts);
        const seen: number[] = [];
        let hasMore = true;
        while (hasMore) {
          const source = isBackward
            ? {
              ...sourceOf(0, "place DESC"),
              select: (columns: string) => `SELECT ${columns} FROM texts WHERE place < ?1`,
              args: [seen.at(-1) ?? texts.length + 1],
            }
            : sourceOf(seen.at(-1) ?? 0);
          const page = await read(database, source, bound);
          if (hasMore && page.items.length === 0 && page.hasMore) throw new Error("A page with nothing");
          seen.push(...page.items.map(([place]) => Number(place)));
          hasMore = page.hasMore;
        }
        const places = texts.map((_, index) => index + 1);
        expect(seen).toEqual(isBackward ? places.reverse() : places);
      }),
    );
    await database.close();
  });
});

// Would catch texts that are read only to be left out: the page would be short, and the memory full.
test("texts that have no room are in no answer of the database", async () => {
  const database = await openMemory();
  await listOf(database, Array.from({ length: 50 }, () => "x".repeat(1_000)));
  let answered = 0;
  const counted: Pick<Database, "execute"> = {
    async execute(statement) {
      const rows = await database.execute(statement);
      answered += JSON.stringify(rows).length;
      return rows;
    },
  };
  for (const [name, read] of ways) {
    answered = 0;
    const page = await read(counted, sourceOf(0), { limit: 50, bytesMax: 3_500 });
    expect(page.items, name).toHaveLength(3);
    // These, the one behind them, and of the others where they are.
    expect(answered, name).toBeLessThan(6_000);
  }
  await database.close();
});
