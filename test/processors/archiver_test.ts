import { describe, expect, test } from "vitest";
import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { reactor } from "../../src/core/reactor.ts";
import type { OpenRuntime } from "../../src/create_runtime.ts";
import { Archiver } from "../../src/processors/archiver.ts";
import { Registry } from "../../src/runtime/registry.ts";
import { streamsOf } from "../../src/store/events.ts";
import { type PageSource, selectBounded, selectShort } from "../../src/store/page.ts";
import { Findings } from "../../scripts/verify/findings.ts";
import { verifyFolder } from "../../scripts/verify/folder.ts";
import { jsonLines, runTask, withShard } from "../scripts/support.ts";
import { temporaryFolder } from "../store/databases.ts";
import { listener } from "../reactors/support.ts";
import { names } from "../support/actors.ts";
import { Hours, readAll, rowsOf } from "./archive_support.ts";
import modules, { box, shelf } from "./boxes.ts";

const keys = names(8);

/** Boxes of which the even ones are closed, and something of later, without which the newest event stays. */
async function fill(runtime: OpenRuntime): Promise<void> {
  for (const [index, key] of keys.entries()) {
    await runtime.ask(box.ref(key).put({ n: index + 1, times: 2 }));
    await runtime.ask(shelf.ref(key).close({}));
    await runtime.ask(box.ref(key).put({ n: 10 }), { messageId: `ten-${key}` });
    if (index % 2 === 0) await runtime.ask(box.ref(key).close({}));
  }
  await goOn(runtime);
}

/** An event in each shard that is of no box. */
async function goOn(runtime: OpenRuntime): Promise<void> {
  for (const key of names(20)) await runtime.ask(shelf.ref(`after-${key}`).close({}));
}

/** How many events lie in the shards' own tables, and in their archives. */
async function placesOf(runtime: OpenRuntime): Promise<[own: number, archived: number]> {
  let [own, archived] = [0, 0];
  for (const { store: { database } } of runtime.shards) {
    own += Number((await database.execute({ sql: `SELECT count(*) FROM main.events` }))[0]?.[0]);
    archived += Number((await database.execute({ sql: `SELECT count(*) FROM archive.events` }))[0]?.[0]);
  }
  return [own, archived];
}

async function findingsIn(data: string): Promise<Findings["told"]> {
  const findings = new Findings();
  await verifyFolder(data, new Registry([...modules, listener]), findings);
  return findings.told;
}

