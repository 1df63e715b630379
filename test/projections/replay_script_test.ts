import { expect, onTestFinished, test } from "vitest";
import modules from "../../actors/mod.ts";
import { account } from "../../actors/account.ts";
import { createApp } from "../../src/http/app.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { runHere } from "../scripts/command_line.ts";
import { openRuntime, runTask } from "../scripts/support.ts";
import { temporaryFolder } from "../store/databases.ts";

/** A folder with two accounts in it, whose balances have been projected. */
async function folderWithBalances() {
  const folder = temporaryFolder();
  const runtime = await openRuntime({ modules, data: folder, shards: 2 });
  let token = "";
  for (const key of ["a", "b"]) {
    await runtime.ask(account.ref(key).open({ owner: "Ann" }));
    ({ token } = await runtime.ask(account.ref(key).deposit({ amount: 5 })));
    const atLeast = runtime.parseToken(token);
    await runtime.projections.query("balances", "all", {}, { atLeast, waitMs: 10_000 });
  }
  return { folder, runtime };
}

/** Does something to the read database behind everybody's back. */
async function behindTheBack(folder: string, sql: string): Promise<void> {
  const database = openLibsqlDatabase({ url: `file:${folder}/read.db` });
  await database.execute({ sql });
  await database.close();
}

test("a folder is checked, found to have drifted, rebuilt, and checked again", async () => {
  const { folder, runtime } = await folderWithBalances();
  await runtime[Symbol.asyncDispose]();
  const replay = (...flags: string[]) => runTask("replay", "--data", folder, ...flags);
  expect(await replay("--projection", "balances", "--check")).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("2 rows"),
  });
  await behindTheBack(folder, `UPDATE balances__1 SET balance = 99 WHERE account = 'b'`);
  const drifted = await replay("--projection", "balances", "--check");
  expect(drifted.code).toBe(1);
  expect(drifted.stderr).toContain(`key       {"account":"b"}`);
  expect(drifted.stderr).toMatch(/served .*"balance":99/);
  expect(drifted.stderr).toMatch(/replayed .*"balance":5/);
  expect(drifted.stderr).toMatch(
    /event {5}Deposited of account\/b, version 2, at \d\.2, made it as replayed/,
  );
  expect(await replay("--projection", "balances")).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("Built balances, version 1"),
  });
  expect((await replay("--projection", "balances", "--check")).code).toBe(0);
});

test("a server is asked to rebuild, and to check, while it serves", async () => {
  const { folder, runtime } = await folderWithBalances();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, createApp(runtime).fetch);
  onTestFinished(() => server.shutdown());
  const url = `http://127.0.0.1:${server.addr.port}`;
  expect(await runTask("replay", "--projection", "balances", "--url", url)).toMatchObject({ code: 0 });
  await behindTheBack(folder, `DELETE FROM balances__2 WHERE account = 'a'`);
  const drifted = await runTask("replay", "--projection", "balances", "--url", url, "--check");
  expect(drifted.code).toBe(1);
  expect(drifted.stderr).toContain("served    no such row");
  expect(drifted.stderr).toMatch(/event {5}Opened of account\/a, version 1, at \d\.\d: before it/);
  const unknown = await runTask("replay", "--projection", "nothing", "--url", url);
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("only balances") });
  const held = await runTask("replay", "--projection", "balances", "--data", folder);
  expect(held).toMatchObject({ code: 1, stderr: expect.stringContaining("held by") });
});

test("tables of a projection that is not among the modules are dropped, others are not", async () => {
  const { folder, runtime } = await folderWithBalances();
  await runtime[Symbol.asyncDispose]();
  const none = `${folder}/modules.ts`;
  await Deno.writeTextFile(none, "export default [];");
  const drop = (name: string, ...flags: string[]) =>
    runTask("replay", "--drop", name, "--data", folder, ...flags);
  expect((await drop("balances")).code).toBe(1);
  expect((await drop("nothing", "--modules", none)).code).toBe(1);
  expect(await drop("balances", "--modules", none)).toMatchObject({ code: 0, stderr: "" });
  expect((await drop("balances", "--modules", none)).code).toBe(1);
});

