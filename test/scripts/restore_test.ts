import { afterAll, beforeAll, expect, test } from "vitest";
import { digest } from "../../scripts/support/manifest.ts";
import { createRuntime } from "../../src/create_runtime.ts";
import { holdFolder } from "../../src/store/folder.ts";
import { temporaryFolder } from "../store/databases.ts";
import { ledger, names } from "../support/actors.ts";
import { runTask, withShard } from "./support.ts";

const SHARDS = 2;
const root = Deno.makeTempDirSync({ prefix: "folio-test-" });
/** Made once; tests work on copies. */
const backup = `${root}/backup`;

beforeAll(async () => {
  const data = `${root}/data`;
  const runtime = await createRuntime({ modules: [ledger], data, shards: SHARDS });
  for (const key of names(8)) await runtime.ask(ledger.ref(key).burst({ count: 5 }));
  await runtime[Symbol.asyncDispose]();
  expect(await runTask("backup", backup, "--data", data)).toMatchObject({ code: 0, stderr: "" });
});
afterAll(() => Deno.removeSync(root, { recursive: true }));

function copyOfBackup(): string {
  const path = temporaryFolder();
  for (const { name } of Deno.readDirSync(backup)) Deno.copyFileSync(`${backup}/${name}`, `${path}/${name}`);
  return path;
}

/** Lets the manifest say of its files what they are now. */
async function resign(path: string): Promise<void> {
  const manifest = JSON.parse(Deno.readTextFileSync(`${path}/manifest.json`));
  for (const shard of manifest.shards) Object.assign(shard, await digest(`${path}/${shard.file}`));
  Deno.writeTextFileSync(`${path}/manifest.json`, JSON.stringify(manifest));
}

/** Changes a shard's rows, and the manifest with it. */
async function tamper(path: string, sql: string): Promise<void> {
  await withShard(path, 0, async (database) => void await database.execute({ sql }));
  await resign(path);
}

const damages: [name: string, damage: (path: string) => Promise<void> | void, message: string][] = [
  ["has no manifest", (path) => Deno.removeSync(`${path}/manifest.json`), "it has no manifest.json"],
  [
    "has a manifest that is no JSON",
    (path) => Deno.writeTextFileSync(`${path}/manifest.json`, "{"),
    "SyntaxError",
  ],
  [
    "has a manifest of another format",
    (path) => Deno.writeTextFileSync(`${path}/manifest.json`, `{"format":"folio-backup","formatVersion":2}`),
    "formatVersion",
  ],
  [
    "names files elsewhere",
    (path) => {
      const manifest = JSON.parse(Deno.readTextFileSync(`${path}/manifest.json`));
      manifest.shards[1].file = "../shard-1.db";
      Deno.writeTextFileSync(`${path}/manifest.json`, JSON.stringify(manifest));
    },
    "shards must be shard-0.db and so on",
  ],
  [
    "was made by a newer program",
    (path) => {
      const manifest = JSON.parse(Deno.readTextFileSync(`${path}/manifest.json`));
      Deno.writeTextFileSync(`${path}/manifest.json`, JSON.stringify({ ...manifest, schema: 99 }));
    },
    "it has schema version 99, and this program knows up to ",
  ],
  ["lacks a shard", (path) => Deno.removeSync(`${path}/shard-1.db`), "shard-1.db: "],
  [
    "was cut off",
    (path) => Deno.truncateSync(`${path}/shard-1.db`, 4096),
    "Cannot restore shard-1.db: it has 4096 bytes, not ",
  ],
  [
    "has one byte changed",
    (path) => {
      const bytes = Deno.readFileSync(`${path}/shard-1.db`);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      Deno.writeFileSync(`${path}/shard-1.db`, bytes);
    },
    "Cannot restore shard-1.db: its content is not what was backed up",
  ],
  [
    "has its shards exchanged",
    async (path) => {
      Deno.renameSync(`${path}/shard-0.db`, `${path}/x`);
      Deno.renameSync(`${path}/shard-1.db`, `${path}/shard-0.db`);
      Deno.renameSync(`${path}/x`, `${path}/shard-1.db`);
      await resign(path);
    },
    "Cannot use shard-0.db: it is shard 1 of 2, not shard 0 of 2",
  ],
  [
    "has a damaged index",
    async (path) => {
      const pages = await withShard(path, 0, async (database) => {
        const rows = await database.execute({
          sql: "SELECT rootpage FROM sqlite_schema WHERE name = 'events_stream'",
        });
        return rows.map(([page]) => Number(page));
      });
      const bytes = Deno.readFileSync(`${path}/shard-0.db`);
      bytes.fill(0, ((pages[0] ?? 0) - 1) * 4096, (pages[0] ?? 0) * 4096);
      Deno.writeFileSync(`${path}/shard-0.db`, bytes);
      await resign(path);
    },
    "Cannot restore shard-0.db: it is damaged: ",
  ],
  ["is another program's", (path) => tamper(path, "DROP TABLE meta"), "it is not a shard of Folio's"],
  [
    "has a gap in its log",
    (path) => tamper(path, "DELETE FROM events WHERE position = 2"),
    "Cannot restore shard-0.db: its log has ",
  ],
  [
    "has lost the end of its log",
    (path) => tamper(path, "DELETE FROM events WHERE position = (SELECT max(position) FROM events)"),
    "Cannot restore shard-0.db: its log ends at position ",
  ],
  [
    "has a gap in a stream",
    (path) => tamper(path, "UPDATE events SET version = 6 WHERE position = 5"),
    " has 5 events, and version 6",
  ],
];

