import { expect, test } from "vitest";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { migrate } from "../../src/store/migrations.ts";
import { readGenerations, readMigrations } from "../../src/store/read_store.ts";

// A read database could be thrown away instead, but what a rebuild left out would come back unasked.
test("a read database of every earlier schema is brought forward with what is in it", async () => {
  for (let version = 1; version < readMigrations.length; version++) {
    const database = openLibsqlDatabase({ url: "file::memory:" });
    const open = (migrations: typeof readMigrations) =>
      migrate(database, "read.db", { shards: 1 }, migrations, "read_meta");
    await open(readMigrations.slice(0, version));
    await database.execute({
      sql: `INSERT INTO generations (projection, generation, version, is_copy) VALUES ('sums', 3, 2, 0)`,
    });
    await open(readMigrations);
    expect(await readGenerations(database, "sums")).toMatchObject([
      { generation: 3, version: 2, isCopy: false, startsAfter: new Map() },
    ]);
    await database.close();
  }
});