// Would catch a place that reaches neither the folder nor the server.
test("a projection that allows it is rebuilt from a token or a time, in a folder and on a server", async () => {
  const { folder, runtime } = await folderWithBalances();
  await runtime[Symbol.asyncDispose]();
  const file = `${folder}/modules.ts`;
  await Deno.writeTextFile(
    file,
    `import { projection, query } from "folio";
    import { z } from "zod";
    import { account } from "${new URL("../../actors/account.ts", import.meta.url)}";
    export default [account, projection("recent", {
      version: 1, from: [account], partialRebuild: "leave-out",
      tables: ["CREATE TABLE recent (account TEXT, amount INTEGER)"],
      on: { "account/Deposited": (write, event) =>
        write("INSERT INTO recent VALUES (?, ?)", [event.key, event.payload.amount]) },
      queries: { all: query(z.object({}), z.object({ account: z.string() }), () => ["SELECT * FROM recent"]) },
    })];`,
  );
  const replay = (...flags: string[]) => runTask("replay", "--projection", "recent", ...flags);
  const local = (...flags: string[]) => replay("--data", folder, "--modules", file, ...flags);
  expect(await local("--from", "2100-01-01T00:00:00Z")).toMatchObject({ code: 0 });
  expect((await local("--check")).stdout).toContain("0 rows");
  expect((await local("--from", "9.1")).stderr).toContain(`Cannot begin at "9.1"`);
  const { default: modules } = await import(file);
  const served = await openRuntime({ modules, data: folder, shards: 2 });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, createApp(served).fetch);
  onTestFinished(() => server.shutdown());
  const url = `http://127.0.0.1:${server.addr.port}`;
  expect(await replay("--url", url, "--from", "2000-01-01T00:00:00+02:00")).toMatchObject({ code: 0 });
  expect((await served.projections.query("recent", "all", {}, { waitMs: 1_000 })).rows).toHaveLength(2);
});

// Would catch a script that refuses what it does not know: the server would find a dead letter.
test("activities that wait in a folder still wait after a replay, and are then performed", async () => {
  const folder = temporaryFolder();
  const file = `${folder}.modules.ts`;
  onTestFinished(() => Deno.remove(file));
  await Deno.writeTextFile(
    file,
    `import { activity, actor, command, projection } from "folio";
    import { z } from "zod";
    const Text = z.object({ text: z.string() });
    const shout = activity("shout", { input: Text, output: Text, run: async ({ text }) => ({ text: text + "!" }) });
    const caller = actor("caller", {
      initialState: () => [],
      events: { Heard: Text },
      evolve: { Heard: (state, { text }) => [...state, text] },
      commands: {
        call: command(Text, (turn, input) => void turn.perform(shout, input, { onDone: "hear" })),
        hear: command(z.any(), (turn, { output }) => turn.emit("Heard", output)),
      },
    });
    const none = projection("none", { version: 1, from: [], tables: ["CREATE TABLE none (a)"], on: {}, queries: {} });
    export default [caller, shout, none];`,
  );
  const { default: modules } = await import(file);
  const runtime = await openRuntime({ modules, data: folder, performs: false });
  await runtime.ask({ type: "caller", key: "c", command: "call", input: { text: "ho" } });
  await runtime[Symbol.asyncDispose]();
  const flags = ["--projection", "none", "--data", folder, "--modules", file];
  expect(await runTask("replay", ...flags)).toMatchObject({ code: 0, stderr: "" });
  const again = await openRuntime({ modules, data: folder });
  const heard = Promise.withResolvers<void>();
  again.shardOf("caller/c").wakeups.watch("caller/c", () => heard.resolve());
  if ((await again.state("caller", "c")).version === 0) await heard.promise;
  expect((await again.state("caller", "c")).state).toEqual(["ho!"]);
});

test("a projection that does not allow it says so", async () => {
  const { folder, runtime } = await folderWithBalances();
  await runtime[Symbol.asyncDispose]();
  const refused = await runTask("replay", "--projection", "balances", "--data", folder, "--from", "0.1");
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("no partialRebuild") });
});

test.each([
  [],
  ["--projection", "a", "--from", "0.1", "--check"],
  ["--drop", "a", "--from", "0.1"],
  ["--projection", "a", "--drop", "b"],
  ["--projection", "a", "--url", "http://x", "--data", "y"],
  ["--drop", "a", "--check"],
  ["--projection", "a", "--url", "nowhere"],
  ["--projection", "a", "b"],
  ["--rebuild"],
])("a command line that makes no sense ends with 2", async (...flags) => {
  expect((await runHere("replay", ...flags)).code).toBe(2);
});