describe.each([1, 4])("with %i shards", (shards) => {
  test("everything that is read is the same before and after, through a restart and a rebuild", async () => {
    const hours = new Hours();
    const data = temporaryFolder();
    const first = await hours.open(data, { shards, chain: true });
    await fill(first);
    const before = await readAll(first, keys);
    const rows = await rowsOf(first);
    const total = [...first.positions().values()].reduce((sum, position) => sum + position, 0);
    hours.pass(2);
    expect(await new Archiver(first).runOnce()).toBe(16);
    expect(await placesOf(first)).toEqual([total - 16, 16]);
    expect(await readAll(first, keys)).toEqual(before);
    expect(await new Archiver(first).runOnce()).toBe(0);
    await first[Symbol.asyncDispose]();
    expect(await findingsIn(data)).toEqual([]);

    for (const name of ["read.db", "read.db-wal", "read.db-shm"]) {
      Deno.removeSync(`${data}/${name}`, { recursive: true });
    }
    // One that answers the log from its beginning, and was not there before.
    const tell = reactor("tell", {
      from: [box],
      startFrom: "beginning",
      on: { "box/Put": (react, event) => react.send(listener.ref("all").hear({ n: event.payload.n })) },
    });
    const second = await hours.open(data, { shards, modules: [...modules, listener, tell] });
    expect(await rowsOf(second)).toEqual(rows);
    const heard = async () => (await second.state("listener", "all")).state as number[];
    while ((await heard()).length < keys.length * 3) await new Promise((resolve) => setImmediate(resolve));
    const expected = keys.flatMap((_, index) => [index + 1, index + 1, 10]);
    expect((await heard()).toSorted((a, b) => a - b)).toEqual(expected.toSorted((a, b) => a - b));
  });

  test("a command to an archived actor is handled like any other, and it is archived again when it is closed again", async () => {
    const hours = new Hours();
    const data = temporaryFolder();
    let runtime = await hours.open(data, { shards });
    await fill(runtime);
    hours.pass(2);
    await new Archiver(runtime).runOnce();
    for (const isCold of [false, true]) {
      if (isCold) {
        await runtime[Symbol.asyncDispose]();
        // Not from a snapshot either.
        for (let shard = 0; shard < shards; shard++) {
          await withShard(data, shard, async (database) => {
            await database.execute({ sql: "DELETE FROM snapshots" });
          });
        }
        runtime = await hours.open(data, { shards });
      }
      const key = isCold ? "l2" : "l0";
      const put = await runtime.ask(box.ref(key).put({ n: 5 }), { expectedVersion: "4" });
      expect(put).toMatchObject({ ok: true, version: 5, reply: { sum: isCold ? 21 : 17, version: 5 } });
      // The reply of long ago, and not a second ten.
      const again = await runtime.ask(box.ref(key).put({ n: 10 }), { messageId: `ten-${key}` });
      expect(again).toMatchObject({ version: 3 });
      expect(await runtime.state("box", key)).toEqual({
        state: { sum: isCold ? 21 : 17, isClosed: false },
        version: 5,
      });
      hours.pass(2);
      await goOn(runtime);
      expect(await new Archiver(runtime).runOnce()).toBe(0);
      await runtime.ask(box.ref(key).close({}));
      await goOn(runtime);
      hours.pass(2);
      const before = await readAll(runtime, keys);
      expect(await new Archiver(runtime).runOnce()).toBe(2);
      expect(await readAll(runtime, keys)).toEqual(before);
      const { events: stream } = await runtime.stream("box", key, { after: 0, limit: 100 });
      expect(stream.map(({ version, type }) => [version, type])).toEqual([
        ...[[1, "Put"], [2, "Put"], [3, "Put"], [4, "Closed"], [5, "Put"], [6, "Closed"]],
      ]);
    }
    await runtime[Symbol.asyncDispose]();
    expect(await findingsIn(data)).toEqual([]);
  });

  // Would catch the deletion going before the copy, or a copy that is seen before its time: each folder is as a
  // process leaves it that is killed there.
  test(
    "a process that is killed at any step loses nothing and shows nothing twice, and the next one goes on",
    async () => {
      const hours = new Hours();
      const data = temporaryFolder();
      const runtime = await hours.open(data, { shards });
      await fill(runtime);
      await runtime.ask(box.ref("l1").put({ n: 1, times: 600 }));
      await runtime.ask(box.ref("l3").put({ n: 1, times: 600 }));
      await runtime.ask(box.ref("l1").close({}));
      await runtime.ask(box.ref("l3").close({}));
      await goOn(runtime);
      const before = await readAll(runtime, keys);
      const [total] = await placesOf(runtime);
      hours.pass(2);
      const killed: string[] = [];
      const kill = () => {
        const folder = temporaryFolder();
        for (const { name } of Deno.readDirSync(data)) {
          if (!name.endsWith("-shm")) Deno.copyFileSync(`${data}/${name}`, `${folder}/${name}`);
        }
        killed.push(folder);
      };
      for (const { store: { database } } of runtime.shards) {
        const { batch } = database;
        database.batch = async (statements, mode) => {
          if (mode === "write") kill();
          const rows = await batch(statements, mode);
          if (mode === "write") kill();
          return rows;
        };
      }
      const moved = 16 + 604 + 604;
      expect(await new Archiver(runtime).runOnce()).toBe(moved);
      // Copied and let go of, before and after, in as many parts as a shard needs.
      expect(killed.length).toBeGreaterThanOrEqual(shards === 1 ? 8 : 12);
      let seen = 0;
      for (const folder of killed) {
        const next = await hours.open(folder, { shards });
        const [own, archived] = await placesOf(next);
        expect(own + archived).toBeGreaterThanOrEqual(total);
        if (archived > 0) seen++;
        expect(await readAll(next, keys)).toEqual(before);
        await new Archiver(next).runOnce();
        expect(await placesOf(next)).toEqual([total - moved, moved]);
        expect(await readAll(next, keys)).toEqual(before);
        await next[Symbol.asyncDispose]();
        expect(await findingsIn(folder)).toEqual([]);
      }
      expect(seen).toBeGreaterThan(shards);
    },
    120_000,
  );

  test("a step that fails leaves everything as it is read, and is done the next time", async () => {
    const hours = new Hours();
    const runtime = await hours.open(temporaryFolder(), { shards });
    await fill(runtime);
    const before = await readAll(runtime, keys);
    const [total] = await placesOf(runtime);
    hours.pass(2);
    const archiver = new Archiver(runtime);
    let writes = 0;
    let failAt = 1;
    for (const { store: { database } } of runtime.shards) {
      const { batch } = database;
      database.batch = async (statements, mode) => {
        const isCommit = statements.some(({ sql }) => sql.startsWith("INSERT INTO commits"));
        const isCopy = statements.some(({ sql }) => sql.startsWith("INSERT OR IGNORE INTO archive"));
        if ((isCommit || isCopy) && ++writes === failAt) throw new Error("failed, as planned");
        return await batch(statements, mode);
      };
    }
    const failures: unknown[] = [];
    for (let moved = 0; moved < 16;) {
      writes = 0;
      moved += await archiver.runOnce().catch((error) => {
        failures.push(error);
        return 0;
      });
      failAt++;
      // A lost commit has its shard loaded again.
      while (!runtime.isReady) await new Promise((resolve) => setImmediate(resolve));
      expect(await readAll(runtime, keys)).toEqual(before);
      const [, archived] = await placesOf(runtime);
      if (archived === 16 && writes < failAt - 1) break;
    }
    expect(failures.length).toBeGreaterThanOrEqual(2);
    expect(await placesOf(runtime)).toEqual([total - 16, 16]);
  });

  test("scripts see what is archived, and a backup has it", async () => {
    const hours = new Hours();
    const data = temporaryFolder();
    const runtime = await hours.open(data, { shards, chain: true });
    await fill(runtime);
    const printed = async (folder: string) =>
      jsonLines((await runTask("events", "--data", folder, "--json")).stdout);
    const before = await printed(data);
    expect(before).toHaveLength(8 * 4 + 4 + 20);
    hours.pass(2);
    expect(await new Archiver(runtime).runOnce()).toBe(16);
    expect(await printed(data)).toEqual(before);
    expect(await runTask("events", "box/l0", "--data", data)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("Closed"),
    });
    const module = new URL("./boxes.ts", import.meta.url).pathname;
    const inspected = await runTask(
      "inspect",
      "box/l0",
      "--version",
      "2",
      "--data",
      data,
      "--modules",
      module,
      "--json",
    );
    expect(JSON.parse(inspected.stdout)).toMatchObject({ version: 2, versions: 4, state: { sum: 2 } });

    const backup = `${temporaryFolder()}/backup`;
    expect(await runTask("backup", backup, "--data", data)).toMatchObject({ code: 0, stderr: "" });
    const restored = `${temporaryFolder()}/restored`;
    expect(await runTask("restore", backup, restored)).toMatchObject({ code: 0, stderr: "" });
    expect(await printed(restored)).toEqual(before);
    expect(await findingsIn(restored)).toEqual([]);
    const again = await hours.open(restored, { shards });
    expect(await readAll(again, keys)).toEqual(await readAll(runtime, keys));

    const changed = `${temporaryFolder()}/changed`;
    Deno.writeFileSync(`${backup}/archive-0.db`, new Uint8Array(4096), { append: true });
    expect(await runTask("restore", backup, changed)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("Cannot restore archive-0.db: it has"),
    });
    expect([...Deno.readDirSync(changed)].map(({ name }) => name)).toEqual(["folio.lock"]);
    Deno.removeSync(`${backup}/archive-0.db`);
    expect(await runTask("restore", backup, changed)).toMatchObject({ code: 1 });
  }, 60_000);
});

