/** What only a database on a server can do: not be there, not answer, answer too late. */
import { expect, test } from "vitest";
import { openStores } from "../../src/open_stores.ts";
import { DatabaseError } from "../../src/store/database.ts";
import { FencedError, LocalEngine, UnavailableError } from "../../src/store/engine.ts";
import { type DatabaseLocation, openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { UnusableStoreError } from "../../src/store/migrations.ts";
import { fileOf } from "../../src/store/reader.ts";
import { openReadStore, openShardStore } from "../../src/store/shard_store.ts";
import type { Fault } from "../support/hrana/server.ts";
import { closedAtEnd, commitOf, eventRow, startHranaServer } from "./databases.ts";

const open = (location: DatabaseLocation) => closedAtEnd(openLibsqlDatabase(location));
const names = { name: "shard 0", shard: 0, shards: 1, isFile: false };

async function openEngine(timeoutMs?: number) {
  const server = await startHranaServer();
  const database = await open({ url: server.url, timeoutMs });
  const { engine } = await openShardStore(database, names);
  await engine.acquire();
  await engine.append(0, commitOf(1, { events: [eventRow(1)] }));
  return { server, database, engine };
}

const failures: [faults: Fault[], wasWritten: boolean, message: RegExp][] = [
  [["refuse"], false, /HTTP status 502/],
  // A connection that was used before and is reset is tried once more by `fetch` itself.
  [["reset", "reset"], false, /Cannot reach http:\/\/127/],
  [["lose"], true, /HTTP status 502/],
  [["cut"], true, /Cannot reach http:\/\/127/],
  [["hang"], true, /did not answer within 400 ms/],
];

// Would catch a commit that is told to have failed where it has not, or the other way round.
test.each(failures)(
  "a commit with the faults %j has an unknown outcome, which the head tells",
  async (faults, wasWritten, message) => {
    const { server, engine } = await openEngine(faults[0] === "hang" ? 400 : undefined);
    server.plan(({ isCommit }) => isCommit, ...faults);
    const commit = commitOf(2, { events: [eventRow(2)] });
    const failure = await engine.append(1, commit).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnavailableError);
    expect(failure).toMatchObject({ message: expect.stringMatching(message) });
    const head = await engine.recover();
    expect(head).toMatchObject({ index: wasWritten ? 2 : 1, position: wasWritten ? 2 : 1, epoch: 2 });
    expect(await engine.append(head.index, commitOf(head.index + 1, { epoch: 2 }))).toBe(head.index + 1);
  },
);

test("a store waits storeAnswerMsMax for its server, and takes what comes before", async () => {
  const server = await startHranaServer();
  const open = () => openStores({ data: server.url, limits: { storeAnswerMsMax: 300 } });
  const { stores, release } = await open();
  expect(stores).toHaveLength(1);
  await release();
  server.plan(() => true, "hang");
  await expect(open()).rejects.toThrow("did not answer within 300 ms");
});

// Would catch a commit that was long under way, and lands behind those that were made in its place.
test("a commit that comes late is refused by its epoch", async () => {
  const { server, engine, database } = await openEngine();
  server.plan(({ isCommit }) => isCommit, "late");
  await expect(engine.append(1, commitOf(2, { events: [eventRow(2, { type: "Late" })] }))).rejects.toThrow(
    UnavailableError,
  );
  expect(await engine.recover()).toMatchObject({ index: 1, epoch: 2 });
  expect(server.land()).toBe(1);
  expect(await engine.head()).toMatchObject({ index: 1, position: 1 });
  await engine.append(1, commitOf(2, { epoch: 2, events: [eventRow(2, { type: "Next" })] }));
  expect(await database.execute({ sql: `SELECT type FROM events WHERE position = 2` })).toEqual([["Next"]]);
});

// Would catch a shard that takes its own commit for another holder's, and stops for ever: `fetch` asks once more
// when a connection is reset before the answer, and the second request finds the index taken by the first.
test("a commit that was asked for twice, because its answer was lost, has succeeded", async () => {
  const { server, engine } = await openEngine();
  server.plan(({ isCommit }) => isCommit, "drop");
  expect(await engine.append(1, commitOf(2, { events: [eventRow(2)] }))).toBe(2);
  expect(server.happened.get("drop")).toBe(1);
  expect(await engine.head()).toMatchObject({ index: 2, position: 2, epoch: 1 });
  expect(await engine.append(2, commitOf(3))).toBe(3);
});