test.for(damages)("a backup that %s is refused, and nothing is put in place", async ([, damage, message]) => {
  const path = copyOfBackup();
  await damage(path);
  const target = `${temporaryFolder()}/target`;
  const result = await runTask("restore", path, target);
  expect(result).toMatchObject({ code: 1 });
  expect(result.stderr).toContain(message);
  expect(result.stderr.trim().split("\n")).toHaveLength(1);
  const left = await Deno.stat(target).then(
    () => [...Deno.readDirSync(target)].map(({ name }) => name),
    () => [],
  );
  expect(left.filter((name) => name !== "folio.lock")).toEqual([]);
});

test("what a restore was refused for can be restored to once it is mended", async () => {
  const path = copyOfBackup();
  Deno.renameSync(`${path}/shard-1.db`, `${path}/away`);
  const target = temporaryFolder();
  expect((await runTask("restore", path, target)).code).toBe(1);
  Deno.renameSync(`${path}/away`, `${path}/shard-1.db`);
  expect(await runTask("restore", path, target)).toMatchObject({ code: 0, stderr: "" });
  await using runtime = await createRuntime({ modules: [ledger], data: target, shards: SHARDS });
  for (const key of names(8)) expect(await runtime.state("ledger", key)).toMatchObject({ version: 5 });
});

test("a destination that is held or has something in it is left as it is", async () => {
  const target = temporaryFolder();
  const held = holdFolder(target);
  expect(await runTask("restore", backup, target)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      `Cannot use the folder ${target}: it is held by process ${Deno.pid}, since `,
    ),
  });
  held.release();
  Deno.writeTextFileSync(`${target}/shard-0.db`, "mine");
  const elsewhere = temporaryFolder();
  Deno.writeTextFileSync(`${elsewhere}/mine`, "mine");
  for (const [path, name] of [[target, "shard-0.db"], [elsewhere, "mine"]] as const) {
    const before = [...Deno.readDirSync(path)];
    expect(await runTask("restore", backup, path)).toMatchObject({
      code: 1,
      stderr: `Cannot restore to ${path}: it is not empty, it has ${name}\n`,
    });
    expect([...Deno.readDirSync(path)]).toEqual(before);
    expect(Deno.readTextFileSync(`${path}/${name}`)).toBe("mine");
  }
});

test("a command line that says too little or too much is refused with exit code 2", async () => {
  for (const args of [[], [backup], [backup, "b", "c"], [backup, "b", "--force"]]) {
    expect(await runTask("restore", ...args), args.join(" ")).toMatchObject({ code: 2, stdout: "" });
  }
  expect((await runTask("restore", "--help")).stdout).toContain("Usage: deno task folio restore SRC DEST");
});