test("an actor is archived when its time is over, to the millisecond", async () => {
  const hours = new Hours();
  const runtime = await hours.open(temporaryFolder());
  await runtime.ask(box.ref("b").close({}));
  await goOn(runtime);
  const archiver = new Archiver(runtime);
  hours.passMs(3_599_999);
  expect(await archiver.runOnce()).toBe(0);
  hours.passMs(1);
  expect(await archiver.runOnce()).toBe(1);
});

// Would catch positions that are given a second time: they go on from the newest event of the shard's own table.
test("the newest event of a shard stays where it is until another one comes", async () => {
  const hours = new Hours();
  const data = temporaryFolder();
  const runtime = await hours.open(data);
  await runtime.ask(box.ref("b").put({ n: 1, times: 3 }));
  await runtime.ask(box.ref("b").close({}));
  hours.pass(2);
  const archiver = new Archiver(runtime);
  expect(await archiver.runOnce()).toBe(0);
  await runtime[Symbol.asyncDispose]();
  const next = await hours.open(data);
  expect(await next.ask(shelf.ref("s").close({}))).toMatchObject({ position: 5 });
  expect(await new Archiver(next).runOnce()).toBe(4);
  await next[Symbol.asyncDispose]();
  const last = await hours.open(data);
  expect(await last.ask(shelf.ref("s").close({}))).toMatchObject({ position: 6 });
});

