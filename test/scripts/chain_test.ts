import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkChain, type NotedHead, parseNotedHead } from "../../scripts/verify/chain.ts";
import { Findings } from "../../scripts/verify/findings.ts";
import { verifyFolder } from "../../scripts/verify/folder.ts";
import { UsageError } from "../../scripts/support/errors.ts";
import { Registry } from "../../src/runtime/registry.ts";
import type { Database } from "../../src/store/database.ts";
import { LocalEngine } from "../../src/store/engine.ts";
import type { EventRow } from "../../src/store/events.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { migrate, shardMigrations } from "../../src/store/migrations.ts";
import { commitOf, eventRow, openStore, temporaryFolder } from "../store/databases.ts";
import { ledger, names } from "../support/actors.ts";
import { runHere } from "./command_line.ts";
import { openRuntime, runTask, withShard } from "./support.ts";

/** Events of each commit, and whether the chain was on. */
type Commits = readonly (readonly [events: number, isOn: boolean])[];

async function makeLog(database: Database, commits: Commits): Promise<void> {
  let position = 0;
  for (const [index, [count, isOn]] of commits.entries()) {
    const engine = new LocalEngine(database, { chain: isOn });
    const { epoch } = await engine.acquire();
    const events = Array.from({ length: count }, () => eventRow(++position));
    await engine.append(index, commitOf(index + 1, { epoch, events }));
  }
}

async function findingsOf(database: Database, heads: readonly NotedHead[] = []): Promise<Findings> {
  const findings = new Findings();
  await checkChain({ number: 0, shards: 1, database, name: "shard-0.db" }, heads, findings);
  return findings;
}

const all: Commits = [[3, true], [1, true], [0, true], [4, true], [2, true]];
const edits: [what: string, sql: string, first: number][] = [
  ["a payload changed", `UPDATE events SET payload = '{"n":99}' WHERE position = 6`, 6],
  ["a time changed", `UPDATE events SET at = at + 1 WHERE position = 1`, 1],
  ["an actor changed", `UPDATE events SET actor = 'thing/b' WHERE position = 4`, 4],
  ["a version changed", `UPDATE events SET version = 99 WHERE position = 10`, 10],
  ["a type changed", `UPDATE events SET type = 'Other' WHERE position = 2`, 2],
  ["a schema version changed", `UPDATE events SET schema_version = 2 WHERE position = 3`, 3],
  ["a message id changed", `UPDATE events SET message_id = 'x' WHERE position = 5`, 5],
  ["a correlation id added", `UPDATE events SET correlation_id = 'x' WHERE position = 7`, 7],
  ["a causation id added", `UPDATE events SET causation_id = 'x' WHERE position = 8`, 8],
  ["an event deleted", `DELETE FROM events WHERE position = 6`, 6],
  ["the first event deleted", `DELETE FROM events WHERE position = 1`, 1],
  ["the last event deleted", `DELETE FROM events WHERE position = 10`, 10],
  ["the events of a whole commit deleted", `DELETE FROM events WHERE position = 4`, 4],
  [
    "an event added at the end",
    `INSERT INTO events VALUES (11, 'a/b', 1, 'T', 1, '{}', 0, 'm', NULL, NULL)`,
    11,
  ],
  [
    "an event inserted, those behind it moved",
    `UPDATE events SET position = -position - 1 WHERE position > 4;
    UPDATE events SET position = -position WHERE position < 0;
    INSERT INTO events VALUES (5, 'a/b', 1, 'T', 1, '{}', 0, 'm', NULL, NULL)`,
    5,
  ],
  [
    "two events exchanged",
    `UPDATE events SET position = 99 WHERE position = 6; UPDATE events SET position = 6 WHERE position = 7;
    UPDATE events SET position = 7 WHERE position = 99`,
    6,
  ],
  ["a link deleted", `DELETE FROM chain WHERE last = 4`, 5],
  ["the first link deleted", `DELETE FROM chain WHERE last = 3`, 4],
  ["the last link deleted", `DELETE FROM chain WHERE last = 10`, 9],
  [
    "the tail cut off with its links",
    `DELETE FROM chain WHERE last > 4; DELETE FROM events WHERE position > 4`,
    5,
  ],
  ["a hash changed", `UPDATE chain SET hash = 'x' WHERE last = 4`, 4],
  ["a mark changed", `UPDATE chain SET marks = '0' || substr(marks, 2) WHERE last = 8`, 5],
  ["a link made longer", `UPDATE chain SET first = 4 WHERE last = 8`, 4],
  ["a link moved", `UPDATE chain SET last = 9 WHERE last = 8`, 5],
  ["the head changed", `UPDATE commits SET chain = '10.x' WHERE idx = 5`, 11],
  ["the head deleted", `UPDATE commits SET chain = NULL WHERE idx = 5`, 1],
  ["the chain deleted", `DELETE FROM chain`, 1],
];