// Would catch the same: a recovery that was given up for lost lands later, and takes the epoch from the one behind it.
test("a recovery that comes late makes its own holder recover again, not stop", async () => {
  const { server, engine } = await openEngine();
  server.plan(({ sql }) => sql.some((text) => text.includes("epoch = ") || text.includes("'epoch'")), "late");
  await expect(engine.recover()).rejects.toThrow(DatabaseError);
  expect(await engine.recover()).toMatchObject({ epoch: 2 });
  server.land();
  await expect(engine.append(1, commitOf(2, { epoch: 2 }))).rejects.toThrow(UnavailableError);
  expect(await engine.recover()).toMatchObject({ index: 1, epoch: 4 });
  expect(await engine.append(1, commitOf(2, { epoch: 4 }))).toBe(2);
});

test("of two processes on one server, the one that came first is fenced, whatever it tries", async () => {
  const { server, engine: first } = await openEngine();
  const { engine: second } = await openShardStore(await open({ url: server.url }), names);
  expect(await second.acquire()).toMatchObject({ index: 1, epoch: 2 });
  await expect(first.append(1, commitOf(2, { events: [eventRow(2)] }))).rejects.toThrow(FencedError);
  await expect(first.recover()).rejects.toThrow(FencedError);
  expect(await second.append(1, commitOf(2, { epoch: 2 }))).toBe(2);
  expect(await second.head()).toMatchObject({ index: 2, position: 1 });
});

test("a commit is one request, and one transaction", async () => {
  const { server, engine } = await openEngine();
  server.asked.length = 0;
  await engine.append(1, commitOf(2, { events: [eventRow(2)], checkpoints: [["r", 2]] }));
  expect(server.asked).toHaveLength(1);
  expect(server.asked[0]?.sql.map((sql) => sql.split(/\s+/, 3).join(" "))).toEqual(
    [
      "BEGIN IMMEDIATE",
      "INSERT INTO commits",
      "INSERT INTO main.events",
      "INSERT INTO checkpoints",
      "COMMIT",
      "ROLLBACK",
    ],
  );
});

test("a server that is not there, that wants another token, or has no such database is named as such", async () => {
  const gone = await startHranaServer();
  const { url: goneUrl } = gone;
  await gone.stop();
  const server = await startHranaServer({ token: "right" });
  const cases: [DatabaseLocation, string, RegExp][] = [
    [{ url: goneUrl }, "UNREACHABLE", /^Cannot reach http:\/\/127\.0\.0\.1:\d+: .*refused/],
    [{ url: server.url }, "UNAUTHORIZED", /refuses the token \(HTTP 401\)$/],
    [{ url: server.url, authToken: "wrong" }, "UNAUTHORIZED", /refuses the token \(HTTP 401\)$/],
    [{ url: "http://nowhere.invalid" }, "UNREACHABLE", /^Cannot reach http:\/\/nowhere\.invalid: /],
  ];
  for (const [location, code, message] of cases) {
    const database = await open(location);
    for (
      const asked of [database.execute({ sql: `SELECT 1` }), database.batch([{ sql: `SELECT 1` }], "read")]
    ) {
      const failure: unknown = await asked.catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(DatabaseError);
      expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
    }
    const refusal: unknown = await openShardStore(database, names).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(UnusableStoreError);
    expect(refusal).toMatchObject({ message: expect.stringMatching(/^Cannot use shard 0: /) });
  }
  expect(await (await open({ url: server.url, authToken: "right" })).execute({ sql: `SELECT 1` })).toEqual([[
    1,
  ]]);
});

test("databases on one server are told apart by the path, with or without a slash at its end", async () => {
  const server = await startHranaServer();
  for (const path of ["/a", "/b/"]) {
    const database = await open({ url: server.url + path });
    await database.execute({ sql: `CREATE TABLE t (name)` });
    await database.execute({ sql: `INSERT INTO t VALUES (?)`, args: [path] });
  }
  expect(await (await open({ url: `${server.url}/a/` })).execute({ sql: `SELECT * FROM t` })).toEqual([[
    "/a",
  ]]);
  expect(await (await open({ url: `${server.url}/b` })).execute({ sql: `SELECT * FROM t` })).toEqual([[
    "/b/",
  ]]);
});

// Would catch a file of this machine being read, or made, because a server has one of the same name.
test("the file that a server keeps a database in is not taken for one of this machine", async () => {
  const server = await startHranaServer();
  const database = await open({ url: server.url });
  const [main] = await database.execute({ sql: `PRAGMA database_list` });
  expect(main?.[2]).toMatch(/default\.db$/);
  expect(await fileOf(database)).toBeUndefined();
});

// Would catch tables of the same name: the address of one database is all that many have.
test("one database on a server holds a shard and the read models, and is opened again", async () => {
  const server = await startHranaServer();
  for (let start = 1; start <= 2; start++) {
    const database = await open({ url: server.url });
    await openShardStore(database, names);
    await openReadStore(database, { ...names, besideShard: true });
    expect(await new LocalEngine(database).acquire()).toMatchObject({ epoch: start });
  }
});