// Would catch an archiver that takes the newest event for looked at, and never comes back to it.
test("an actor whose closing was the newest event is archived by the same process when another event has come", async () => {
  const hours = new Hours();
  const runtime = await hours.open(temporaryFolder());
  await runtime.ask(box.ref("b").close({}));
  hours.pass(2);
  const archiver = new Archiver(runtime);
  expect(await archiver.runOnce()).toBe(0);
  await goOn(runtime);
  expect(await archiver.runOnce()).toBe(1);
});

test("what was never closed, or is of a type without an archive, stays however old it is", async () => {
  const hours = new Hours();
  const runtime = await hours.open(temporaryFolder());
  await runtime.ask(box.ref("open").put({ n: 1 }));
  await runtime.ask(box.ref("reopened").close({}));
  await runtime.ask(box.ref("reopened").put({ n: 1 }));
  await goOn(runtime);
  hours.pass(100_000);
  expect(await new Archiver(runtime).runOnce()).toBe(0);
});

test("an actor stays while a message, a timer or an activity waits for it, and no longer", async () => {
  const hours = new Hours();
  const data = temporaryFolder();
  const runtime = await hours.open(data);
  await runtime.ask(box.ref("timer").closeAndPutLater({ after: "3h" }));
  await runtime.ask(box.ref("activity").closeAndWeigh({}));
  await runtime.ask(box.ref("message").close({}));
  const deliverAt = hours.clock.now() + 3 * 3_600_000;
  await runtime.send(box.ref("message").put({ n: 1 }), { deliverAt });
  await runtime.ask(box.ref("nothing").close({}));
  await goOn(runtime);
  hours.pass(2);
  const archiver = new Archiver(runtime);
  expect(await archiver.runOnce()).toBe(1);
  await runtime[Symbol.asyncDispose]();
  await withShard(data, 0, async (database) => {
    await database.execute({ sql: "DELETE FROM timers" });
    await database.execute({ sql: "DELETE FROM messages" });
  });
  const next = await hours.open(data);
  expect(await new Archiver(next).runOnce()).toBe(3);
});