// Would catch a chain that leaves out a column, or a check that sees no more than the positions do.
test.each(edits)("%s is found, and the first position that does not fit is named", async (_, sql, first) => {
  const { database } = await openStore();
  await makeLog(database, all);
  expect((await findingsOf(database)).told).toEqual([]);
  for (const statement of sql.split(";")) await database.execute({ sql: statement });
  const { told } = await findingsOf(database);
  expect(told[0]).toMatchObject({ check: "chain", where: `position ${first} of shard-0.db` });
});

test("every event is told apart by what it holds, and no other than the changed one is named", async () => {
  const { database } = await openStore();
  await makeLog(database, all);
  await database.execute({ sql: `UPDATE events SET payload = '{"n":99}' WHERE position IN (2, 7)` });
  expect((await findingsOf(database)).told.map(({ where }) => where)).toEqual([
    "position 2 of shard-0.db",
    "position 7 of shard-0.db",
  ]);
});

test("marks that were made to fit do not make the link fit", async () => {
  const { database } = await openStore();
  await makeLog(database, all);
  const [row] = await database.execute({ sql: `SELECT marks FROM chain WHERE last = 4` });
  await database.execute({ sql: `UPDATE events SET payload = '{"n":99}' WHERE position = 4` });
  const { told } = await findingsOf(database);
  expect(told[0]?.what).toBe("it is not the event that was chained");
  const { linkOf, noChain } = await import("../../src/store/chain.ts");
  const changed = eventRow(4, { payload: { n: 99 } });
  const marks = linkOf(noChain, [changed])[3];
  expect(marks).not.toBe(row?.[0]);
  await database.execute({ sql: `UPDATE chain SET marks = ? WHERE last = 4`, args: [marks] });
  expect((await findingsOf(database)).told).toEqual([{
    check: "chain",
    where: "position 4 of shard-0.db",
    what: "it and the chain before do not give the hash of the link",
  }]);
});

const commits = fc.array(fc.tuple(fc.nat(4), fc.boolean()), { minLength: 1, maxLength: 12 });

test("whenever it was on and off, a log that nobody has changed fits, and what was not chained is told", async () => {
  await fc.assert(fc.asyncProperty(commits, async (plan) => {
    const { database } = await openStoreHere();
    await makeLog(database, plan);
    const { told, notes } = await findingsOf(database);
    expect(told).toEqual([]);
    const unchained = plan.flatMap(([count, isOn]) => Array.from({ length: count }, () => !isOn));
    const hasChain = unchained.includes(false);
    const noted = new Set<number>();
    for (const note of notes) {
      const [, first, last] = /Positions (\d+) to (\d+)/.exec(note) ?? [];
      for (let position = Number(first); position <= Number(last); position++) noted.add(position);
    }
    expect(unchained.map((_, index) => noted.has(index + 1))).toEqual(
      unchained.map((isUnchained) => hasChain && isUnchained),
    );
    await database.close();
  }));
});

test("a change of any chained event is found at its position, whenever the chain was on and off", async () => {
  await fc.assert(fc.asyncProperty(commits, fc.nat(), async (plan, pick) => {
    const chained = plan.flatMap(([count, isOn]) => Array.from({ length: count }, () => isOn))
      .flatMap((isOn, index) => isOn ? [index + 1] : []);
    const position = chained[pick % Math.max(1, chained.length)];
    fc.pre(position !== undefined);
    const { database } = await openStoreHere();
    await makeLog(database, plan);
    await database.execute({
      sql: `UPDATE events SET payload = '{"n":-1}' WHERE position = ?`,
      args: [position],
    });
    const { told } = await findingsOf(database);
    expect(told.map(({ where }) => where)).toEqual([`position ${position} of shard-0.db`]);
    await database.close();
  }));
});

/** As `openStore`, for runs that close their own. */
async function openStoreHere(): Promise<{ database: Database }> {
  const database = openLibsqlDatabase({ url: "file::memory:" });
  const identity = { application: "folio", kind: "shard", shard: 0, shards: 1 };
  await migrate(database, "test.db", identity, shardMigrations);
  return { database };
}

