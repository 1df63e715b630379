import { describe, expect, test } from "vitest";
import { linkOf, noChain, parseHead } from "../../src/store/chain.ts";
import { commitsKept } from "../../src/store/commits.ts";
import type { Database } from "../../src/store/database.ts";
import { DatabaseError } from "../../src/store/database.ts";
import { LocalEngine, UnavailableError } from "../../src/store/engine.ts";
import type { EventRow } from "../../src/store/events.ts";
import { migrate, shardMigrations } from "../../src/store/migrations.ts";
import { openShardStore } from "../../src/store/shard_store.ts";
import { closedAtEnd, commitOf, databaseKinds, eventRow, openStore } from "./databases.ts";

const chainOf = (database: Database) =>
  database.execute({ sql: `SELECT last, first, hash, marks FROM chain ORDER BY last` });
const headOf = async (database: Database) =>
  parseHead((await database.execute({ sql: `SELECT chain FROM commits ORDER BY idx DESC LIMIT 1` }))[0]?.[0]);

/** The links that so many commits of events have, if each goes on from the one before. */
function linksOf(...commits: (readonly EventRow[])[]) {
  let before = noChain;
  return commits.map((events) => {
    const link = linkOf(before, events);
    before = { position: link[0], hash: link[2], isCurrent: true };
    return link;
  });
}

const one = [eventRow(1), eventRow(2)];
const two = [eventRow(3)];
const three = [eventRow(4), eventRow(5), eventRow(6)];

describe.each(databaseKinds)("the hash chain on a database $kind", (kind) => {
  test("has a link for each commit with events, and goes on where a later holder begins", async () => {
    const { database } = await openStore(kind);
    const first = new LocalEngine(database, { chain: true });
    await first.acquire();
    await first.append(0, commitOf(1, { events: one }));
    await first.append(1, commitOf(2));
    const second = new LocalEngine(database, { chain: true });
    const { epoch } = await second.acquire();
    await second.append(2, commitOf(3, { epoch, events: two }));
    await second.append(3, commitOf(4, { epoch, events: three }));
    expect(await chainOf(database)).toEqual(linksOf(one, two, three));
    expect(await headOf(database)).toEqual({
      position: 6,
      hash: linksOf(one, two, three)[2]?.[2],
      isCurrent: true,
    });
  });

  // Would catch a link in a transaction of its own, or one that goes on from a commit that was lost.
  test.each(["before", "after"] as const)(
    "goes on from what is on disk when the answer to a commit is lost %s it was written",
    async (when) => {
      const { database } = await openStore(kind);
      let isFailing = false;
      const batch: Database["batch"] = async (statements, mode) => {
        if (!isFailing || mode !== "write") return await database.batch(statements, mode);
        isFailing = false;
        if (when === "after") await database.batch(statements, mode);
        throw new DatabaseError("failed, as planned", "SQLITE_IOERR");
      };
      const faulty: Database = {
        execute: (statement) => database.execute(statement),
        batch,
        close: () => database.close(),
      };
      const engine = new LocalEngine(faulty, { chain: true });
      await engine.acquire();
      await engine.append(0, commitOf(1, { events: one }));
      isFailing = true;
      await expect(engine.append(1, commitOf(2, { events: two }))).rejects.toThrow(UnavailableError);
      const { index, epoch } = await engine.recover();
      expect(index).toBe(when === "after" ? 2 : 1);
      if (when === "before") await engine.append(1, commitOf(2, { epoch, id: "again", events: two }));
      await engine.append(2, commitOf(3, { epoch, events: three }));
      expect(await chainOf(database)).toEqual(linksOf(one, two, three));
    },
  );

  test("does not grow while it is off, keeps its head meanwhile, and goes on from that", async () => {
    const { database } = await openStore(kind);
    let index = 0;
    const add = async (chain: boolean, ...commits: (readonly EventRow[])[]) => {
      const engine = new LocalEngine(database, { chain });
      const { epoch } = await engine.acquire();
      for (const events of commits) await engine.append(index++, commitOf(index, { epoch, events }));
    };
    await add(true, one);
    const [link] = linksOf(one);
    const none = Array.from({ length: commitsKept + 64 }, () => []);
    await add(false, two, ...none);
    expect(await headOf(database)).toEqual({ position: 2, hash: link?.[2], isCurrent: false });
    expect(await chainOf(database)).toEqual([link]);
    await add(true, three);
    expect(await chainOf(database)).toEqual(linksOf(one, three));
    expect(await headOf(database)).toMatchObject({ position: 6, isCurrent: true });
  });
});

test("a store whose chain was never on has neither links nor a head", async () => {
  const { engine, database } = await openStore();
  await engine.acquire();
  await engine.append(0, commitOf(1, { events: one }));
  expect(await chainOf(database)).toEqual([]);
  expect(await database.execute({ sql: `SELECT chain FROM commits` })).toEqual([[null]]);
});

test("an engine that was not told where the chain is looks before it goes on", async () => {
  const { database } = await openStore();
  const engine = new LocalEngine(database, { chain: true });
  await engine.acquire();
  await engine.append(0, commitOf(1, { events: one }));
  await new LocalEngine(database, { chain: true }).append(1, commitOf(2, { events: two }));
  expect(await chainOf(database)).toEqual(linksOf(one, two));
});

// Would catch a chain that only new stores could have.
test.each(shardMigrations.slice(0, -1).map((_, version) => version + 1))(
  "begins behind the events of a store of schema version %i",
  async (version) => {
    const database = await closedAtEnd(databaseKinds[0]?.open() ?? Promise.reject(new Error("none")));
    const identity = { application: "folio", kind: "shard", shard: 0, shards: 1 };
    await migrate(database, "test.db", identity, shardMigrations.slice(0, version));
    await database.execute({
      sql:
        `INSERT INTO events SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
        value ->> 6, value ->> 7, value ->> 8, value ->> 9 FROM json_each(?)`,
      args: [JSON.stringify(one)],
    });
    await database.execute({
      sql: version < 4 ? `INSERT INTO commits VALUES (1, 0, 'commit-1', 1, '{}')` : "SELECT 1",
    });
    const options = { name: "test.db", shard: 0, shards: 1, isFile: false, chain: true };
    const { engine } = await openShardStore(database, options);
    const { index, epoch } = await engine.acquire();
    await engine.append(index, commitOf(index + 1, { epoch, events: two }));
    expect(await chainOf(database)).toEqual(linksOf(two));
  },
);
