/** Files that a machine has damaged, and clocks that go back: never is something served that is not true. */
import { expect, onTestFinished, test } from "vitest";
import { createRuntime } from "../../src/create_runtime.ts";
import { FolioError } from "../../src/core/errors.ts";
import { Registry } from "../../src/runtime/registry.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { UnusableStoreError } from "../../src/store/migrations.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { Findings } from "../../scripts/verify/findings.ts";
import { verifyFolder } from "../../scripts/verify/folder.ts";
import { ServerProcess, start } from "../server/support.ts";
import { ledger, names } from "../support/actors.ts";
import { blobs } from "./support.ts";

function temporaryFolder(): string {
  const folder = Deno.makeTempDirSync({ prefix: "folio-damage-" });
  onTestFinished(() => Deno.removeSync(folder, { recursive: true }));
  return folder;
}

function copyTo(from: string, change: (name: string, bytes: Uint8Array) => Uint8Array): string {
  const to = temporaryFolder();
  for (const { name } of Deno.readDirSync(from)) {
    if (name.endsWith("-shm")) continue;
    Deno.writeFileSync(`${to}/${name}`, change(name, Deno.readFileSync(`${from}/${name}`)));
  }
  return to;
}

async function faultsIn(folder: string) {
  const findings = new Findings();
  await verifyFolder(folder, new Registry([ledger]), findings);
  return findings.told;
}

async function eventsIn(folder: string): Promise<unknown[]> {
  const database = openLibsqlDatabase({ url: `file:${folder}/shard-0.db` });
  const rows = await database.execute({
    sql: "SELECT actor, version, payload FROM events ORDER BY position",
  });
  await database.close();
  return rows;
}

/** A store as a power cut leaves it: the newest commits are only in the log beside the file. */
async function makeCutOff(): Promise<{ folder: string; events: unknown[] }> {
  const folder = temporaryFolder();
  const runtime = await createRuntime({ modules: [ledger], data: folder });
  for (let n = 1; n <= 12; n++) {
    await Promise.all(names(3).map((key) => runtime.ask(ledger.ref(key).burst({ count: n }))));
  }
  const cutOff = copyTo(folder, (_, bytes) => bytes);
  await runtime[Symbol.asyncDispose]();
  return { folder: cutOff, events: await eventsIn(folder) };
}

const walCuts: [what: string, change: (bytes: Uint8Array, part: number) => Uint8Array][] = [
  ["cut off", (bytes, part) => bytes.slice(0, Math.floor(bytes.length * part))],
  [
    "overwritten",
    (bytes, part) => bytes.with(Math.floor((bytes.length - 1) * part), 0x5a ^ (bytes.at(0) ?? 0)),
  ],
  ["filled up with zeros", (bytes, part) => bytes.map((byte, at) => (at < bytes.length * part ? byte : 0))],
];

// Would catch half a commit being taken for a whole one: events without the record that their message was handled.
test.each(walCuts)(
  "a log beside the file that is %s gives whole commits, from the first on, and is gone on with",
  async (_, change) => {
    const { folder, events } = await makeCutOff();
    const lengths = new Set<number>();
    for (let step = 0; step < 16; step++) {
      const damaged = copyTo(
        folder,
        (name, bytes) => (name === "shard-0.db-wal" ? change(bytes, step / 16) : bytes),
      );
      const isNew = (await Deno.stat(`${damaged}/shard-0.db`)).size === 0 && step === 0;
      if (!isNew && (await tables(damaged)) > 0) expect(await faultsIn(damaged)).toEqual([]);
      const runtime = await createRuntime({ modules: [ledger], data: damaged });
      const { reply } = await runtime.ask(ledger.ref("l0").look({})) as { reply: { version: number } };
      const next = await runtime.ask(ledger.ref("l0").add({ n: 5 }));
      expect(next).toMatchObject({ version: reply.version + 1 });
      await runtime[Symbol.asyncDispose]();
      const kept = await eventsIn(damaged);
      lengths.add(kept.length);
      expect(kept.slice(0, -1)).toEqual(events.slice(0, kept.length - 1));
      expect(await faultsIn(damaged)).toEqual([]);
    }
    expect(lengths.size).toBeGreaterThan(3);
  },
);