describe("a head that was noted earlier", () => {
  const headsOf = async (database: Database) => (await findingsOf(database)).heads.map(parseNotedHead);

  test("is still gone through when the log has grown, and when nothing came", async () => {
    const { database } = await openStore();
    await makeLog(database, all.slice(0, 2));
    const early = await headsOf(database);
    expect(early).toHaveLength(1);
    expect((await findingsOf(database, early)).told).toEqual([]);
    const engine = new LocalEngine(database, { chain: true });
    const { epoch } = await engine.acquire();
    await engine.append(2, commitOf(3, { epoch, events: [eventRow(5)] }));
    expect((await findingsOf(database, early)).told).toEqual([]);
  });

  // What a chain alone cannot show: everything that follows from the change was changed, too.
  test("shows a chain that was made anew over a changed log, and one that was cut off in good order", async () => {
    const { database } = await openStore();
    await makeLog(database, all);
    const heads = await headsOf(database);
    const rewritten = await openStore();
    const rows = await database.execute({ sql: `SELECT * FROM events` });
    const engine = new LocalEngine(rewritten.database, { chain: true });
    await engine.acquire();
    const changed = rows.map((row, index) => index === 1 ? row.with(5, "{}") : row) as unknown as EventRow[];
    await engine.append(0, commitOf(1, { events: changed }));
    expect((await findingsOf(rewritten.database)).told).toEqual([]);
    expect((await findingsOf(rewritten.database, heads)).told).toEqual([
      expect.objectContaining({ where: "position 10 of shard-0.db", what: expect.stringContaining("noted") }),
    ]);
    const older = await openStore();
    await makeLog(older.database, all.slice(0, 4));
    expect((await findingsOf(older.database)).told).toEqual([]);
    expect((await findingsOf(older.database, heads)).told).toEqual([
      expect.objectContaining({ where: "position 10 of shard-0.db" }),
    ]);
  });

  test.each([
    "",
    "0",
    "0.1",
    "0.1.short",
    `0.0.${"x".repeat(43)}`,
    `-1.1.${"x".repeat(43)}`,
    `0.1.${"x".repeat(44)}`,
  ])(
    "is refused where it is %j",
    (text) => {
      expect(() => parseNotedHead(text)).toThrow(UsageError);
    },
  );
});

describe.each([1, 4])("a folder with %i shards", (shards) => {
  const fill = async (data: string, chain: boolean) => {
    const runtime = await openRuntime({ modules: [ledger], data, shards, chain });
    await Promise.all(
      names(12).flatMap((key) => [1, 2, 3].map((n) => runtime.ask(ledger.ref(key).add({ n })))),
    );
    const positions = runtime.positions();
    await runtime[Symbol.asyncDispose]();
    return positions;
  };
  const verify = async (data: string, heads: readonly string[] = []) => {
    const findings = new Findings();
    await verifyFolder(data, new Registry([ledger]), findings, heads.map(parseNotedHead));
    return findings;
  };

  test("keeps its chains through a restart, a time without, a backup and a restore", async () => {
    const data = `${temporaryFolder()}/data`;
    const before = await fill(data, false);
    expect((await verify(data)).heads).toEqual([]);
    await fill(data, true);
    const early = (await verify(data)).heads;
    expect(early).toHaveLength(shards);
    await fill(data, false);
    const positions = await fill(data, true);
    const found = await verify(data, early);
    expect(found.told).toEqual([]);
    expect(found.notes).toEqual(
      expect.arrayContaining([...before].flatMap(([shard, position]) => [
        `Positions 1 to ${position} of shard-${shard}.db are not in its hash chain: it was off`,
        expect.stringMatching(`^Positions ${2 * position + 1} to ${3 * position} of shard-${shard}.db`),
      ])),
    );
    expect(found.heads.map((head) => head.slice(0, -44))).toEqual(
      [...positions].map(([shard, position]) => `${shard}.${position}`),
    );

    const backup = `${temporaryFolder()}/backup`;
    const restored = `${temporaryFolder()}/restored`;
    expect(await runTask("backup", backup, "--data", data)).toMatchObject({ code: 0 });
    expect(await runTask("restore", backup, restored)).toMatchObject({ code: 0 });
    expect((await verify(restored, [...early, ...found.heads])).told).toEqual([]);
    await fill(restored, true);
    const later = await verify(restored, [...early, ...found.heads]);
    expect(later.told).toEqual([]);
    // The backup is of before.
    const [missing] = (await verify(backup, later.heads)).told;
    expect(missing?.what).toContain("noted");
  });

  test("with one event changed behind everybody's back is told as such by deno task verify", async () => {
    const data = `${temporaryFolder()}/data`;
    await fill(data, true);
    const file = `${data}/modules.ts`;
    Deno.writeTextFileSync(
      file,
      `import { ledger } from "${
        new URL("../support/actors.ts", import.meta.url).href
      }"; export default [ledger];`,
    );
    const well = await runHere("verify", data, "--modules", file);
    expect(well).toMatchObject({ code: 0 });
    const heads = [...well.stdout.matchAll(/^Head of a hash chain: (\S+)$/gm)].map(([, head]) => head ?? "");
    expect(heads).toHaveLength(shards);
    const noted = heads.flatMap((head) => ["--head", head]);
    expect(await runHere("verify", data, "--modules", file, ...noted)).toMatchObject({ code: 0 });
    expect(await runHere("verify", data, "--head", "0.1.x")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("it must be shard.position.hash"),
    });
    const nowhere = (heads[0] ?? "").replace(/^\d+/, "9");
    expect(await runHere("verify", data, "--modules", file, "--head", nowhere)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`has ${shards} shard`),
    });
    await withShard(data, shards - 1, async (database) => {
      await database.execute({ sql: `UPDATE events SET message_id = 'x' WHERE position = 5` });
    });
    const wrong = await runHere("verify", data, "--modules", file, "--json");
    expect(wrong).toMatchObject({ code: 1 });
    expect(JSON.parse(wrong.stdout).findings).toContainEqual({
      check: "chain",
      where: `position 5 of shard-${shards - 1}.db`,
      what: "it is not the event that was chained",
    });
  });
});
