import { expect, onTestFinished, test } from "vitest";
import { holdFolder } from "../../src/store/folder.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { UnusableStoreError } from "../../src/store/migrations.ts";
import { openShardStore } from "../../src/store/shard_store.ts";
import { openWorkerDatabase } from "../../src/store/worker_database.ts";
import { closedAtEnd, commitOf, eventRow, temporaryFolder } from "./databases.ts";

/** Another process that holds a folder, once it has said so. */
async function startHolder(path: string) {
  const script = new URL("folder_holder.ts", import.meta.url);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", script.href, path],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  onTestFinished(async () => {
    await child.stdin.abort().catch(() => {});
    await child.stdout.cancel().catch(() => {});
    await child.status;
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  expect(new TextDecoder().decode(value)).toBe("held\n");
  return child;
}

// Would catch two processes that write one log, and a lock that outlives a process which could not clean up.
test("a folder that another process holds is refused until that process has ended, however it ends", async () => {
  const path = `${temporaryFolder()}/data`;
  const child = await startHolder(path);
  expect(() => holdFolder(path)).toThrow(UnusableStoreError);
  expect(() => holdFolder(path)).toThrow(
    `Cannot use the folder ${path}: it is held by process ${child.pid}, since `,
  );
  child.kill("SIGKILL");
  await child.status;
  const held = holdFolder(path);
  expect(() => holdFolder(path)).toThrow(`held by process ${Deno.pid}, since `);
  held.release();
});

test("a folder is held once only within a process too, and can be taken again after its release", () => {
  const path = temporaryFolder();
  const held = holdFolder(path);
  expect(() => holdFolder(path)).toThrow(`held by process ${Deno.pid}, since `);
  expect(() => holdFolder(`${path}/../${path.split("/").at(-1)}`)).toThrow(UnusableStoreError);
  held.release();
  const again = holdFolder(path);
  expect(() => holdFolder(path)).toThrow(UnusableStoreError);
  again.release();
});

test("a refused process leaves the holder's name for the next one to read", () => {
  const path = temporaryFolder();
  const held = holdFolder(path);
  const before = Deno.readTextFileSync(`${path}/folio.lock`);
  expect(() => holdFolder(path)).toThrow(UnusableStoreError);
  expect(Deno.readTextFileSync(`${path}/folio.lock`)).toBe(before);
  held.release();
});

test("a folder is made with those above it", () => {
  const path = `${temporaryFolder()}/a/b/c`;
  const held = holdFolder(path);
  expect(Deno.statSync(path).isDirectory).toBe(true);
  held.release();
});

test("a path that is a file is refused", () => {
  const path = `${temporaryFolder()}/file`;
  Deno.writeTextFileSync(path, "mine");
  expect(() => holdFolder(path)).toThrow(UnusableStoreError);
  expect(() => holdFolder(path)).toThrow(`Cannot use the folder ${path}`);
  expect(Deno.readTextFileSync(path)).toBe("mine");
});

// Would catch a URL that means another file than the folder's: data would go where nobody looks for it.
test.each([
  ...[
    "plain",
    "with space",
    "hash#tag",
    "per%cent",
    "escaped%20space",
    "what?mode=ro",
    "#",
    "%",
    "?",
    "a&b=c;d+e",
  ],
  ...["ümlaut", "日本語", "😀", "it's", 'quo"te', "back\\slash", "[brackets]", "file:name", ":memory:", "~"],
])("a database in a folder called %j is in that folder, on both threads", async (name) => {
  const path = `${temporaryFolder()}/${name}`;
  const held = holdFolder(path);
  const url = held.databaseUrl("shard-0.db");
  const options = { name: "shard-0.db", shard: 0, shards: 1, isFile: true };

  const written = await closedAtEnd(openWorkerDatabase({ url }));
  const { engine } = await openShardStore(written, options);
  await engine.acquire();
  await engine.append(0, commitOf(1, { events: [eventRow(1)] }));
  await written.close();
  expect([...Deno.readDirSync(path)].map((entry) => entry.name)).toEqual(
    expect.arrayContaining(["folio.lock", "shard-0.db"]),
  );
  expect(Deno.statSync(`${path}/shard-0.db`).size).toBeGreaterThan(0);

  const store = await openShardStore(await closedAtEnd(openLibsqlDatabase({ url })), options);
  expect(await store.engine.head()).toMatchObject({ index: 1, position: 1 });
  held.release();
});

// Would catch the first part of the path being taken for the name of a machine: `file://data/…`.
test("a folder whose path begins with two slashes is the one with a single slash", async () => {
  const path = temporaryFolder();
  const held = holdFolder(`/${path}`);
  const database = await closedAtEnd(openLibsqlDatabase({ url: held.databaseUrl("shard-0.db") }));
  await database.execute({ sql: `CREATE TABLE t (n)` });
  expect(Deno.statSync(`${path}/shard-0.db`).isFile).toBe(true);
  held.release();
});

test("a folder may be named from the working directory", async () => {
  const parent = temporaryFolder();
  const relative = `${"../".repeat(Deno.cwd().split("/").length - 1)}${parent.slice(1)}/data`;
  const held = holdFolder(relative);
  const database = await closedAtEnd(openLibsqlDatabase({ url: held.databaseUrl("shard-0.db") }));
  await database.execute({ sql: `CREATE TABLE t (n)` });
  expect(Deno.statSync(`${parent}/data/shard-0.db`).isFile).toBe(true);
  held.release();
});