async function tables(folder: string): Promise<number> {
  const database = openLibsqlDatabase({ url: `file:${folder}/shard-0.db` });
  const [row] = await database.execute({ sql: "SELECT count(*) FROM sqlite_schema" });
  await database.close();
  return Number(row?.[0]);
}

// Would catch a page that is gone being served as an actor that has no events, or has others.
test("whichever page of a shard is destroyed: what is served is true, or is refused in words", async () => {
  const folder = temporaryFolder();
  const made = await createRuntime({ modules: [ledger], data: folder });
  const keys = names(12);
  for (let n = 1; n <= 3; n++) {
    await Promise.all(keys.map((key) => made.ask(ledger.ref(key).burst({ count: 60 }))));
  }
  const truth = new Map<string, unknown>();
  for (const key of keys) truth.set(key, await made.state("ledger", key));
  await made[Symbol.asyncDispose]();
  const pages = Deno.statSync(`${folder}/shard-0.db`).size / 4096;
  const outcomes = { refusedToStart: 0, served: 0, refused: 0 };
  // The first page, and others from all over the file.
  for (let page = 0; page < pages; page += Math.ceil(pages / 16)) {
    const damaged = copyTo(folder, (name, bytes) => {
      return name === "shard-0.db"
        ? bytes.fill(0x5a, page * 4096 + (page === 0 ? 100 : 0), (page + 1) * 4096)
        : bytes;
    });
    try {
      const runtime = await createRuntime({ modules: [ledger], data: damaged });
      for (const key of keys) {
        try {
          expect(await runtime.state("ledger", key)).toEqual(truth.get(key));
          outcomes.served++;
        } catch (error) {
          if (!(error instanceof FolioError)) throw error;
          expect(error.code).toBe("store-unavailable");
          outcomes.refused++;
        }
      }
      await runtime[Symbol.asyncDispose]();
    } catch (error) {
      if (!(error instanceof UnusableStoreError)) throw error;
      expect(error.message).toMatch(/^Cannot use .*(malformed|not a database|corrupt)/);
      outcomes.refusedToStart++;
    }
    expect(await faultsIn(damaged).catch(() => ["refused"])).not.toEqual([]);
  }
  expect(outcomes).toEqual({
    refusedToStart: expect.toSatisfy((count: number) => count > 0),
    served: expect.toSatisfy((count: number) => count > 0),
    refused: expect.toSatisfy((count: number) => count > 0),
  });
}, 120_000);

test("a destroyed file ends the start of the real server in one line", async () => {
  const folder = temporaryFolder();
  const env = { FOLIO_DATA: folder, FOLIO_MODULES: blobs };
  const first = await start(env);
  await (await first.post("/actors/blob/b/put", { n: 1, text: "x" })).body?.cancel();
  await first.stop();
  const bytes = Deno.readFileSync(`${folder}/shard-0.db`);
  Deno.writeFileSync(`${folder}/shard-0.db`, bytes.fill(0x5a, 4096));
  const { code, stderr } = await new ServerProcess(env).outcome();
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/^Cannot use .*shard-0\.db: .*malformed\n$/),
  });
});

// Would catch times of a log that go back, ids that are forgotten too early, and a mailbox that waits for ever.
test("a clock that was set back while the process was down changes nothing that was recorded", async () => {
  const folder = temporaryFolder();
  const clock = new VirtualClock();
  const open = () => createRuntime({ modules: [ledger], data: folder, clock });
  const first = await open();
  const add = ledger.ref("a").add({ n: 1 });
  await first.submit(add, { messageId: "once", waitMs: 1_000 });
  await first[Symbol.asyncDispose]();
  clock.set(clock.now() - 86_400_000 * 30);
  const second = await open();
  expect(await second.submit(add, { messageId: "once", waitMs: 1_000 })).toMatchObject({
    status: "done",
    version: 1,
  });
  expect(await second.ask(ledger.ref("a").add({ n: 2 }))).toMatchObject({ version: 2, reply: { sum: 3 } });
  const { events } = await second.stream("ledger", "a", { after: 0, limit: 10 });
  expect(events.map(({ at }) => at)).toEqual([...events.map(({ at }) => at)].sort((a, b) => a - b));
  await second[Symbol.asyncDispose]();
  expect(await faultsIn(folder)).toEqual([]);
});
