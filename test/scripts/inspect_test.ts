import { expect, onTestFinished, test } from "vitest";
import { account } from "../../actors/account.ts";
import { counter } from "../../actors/counter.ts";
import { startChild } from "../../scripts/support/child.ts";
import { systemClock } from "../../src/core/clock.ts";
import { createRuntime } from "../../src/create_runtime.ts";
import { temporaryFolder } from "../store/databases.ts";
import { runHere } from "./command_line.ts";
import { jsonLines, openRuntime, runTask } from "./support.ts";

const DAY_MS = 86_400_000;

/** Alice's account: opened, and each day ten more. */
async function fillAccount(data: string, shards = 1) {
  const startedAt = Date.parse("2026-01-01T00:00:00Z");
  let day = 0;
  const clock = { ...systemClock, now: () => startedAt + day * DAY_MS };
  const runtime = await openRuntime({ modules: [account], data, shards, clock });
  await runtime.ask(account.ref("alice").open({ owner: "Alice" }));
  while (day < 3) {
    day++;
    await runtime.ask(account.ref("alice").deposit({ amount: 10 }));
  }
  return { runtime, time: (days: number) => new Date(startedAt + days * DAY_MS).toISOString() };
}

test.for([1, 4])("state is shown as of any version or time, while %i shards are served", async (shards) => {
  const data = `${temporaryFolder()}/data`;
  const { runtime, time } = await fillAccount(data, shards);
  const inspect = async (...args: string[]) => {
    const { code, stdout, stderr } = await runHere(
      "inspect",
      "account/alice",
      "--data",
      data,
      "--json",
      ...args,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return jsonLines(stdout)[0];
  };
  const at = (version: number) => ({
    actor: "account/alice",
    version,
    versions: 4,
    at: time(version - 1),
    state: { open: true, closed: false, owner: "Alice", balance: (version - 1) * 10 },
  });
  expect(await inspect()).toEqual(at(4));
  expect(await inspect("--version", "1")).toEqual(at(1));
  expect(await inspect("--version", "3")).toEqual(at(3));
  expect(await inspect("--at", time(1))).toEqual(at(2));
  expect(await inspect("--at", time(1.5))).toEqual(at(2));
  expect(await inspect("--at", time(1000))).toEqual(at(4));
  expect(await runtime.ask(account.ref("alice").deposit({ amount: 1 }))).toMatchObject({ ok: true });
  expect(await inspect()).toMatchObject({ version: 5, state: { balance: 31 } });
});

test("state is shown for people unless JSON is asked for", async () => {
  const data = `${temporaryFolder()}/data`;
  const { time } = await fillAccount(data);
  const { stdout } = await runTask("inspect", "account/alice", "--data", data, "--version", "2");
  expect(stdout).toBe(`account/alice  version 2 of 4, since ${time(1)}
{
  "open": true,
  "closed": false,
  "owner": "Alice",
  "balance": 10
}
`);
});

test("what cannot be shown is said in one line, with exit code 1, or 2 for the command line", async () => {
  const data = `${temporaryFolder()}/data`;
  const { time } = await fillAccount(data);
  const foreign = temporaryFolder();
  Deno.writeTextFileSync(
    `${foreign}/shard-0.db`,
    "This is no database, however long one looks at it. ".repeat(99),
  );
  const refusals: [args: string[], code: number, message: string][] = [
    [["account/bob"], 1, "Cannot show account/bob: it has no events\n"],
    [["account/alice", "--version", "5"], 1, "Cannot show account/alice at version 5: it has got to 4\n"],
    [
      ["account/alice", "--at", time(-1)],
      1,
      `Cannot show account/alice at ${time(-1)}: it had no events then\n`,
    ],
    [["acount/alice"], 1, `There is no actor type "acount"\n`],
    [["account/"], 1, "Cannot use the key: it is empty\n"],
    [
      ["account/alice", "--data", `${foreign}/none`],
      1,
      `${foreign}/none/shard-0.db: there is no such file\n`,
    ],
    [["account/alice", "--data", foreign], 1, `Cannot use ${foreign}/shard-0.db: `],
    [["account/alice", "--modules", `${foreign}/none.ts`], 1, `Cannot load the modules ${foreign}/none.ts: `],
    [["account/alice", "--modules", "./actors/account.ts"], 1, "its default export is no list of modules\n"],
    [[], 2, "name one actor"],
    [["account/alice", "account/bob"], 2, "name one actor"],
    [["alice"], 2, "an actor is type/key"],
    [["account/alice", "--version", "0"], 2, "a whole number from 1"],
    [["account/alice", "--at", "yesterday"], 2, "a time with its zone"],
    [["account/alice", "--at", time(1), "--version", "1"], 2, "not both"],
    [["account/alice", "--versoin", "1"], 2, "--versoin"],
  ];
  for (const [args, code, message] of refusals) {
    const where = args.includes("--data") ? [] : ["--data", data];
    const result = await runHere("inspect", ...args, ...where);
    expect(result, args.join(" ")).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toContain(message);
    if (code === 1) expect(result.stderr.trim().split("\n")).toHaveLength(1);
  }
  expect((await runTask("inspect", "--help")).stdout).toContain("Usage: deno task folio inspect ACTOR");
}, 60_000);

// Would catch a script that needs what only a clean end of the server leaves.
test("a folder whose server was killed is inspected, backed up and served again", async () => {
  const data = `${temporaryFolder()}/data`;
  const server = startChild("src/main.ts", {
    env: { FOLIO_PORT: "0", FOLIO_DATA: data, FOLIO_MODULES: "./test/crash/modules/mod.ts" },
  });
  onTestFinished(() => server.kill("SIGKILL"));
  const url = String((await server.lineWith("url"))?.url);
  for (let n = 1; n <= 3; n++) {
    const response = await fetch(`${url}/actors/counter/clicks/increment`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `{"by":${n}}`,
    });
    expect(response.status, await response.text()).toBe(200);
  }
  server.kill("SIGKILL");
  await server.ended;

  const { stdout } = await runTask("inspect", "counter/clicks", "--data", data, "--json");
  expect(jsonLines(stdout)[0]).toMatchObject({ version: 3, state: { value: 6 } });
  const backup = `${temporaryFolder()}/backup`;
  expect(await runTask("backup", backup, "--data", data)).toMatchObject({ code: 0 });
  const restored = `${temporaryFolder()}/restored`;
  expect(await runTask("restore", backup, restored)).toMatchObject({ code: 0 });
  for (const folder of [data, restored]) {
    await using runtime = await createRuntime({ modules: [counter], data: folder });
    expect(await runtime.state("counter", "clicks")).toEqual({ state: { value: 6 }, version: 3 });
  }
});