test("an actor that waited is looked at again by the same archiver, and others meanwhile", async () => {
  const hours = new Hours();
  const runtime = await hours.open(temporaryFolder(), { performs: true });
  await runtime.ask(box.ref("a").closeAndPutLater({ after: "3h" }));
  await runtime.ask(box.ref("b").close({}));
  await goOn(runtime);
  hours.pass(2);
  const archiver = new Archiver(runtime);
  expect(await archiver.runOnce()).toBe(1);
  await runtime.shards[0]?.store.database.execute({ sql: "DELETE FROM timers" });
  expect(await archiver.runOnce()).toBe(1);
});

test.each([999, 1_000, 1_001])("a stream of %i events is moved in parts of a thousand", async (count) => {
  const hours = new Hours();
  const runtime = await hours.open(temporaryFolder());
  for (let left = count - 1; left > 0; left -= 500) {
    await runtime.ask(box.ref("long").put({ n: 1, times: Math.min(left, 500) }));
  }
  await runtime.ask(box.ref("long").close({}));
  await goOn(runtime);
  hours.pass(2);
  const database = runtime.shards[0]?.store.database;
  if (!database) throw new Error("There is no shard");
  let copies = 0;
  const { batch } = database;
  database.batch = (statements, mode) => {
    if (statements.some(({ sql }) => sql.startsWith("INSERT OR IGNORE"))) copies++;
    return batch(statements, mode);
  };
  expect(await new Archiver(runtime).runOnce()).toBe(count);
  expect(copies).toBe(Math.ceil(count / 1_000));
  expect(await placesOf(runtime)).toEqual([20, count]);
  expect(await runtime.past("box", "long", { version: count - 1 })).toMatchObject({
    state: { sum: count - 1 },
  });
});

test("an archive that is gone, empty or another shard's is refused, and so is a folder for scripts", async () => {
  const hours = new Hours();
  const data = temporaryFolder();
  const runtime = await hours.open(data, { shards: 2 });
  await fill(runtime);
  hours.pass(2);
  await new Archiver(runtime).runOnce();
  await runtime[Symbol.asyncDispose]();
  const archive = `${data}/archive-0.db`;
  Deno.renameSync(archive, `${data}/kept`);
  const isArchived =
    /events of box\/\w+ (were archived|are in archive-0.db), and (its archive|there is no such file)/;
  await expect(hours.open(data, { shards: 2, modules: [shelf] })).rejects.toThrow(isArchived);
  expect((await runTask("events", "--data", data)).stderr).toMatch(isArchived);
  expect(await runTask("verify", data)).toMatchObject({ code: 2, stderr: expect.stringMatching(isArchived) });
  await expect(hours.open(data, { shards: 2 })).rejects.toThrow(isArchived);
  Deno.copyFileSync(`${data}/archive-1.db`, archive);
  await expect(hours.open(data, { shards: 2 })).rejects.toThrow("its shard is 1, not 0");
  Deno.renameSync(`${data}/kept`, archive);
  // Even if no type asks for an archive any more.
  const without = actor("box", {
    initialState: () => 0,
    events: { Put: z.object({ n: z.int() }), Closed: z.object({}) },
    evolve: { Put: (state) => state + 1, Closed: (state) => state },
    commands: {},
  });
  const again = await hours.open(data, { shards: 2, modules: [without] });
  expect(await again.state("box", "l0")).toEqual({ state: 3, version: 4 });
});

