import { expect, test } from "vitest";
import { z } from "zod";
import {
  actor,
  command,
  createRuntime,
  FolioError,
  type OpenRuntime,
  projection,
  query,
  UnusableStoreError,
} from "../../src/mod.ts";
import { parseToken } from "../../src/core/token.ts";
import { type Database, DatabaseError } from "../../src/store/database.ts";
import { takeReadDatabase } from "../../src/store/fenced_database.ts";
import { openFileDatabase } from "../../src/store/file_database.ts";
import { simulate } from "../../src/testing/mod.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";

const box = actor("box", {
  initialState: () => ({ count: 0 }),
  events: { Added: z.object({}) },
  evolve: { Added: (state) => ({ count: state.count + 1 }) },
  rejections: { empty: z.object({}) },
  commands: {
    add: command(z.object({}), (turn) => {
      turn.emit("Added", {});
      return turn.state;
    }),
    look: command(z.object({}), (turn) => turn.state),
    take: command(z.object({}), (turn) => {
      if (turn.state.count < 2) turn.reject("empty", {});
    }),
  },
});
const counts = projection("counts", {
  version: 1,
  from: [box],
  tables: ["CREATE TABLE counts (box TEXT PRIMARY KEY, n INTEGER NOT NULL)"],
  on: {
    "box/Added": (write, { key }) =>
      write("INSERT INTO counts VALUES (?1, 1) ON CONFLICT (box) DO UPDATE SET n = n + 1", [key]),
  },
  queries: {
    all: query(z.object({}), z.object({ box: z.string(), n: z.int() }), () => ["SELECT box, n FROM counts"]),
  },
});
const a = box.ref("a");

/** A process with an actor in its memory, which another one has overtaken and gone on with. */
async function overtaken() {
  const sim = await simulate([box, counts], { seed: 1 });
  await sim.ask(a.add({}));
  await sim.takeOver();
  await sim.ask(a.add({}));
  return sim;
}

// Each would catch an answer out of a memory that is not true any more: nothing of it is written, so nothing of it
// is refused by the disk.
test.each<[string, (runtime: OpenRuntime) => Promise<unknown>]>([
  ["reads a state", (runtime) => runtime.state("box", "a")],
  ["runs a command that changes nothing", (runtime) => runtime.ask(a.look({}))],
  ["rejects a command", (runtime) => runtime.ask(a.take({}))],
  ["expects a version", (runtime) => runtime.ask(a.add({}), { expectedVersion: "7" })],
  ["adds", (runtime) => runtime.ask(a.add({}))],
])(
  "a process that was overtaken and %s says that it is not the owner",
  async (_, ask) => {
    const sim = await overtaken();
    const error = await sim.until(sim.begin(ask, "older").catch((error) => error));
    expect(error).toBeInstanceOf(FolioError);
    expect(error).toMatchObject({ code: "not-owner" });
    expect(await sim.state(box, "a")).toEqual({ state: { count: 2 }, version: 2 });
    await sim.stop();
  },
);

test("shards go back and forth, and each acknowledged command is there once", async () => {
  const sim = await simulate([box, counts], { seed: 2, shards: 3, faults: { diskMsMax: 5 } });
  for (let n = 1; n <= 5; n++) {
    const { version } = await sim.ask(a.add({}));
    expect(version).toBe(n);
    await sim.takeOver();
  }
  expect((await sim.events()).filter(({ type }) => type === "Added").length).toBe(5);
  await sim.stop();
});

// Would catch a process that, overtaken while it starts, drops the tables that serve, or lets its own serve.
test("what an overtaken process does about read models is nobody's", async () => {
  const sim = await overtaken();
  const rebuilt = sim.begin((runtime) => runtime.projections.rebuild("counts"), "older");
  await sim.until(rebuilt.catch(() => {}));
  await sim.advance("1m");
  await sim.ask(a.add({}));
  await sim.advance("1m");
  const { rows } = await sim.until(
    sim.begin((runtime) => runtime.projections.query("counts", "all", {}, { waitMs: 5_000 })),
  );
  expect(rows).toEqual([{ box: "a", n: 3 }]);
  await sim.stop();
});

/** Databases that several processes use. */
function shared() {
  const databases = new Map<string, Database>();
  return (name: string): Promise<Database> => {
    const database = databases.get(name) ?? openFileDatabase("file::memory:");
    databases.set(name, database);
    return Promise.resolve({
      execute: (statement) => database.execute(statement),
      batch: (statements, mode) => database.batch(statements, mode),
      close: () => Promise.resolve(),
    });
  };
}

// Would catch one that takes the read database first: who has the shards would go on without projections.
test("a process that fails to take the shards over takes nothing from the one that has them", async () => {
  const data = shared();
  await using own = await createRuntime({ modules: [box, counts], data });
  const failing = async (name: string) => {
    const database = await data(name);
    const batch: Database["batch"] = (statements, mode) =>
      mode === "write"
        ? Promise.reject(new DatabaseError("no", "SQLITE_IOERR"))
        : database.batch(statements, mode);
    return name === "read" ? database : { ...database, batch };
  };
  await expect(createRuntime({ modules: [box, counts], data: failing })).rejects.toThrow(UnusableStoreError);
  const { token } = await own.ask(a.add({}));
  const atLeast = parseToken(token, 1);
  const { rows } = await own.projections.query("counts", "all", {}, { atLeast, waitMs: 5_000 });
  expect(rows).toEqual([{ box: "a", n: 1 }]);
});

// Would catch one that serves commands for ever, with projections that stand still and nobody to replace it.
test("a process that has the shards and not the read database says that it is not ready", async () => {
  const data = shared();
  const clock = new VirtualClock();
  await using own = await createRuntime({ modules: [box, counts], data, clock });
  expect(own.isReady).toBe(true);
  await takeReadDatabase(await data("read"), () => {});
  const { ok } = await own.ask(a.add({}));
  await clock.advance("1s");
  expect(ok).toBe(true);
  expect(own.isReady).toBe(false);
});
