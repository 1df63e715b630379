import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { EventTable } from "../../scripts/support/event_table.ts";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { temporaryFolder } from "../store/databases.ts";
import { ledger, names } from "../support/actors.ts";
import { runHere } from "./command_line.ts";
import { jsonLines, openRuntime, runTask, startTask } from "./support.ts";

const note = actor("note", {
  initialState: () => ({}),
  events: { Noted: z.object({ text: z.string() }) },
  evolve: { Noted: (state) => state },
  commands: { note: command(z.object({ text: z.string() }), (turn, input) => turn.emit("Noted", input)) },
});

async function fillLog(options: { shards?: number } = {}) {
  const data = `${temporaryFolder()}/data`;
  const runtime = await openRuntime({ modules: [ledger, note], data, ...options });
  const events = async (...args: string[]) => {
    const { code, stdout, stderr } = await runHere("events", "--data", data, "--json", ...args);
    expect({ code, stderr }, args.join(" ")).toEqual({ code: 0, stderr: "" });
    return jsonLines(stdout);
  };
  return { data, runtime, events };
}

// More than one page of the log is read for each.
test("the whole log of several shards is printed, each shard in its order, and goes on from any token", async () => {
  const { runtime, events } = await fillLog({ shards: 4 });
  const total = names(40).length * 60;
  await Promise.all(names(40).map((key) => runtime.ask(ledger.ref(key).burst({ count: 60 }))));
  const all = await events();
  expect(all).toHaveLength(total);
  for (let shard = 0; shard < 4; shard++) {
    const positions = all.filter((event) => event.shard === shard).map((event) => event.position);
    expect(positions).toEqual(positions.map((_, index) => index + 1));
  }
  const times = all.map((event) => String(event.at));
  expect(times).toEqual(times.toSorted());
  for (const cut of [1, 777, total - 1, total]) {
    expect(await events("--after", String(all[cut - 1]?.token))).toEqual(all.slice(cut));
    expect(await events("--limit", String(cut))).toEqual(all.slice(0, cut));
  }
  const page = await runtime.readLog({ after: new Map(), limit: 10 });
  expect(all.slice(0, 10).map(({ messageId, version }) => [messageId, version]))
    .toEqual(page.events.map(({ messageId, version }) => [messageId, version]));
});

test("events are those of one actor, of one type, or both", async () => {
  const { runtime, events } = await fillLog({ shards: 2 });
  for (let n = 1; n <= 3; n++) {
    await runtime.ask(ledger.ref("a").add({ n }));
    await runtime.ask(ledger.ref("b").add({ n: n * 10 }));
    await runtime.ask(note.ref("a").note({ text: `note ${n}` }));
  }
  const seen = (list: Record<string, unknown>[]) => list.map(({ actor, version }) => `${actor} ${version}`);
  expect(seen(await events("ledger/a"))).toEqual(["ledger/a 1", "ledger/a 2", "ledger/a 3"]);
  expect(seen(await events("--type", "Noted"))).toEqual(["note/a 1", "note/a 2", "note/a 3"]);
  expect(seen(await events("note/a", "--type", "Noted", "--limit", "1"))).toEqual(["note/a 1"]);
  expect(seen(await events("note/a", "--type", "Added"))).toEqual([]);
  expect(seen(await events("note/nobody"))).toEqual([]);
  const [first] = await events("ledger/a", "--limit", "1");
  expect(seen(await events("ledger/a", "--after", String(first?.token)))).toEqual([
    "ledger/a 2",
    "ledger/a 3",
  ]);
  expect(first).toMatchObject({ actor: "ledger/a", type: "Added", payload: { n: 1 }, schemaVersion: 1 });
});

test("the table lines its columns up, and says how to go on", async () => {
  const { data, runtime } = await fillLog();
  for (const key of ["a", "with/a/long/key/of/its/own"]) await runtime.ask(ledger.ref(key).add({ n: 7 }));
  await runtime.ask(note.ref("a").note({ text: "bell \u0007, C1 \u009b31m, turned \u202e" }));
  const { stdout } = await runTask("events", "--data", data);
  const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
  const row = (text: string) => expect.stringMatching(new RegExp(`^${text}$`));
  expect(stdout.split("\n")).toEqual([
    row("TIME {20}  POSITION  ACTOR {11}  VERSION  TYPE {8}  PAYLOAD"),
    row(String.raw`${time}  0\.1       ledger/a          1        Added         \{"n":7\}`),
    row(String.raw`${time}  0\.2       ledger/with/a/long/key/of/its/own  1        Added         \{"n":7\}`),
    row(
      String.raw`${time}  0\.3       note/a                             1        Noted         ` +
        String.raw`\{"text":"bell \\u0007, C1 \\u009b31m, turned \\u202e"\}`,
    ),
    "",
  ]);
  const limited = await runTask("events", "--data", data, "--limit", "2");
  expect(limited.stdout.trim().split("\n")).toHaveLength(3);
  expect(limited.stderr).toBe("Go on with --after 0.2\n");
});

test("a payload is shortened to what the terminal has room for, at the end of a character", () => {
  const event = (text: string) => ({
    ...{ shard: 0, position: 1, actor: "a/b", version: 1, type: "T", schemaVersion: 1, at: 0 },
    ...{ messageId: "m", correlationId: "m", causationId: undefined, payload: { text } },
  });
  const table = new EventTable(120);
  expect(table.row(event("x".repeat(500)))).toHaveLength(120);
  expect(table.row(event("x".repeat(500)))).toMatch(/x…$/);
  for (const pad of ["", "x"]) expect(table.row(event(pad + "😀".repeat(99)))).toMatch(/😀…$/u);
  expect(table.row(event("short"))).toMatch(/\{"text":"short"\}$/);
  expect(new EventTable(20).row(event("x".repeat(500)))).toMatch(/\{"text":"xx…$/);
});

test("following prints what another process records, as it comes", async () => {
  const { data, runtime } = await fillLog({ shards: 2 });
  await runtime.ask(ledger.ref("a").add({ n: 1 }));
  const child = startTask("events", "--data", data, "--json", "--follow", "--limit", "3");
  onTestFinished(() => void child.status.then(() => {}));
  const lines: Record<string, unknown>[] = [];
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + text).split("\n");
    rest = whole.pop() ?? "";
    for (const line of whole) {
      lines.push(JSON.parse(line));
      // The next one is recorded only once this one has been seen.
      await runtime.ask(ledger.ref(lines.length === 1 ? "b" : "a").add({ n: lines.length + 1 }));
    }
  }
  expect(lines.map(({ payload }) => payload)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  await child.stderr.cancel();
  expect((await child.status).code).toBe(0);
});

test("a command line that cannot be used is refused with exit code 2, a token with 1", async () => {
  const { data } = await fillLog();
  const refusals: [args: string[], code: number, message: string][] = [
    [["a/b", "c/d"], 2, "one actor at the most"],
    [["ledger"], 2, "an actor is type/key"],
    [["--limit", "-1"], 2, "--limit"],
    [["--limit", "many"], 2, "a whole number from 1"],
    [["--after", "soon"], 1, "Cannot read the consistency token"],
    [["--after", "7.1"], 1, "Cannot read the consistency token"],
  ];
  for (const [args, code, message] of refusals) {
    const result = await runHere("events", ...args, "--data", data);
    expect(result, args.join(" ")).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toContain(message);
  }
  expect((await runTask("events", "--help")).stdout).toContain("Usage: deno task folio events [ACTOR]");
});
