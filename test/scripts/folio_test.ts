/** The command line itself: help, refusals, exit codes, permissions. */
import { expect, onTestFinished, test } from "vitest";
import { groups } from "../../scripts/folio/commands.ts";
import { temporaryFolder } from "../store/databases.ts";
import { ledger } from "../support/actors.ts";
import { folio, MODULES_ARGS, openOffice, URL_ARGS } from "./command_line.ts";
import { jsonLines, openRuntime, runTask, startTask } from "./support.ts";

const entries = Object.values(groups).flat();
const names = entries.map(({ name }) => name);

/** All command lines there are, by their words: `dead-letters list`, … */
async function allHelp(): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (const name of names) {
    const { code, out } = await folio([name, "--help"]);
    expect(code).toBe(0);
    all.set(name, out);
    const [, below = ""] = /\nCommands:\n((?: {2}.*\n)+)/.exec(out) ?? [];
    for (const [, verb = ""] of below.matchAll(/^ {2}([a-z]+)/gm)) {
      all.set(`${name} ${verb}`, (await folio([name, verb, "--help"])).out);
    }
  }
  return all;
}

// Would catch an example that was right once.
test("every command has help with examples, and the examples use commands and options that there are", async () => {
  const all = await allHelp();
  expect([...all.keys()]).toEqual(expect.arrayContaining(["inspect", "dead-letters redrive", "sagas check"]));
  for (const [name, help] of all) {
    expect(help, name).toContain(`Usage: deno task folio ${name} `);
    const isGroup = help.includes("\nCommands:\n");
    const examples = [...help.matchAll(/^ {2}deno task folio (.+)$/gm)].map(([, line = ""]) => line);
    expect(examples.length, name).toBeGreaterThan(0);
    if (!isGroup) expect(help, name).toContain("--json");
    for (const example of examples) {
      const [first = "", second = ""] = example.split(" ");
      const known = all.get(`${first} ${second}`) ?? all.get(first) ?? "";
      expect(known, example).not.toBe("");
      const ofDefault = all.get(`${first} list`) ?? "";
      for (const [option] of example.matchAll(/(?<= )--[a-z-]+/g)) {
        expect(known + ofDefault, example).toContain(`${option} `);
      }
    }
  }
});

test("help lists all commands, and is the same however it is asked for", async () => {
  const { code, out } = await folio(["--help"]);
  expect(code).toBe(0);
  for (const { name, summary } of entries) expect(out).toMatch(new RegExp(`^ {2}${name} +${summary}$`, "m"));
  expect(await folio(["help"])).toEqual({ code: 0, out, err: "" });
  expect(await folio(["help", "events"])).toEqual(await folio(["events", "-h"]));
  const none = await folio([]);
  expect(none).toMatchObject({ code: 2, out: "" });
  expect(none.err).toBe(out);
});

