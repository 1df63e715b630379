import { expect, test, vi } from "vitest";
import { openFileDatabase } from "../../src/store/file_database.ts";
import { openShardStore } from "../../src/store/shard_store.ts";
import { closedAtEnd, temporaryFolder } from "./databases.ts";

const driver = vi.hoisted(() => ({ opened: 0, rollsBack: true }));

/** A driver that cannot always roll back. */
vi.mock("libsql", async (importOriginal) => {
  const { default: Connection } = await importOriginal<{
    default: new (path: string) => { prepare(sql: string): object };
  }>();
  return {
    default: class extends Connection {
      constructor(path: string) {
        super(path);
        driver.opened++;
      }
      override prepare(sql: string) {
        if (sql === "ROLLBACK" && !driver.rollsBack) throw new Error("cannot roll back, as planned");
        return super.prepare(sql);
      }
    },
  };
});

// Would catch commits that are acknowledged before they are on disk: `synchronous` is a connection's own.
test("a connection that takes the place of one that could not roll back is set up as that one was", async () => {
  const database = await closedAtEnd(openFileDatabase(`file:${temporaryFolder()}/shard-0.db`));
  await openShardStore(database, { name: "shard-0", shard: 0, shards: 1, isFile: true });
  const names = ["journal_mode", "wal_autocheckpoint", "cache_size", "busy_timeout", "synchronous"];
  const settings = async () => {
    const read = names.map((name) => database.execute({ sql: `PRAGMA ${name}` }));
    return (await Promise.all(read)).flat(2);
  };
  await database.execute({ sql: "PRAGMA synchronous = EXTRA" }); // which no connection begins with
  const before = await settings();
  expect(before).toEqual(["wal", 8000, -65536, 5000, 3]);
  const opened = driver.opened;
  driver.rollsBack = false;
  await database.execute({ sql: "BEGIN" });
  driver.rollsBack = true;
  expect(await settings()).toEqual(before);
  expect(driver.opened).toBe(opened + 1);
});

// Would catch a server that does not start because a tool that has looked at the file is just closing it.
test("a connection waits for a lock from its first request on", async () => {
  const database = await closedAtEnd(openFileDatabase(`file:${temporaryFolder()}/a.db`));
  expect(await database.execute({ sql: "PRAGMA busy_timeout" })).toEqual([[5000]]);
});