test("other events in an archive are never taken for those of the shard", async () => {
  const hours = new Hours();
  const data = temporaryFolder();
  const runtime = await hours.open(data);
  await fill(runtime);
  const before = await readAll(runtime, keys);
  const database = runtime.shards[0]?.store.database;
  await database?.execute({
    sql:
      `INSERT INTO archive.events SELECT 1, actor, version, type, schema_version, '{"n":77}', at, message_id,
      correlation_id, causation_id FROM main.events WHERE position = 1`,
  });
  expect(await readAll(runtime, keys)).toEqual(before);
  hours.pass(2);
  await expect(new Archiver(runtime).runOnce()).rejects.toThrow("holds another event in the place of box/l0");
  expect(await readAll(runtime, keys)).toEqual(before);
});

test("a change in an archive is found by the hash chain", async () => {
  const hours = new Hours();
  const data = temporaryFolder();
  const runtime = await hours.open(data, { chain: true });
  await fill(runtime);
  hours.pass(2);
  await new Archiver(runtime).runOnce();
  const database = runtime.shards[0]?.store.database;
  await database?.execute({ sql: `UPDATE archive.events SET message_id = 'x' WHERE position = 2` });
  await runtime[Symbol.asyncDispose]();
  expect(await findingsIn(data)).toContainEqual({
    check: "chain",
    where: "position 2 of shard-0.db",
    what: "it is not the event that was chained",
  });
});

test("a store that is no folder keeps its events, and says so", async () => {
  const hours = new Hours();
  const logged: string[] = [];
  const log = (_: string, message: string) => void logged.push(message);
  const runtime = await hours.open(":memory:", { log });
  await fill(runtime);
  hours.pass(2);
  expect(await new Archiver(runtime).runOnce()).toBe(0);
  expect(logged).toContain("Nothing is archived: the store is no folder");
});

// Would catch reads that go through the whole log as soon as there is an archive.
test("what turns read of a log with an archive is found by its indexes", async () => {
  const runtime = await new Hours().open(temporaryFolder());
  const database = runtime.shards[0]?.store.database;
  const columns = "position, actor, version, payload";
  const bound = { limit: 10, bytesMax: 10_000 };
  const statementsOf = (source: PageSource) =>
    [selectShort, selectBounded].map((of) => of(source, bound).sql);
  const sourceOf = (where: string, order: string): PageSource => ({
    select: (columns) => `SELECT ${columns} FROM events WHERE ${where}`,
    ...{ columns: columns.split(", "), long: ["payload"], keys: order, order, args: [1, 2] },
  });
  for (
    const sql of [
      ...statementsOf(streamsOf([["box/a", 0, ""]], true)),
      ...statementsOf(sourceOf("position > ?1 AND position <= ?2", "position")),
      ...statementsOf(sourceOf("actor = ?1 AND version > ?2", "version")),
      `SELECT at FROM events WHERE position = ?`,
      `SELECT ${columns} FROM events WHERE message_id = ? ORDER BY position LIMIT 10`,
    ]
  ) {
    const plan = (await database?.execute({ sql: `EXPLAIN QUERY PLAN ${sql}` }))?.map((row) => row[3]) ?? [];
    expect(plan.filter((step) => /^SEARCH/.test(String(step))).length, sql).toBeGreaterThanOrEqual(3);
    expect(plan.filter((step) => /MATERIALIZE|SCAN (main\.events|a$|archive)|AUTOMATIC/.test(String(step))))
      .toEqual([]);
  }
});

test.each([
  [{ closedBy: ["Closed"], after: "soon" }, "must be a duration"],
  [{ closedBy: [], after: "1h" }, "names no event"],
  [{ closedBy: ["Other"], after: "1h" }, "names Other, which is no event of it"],
])("archive: %j is refused when the module is loaded", (archive, message) => {
  const parts = {
    initialState: () => 0,
    events: { Closed: z.object({}) },
    evolve: { Closed: (state: number) => state },
    commands: {},
  };
  expect(() => actor("thing", { ...parts, archive: archive as never })).toThrow(message);
});