test.each<[args: string[], message: string]>([
  [["inspct"], "Cannot run folio: unknown command 'inspct'; did you mean inspect?"],
  [
    ["inspect", "a/b", "--versoin", "3"],
    "Cannot run inspect: unknown option '--versoin'; did you mean --version?",
  ],
  [["inspect", "a/b", "--version"], "Cannot run inspect: option '--version <n>' argument missing"],
  [["inspect"], "Cannot run inspect: name one actor"],
  [["events", "a/b", "c/d"], "Cannot run events: name one actor at the most"],
  [["restore", "a", "b", "c"], "Cannot run restore: it takes no more than SRC DEST"],
  [["simulate", "x"], 'Cannot run simulate: nothing is known of "x"'],
  [["dead-letters"], "Cannot tell what to do: say list, show, redrive or discard"],
  [
    ["dead-letters", "--url", "http://localhost"],
    "Cannot tell what to do: say list, show, redrive or discard",
  ],
  [["--data", "d"], "Cannot run folio: unknown option '--data'"],
  [["dead-letters", "lst"], "Cannot run dead-letters: unknown command 'lst'; did you mean list?"],
  [["dead-letters", "redrive"], "Cannot redrive: name a message, a filter, or --all"],
  [["dead-letters", "redrive", "m", "--all"], "Cannot redrive: name a message or a filter, not both"],
  [["dead-letters", "redrive", "--all", "--edit", "{}"], "Cannot redrive: --edit is for one message"],
  [
    ["dead-letters", "redrive", "--all", "--limit", "10001"],
    "Cannot use --limit 10001: it is 10000 at the most",
  ],
  [["dead-letters", "redrive", "m", "--edit", "{"], "Cannot read --edit: it is not JSON, "],
  [["dead-letters", "discard", "m", "--data", "d"], "Cannot use --data d: a running server does this"],
  [["events", "--limit", "0"], "Cannot use --limit 0: it must be a whole number from 1"],
  [["inspect", "a/b", "--at", "now"], "Cannot use --at now: it must be a time with its zone"],
  [["inspect", "ab"], "Cannot run inspect ab: an actor is type/key"],
  [["inspect", "a/b", ...URL_ARGS, "--data", "d"], "Cannot use --url with --data or --modules"],
  [["inspect", "a/b", ...URL_ARGS, ...MODULES_ARGS], "Cannot use --url with --data or --modules"],
  [["inspect", "a/b", "--url", "localhost"], "Cannot use --url localhost: it is no URL"],
  [["events", "--url", "http://ann:secret@localhost"], "Cannot use --url with a name or password in it"],
  [["sagas", "list", "--status", "well"], "Cannot use --status well: Allowed choices are running, "],
  [["sagas", "check", ...URL_ARGS], "Cannot use --url http://localhost: the code is here"],
  [["backup", "b", ...URL_ARGS], "Cannot use --url http://localhost: run it where the server's folder is"],
  [["verify", ...URL_ARGS], "Cannot use --url http://localhost: it checks a folder that no server holds"],
  [["verify", "a", "--data", "b"], "Cannot verify: name one folder"],
  [["send", "a/b", "c", "{"], "Cannot read the input: it is not JSON, "],
  [["send", "a/b", "c", "--delay", "soon"], "Cannot use --delay soon: it must be a duration"],
  [
    ["send", "a/b", "c", "--if-version", "-1"],
    "Cannot use --if-version -1: it must be a whole number from 0",
  ],
  [
    ["send", "a/b", "c", "--idempotency-key", "a b"],
    "Cannot use --idempotency-key: it is 1 to 255 printable",
  ],
  [["send", "a/", "c"], "Cannot send to a/: its key cannot be used, it is empty"],
  [["replay", "--drop", "a", ...URL_ARGS], "Cannot drop at a server"],
  [["bench", "--only", "a,x"], "Cannot use --only a,x: there is no part x"],
  [["simulate", "--seed", "1", "--from", "2"], "Cannot run: give --seed or --from, not both"],
  [["simulate", "--trace"], "Cannot run: --trace is of one --seed"],
  [["crash", "--rounds", "some"], "Cannot use --rounds some: it must be a whole number from 1"],
  [["soak", "--minutes", "0"], "Cannot use --minutes 0: it must be a number above 0"],
  [["mutants", "--only", "x", "--only", "y"], "Cannot run: no mutant is named x, y"],
])("folio %j is refused with exit code 2, and says why", async (args, message) => {
  const { code, out, err } = await folio(args);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err.startsWith(message), err).toBe(true);
  expect(err.endsWith("\n(--help says more)\n")).toBe(true);
});

test("bad values of an option are refused, the best ones next to them are not", async () => {
  const { look } = await openOffice();
  expect((await look("events", "--limit", "0")).code).toBe(2);
  expect((await look("events", "--limit", "1")).code).toBe(0);
  expect((await look("events", "--limit", "999999999999999")).code).toBe(0);
  expect((await look("events", "--limit", "9999999999999999")).code).toBe(2);
});

test("a folder that is none, or a file, is told in one line with exit code 1", async () => {
  const folder = temporaryFolder();
  for (const args of [["events"], ["dead-letters", "list"], ["timers"], ["projections"], ["messages", "m"]]) {
    const { code, out, err } = await folio([...args, "--data", `${folder}/none`]);
    expect({ code, out, err }).toEqual({
      code: 1,
      out: "",
      err: `Cannot use ${folder}/none/shard-0.db: there is no such file\n`,
    });
  }
  const inEnv = await folio(["events"], { env: { FOLIO_DATA: "https://books.example.com" } });
  expect(inEnv.err).toBe("Cannot use https://books.example.com: it is a server, and this works on folders\n");
});

test("the task runs with the permissions that it has, and those that need all run in a process of their own", async () => {
  const data = `${temporaryFolder()}/data`;
  const runtime = await openRuntime({ modules: [ledger], data });
  await runtime.ask(ledger.ref("a").add({ n: 1 }));
  const events = await runTask("folio", "events", "--data", data, "--json");
  expect(events).toMatchObject({ code: 0, stderr: "" });
  expect(jsonLines(events.stdout)).toHaveLength(1);
  const wide = await runTask("folio", "mutants", "--only", "acknowledge-before-durable", "--list");
  expect(wide).toMatchObject({ code: 0, stderr: "" });
  expect(wide.stdout).toMatch(/^acknowledge-before-durable +promise \d/);
  expect(await runTask("folio", "mutants", "--only", "none")).toMatchObject({ code: 2, stdout: "" });
});

// Would catch a program that goes on for ever when `head` has had enough.
test("who reads no further ends it", async () => {
  const data = `${temporaryFolder()}/data`;
  const runtime = await openRuntime({ modules: [ledger], data });
  await runtime.ask(ledger.ref("a").add({ n: 1 }));
  const child = startTask("folio", "events", "--data", data, "--json", "--follow");
  const errors = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  let isOver = false;
  const ended = child.status.finally(() => isOver = true);
  onTestFinished(() => isOver ? undefined : child.kill("SIGKILL"));
  while (!isOver) await runtime.ask(ledger.ref("a").add({ n: 1 }));
  expect((await ended).code).toBe(0);
  expect(await errors).toBe("");
});
