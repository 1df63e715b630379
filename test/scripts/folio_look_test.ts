/** What is looked at: the same in a folder, while a server runs on it, and at that server. */
import { expect, test } from "vitest";
import { createRuntime } from "../../src/create_runtime.ts";
import { failCalls, folio, lines, MODULES_ARGS, type Office, openOffice } from "./command_line.ts";
import { desk } from "./modules/desk.ts";

const modules = [...MODULES_ARGS];

async function busyOffice(shards: number): Promise<Office> {
  const office = await openOffice({ shards });
  const { runtime } = office;
  await runtime.ask(desk.ref("a").work({ n: 1 }), { messageId: "first" });
  for (let n = 2; n <= 4; n++) await runtime.ask(desk.ref("a").work({ n }));
  await runtime.ask(desk.ref("with/a/longer/key").work({ n: 5 }));
  await runtime.ask(desk.ref("d").later({ n: 6 }));
  await runtime.send(desk.ref("a").work({ n: 7 }), { messageId: "late", deliverAt: Date.now() + 3_600_000 });
  for (const id of ["x", "y"]) await runtime.sagas.start("nap", id, {});
  await runtime.sagas.cancel("nap", "y");
  await failCalls(office, [-1, -2]);
  return office;
}

test.for([1, 4])(
  "a folder of %i shards and its server tell the same, as JSON and for people",
  async (shards) => {
    const office = await busyOffice(shards);
    const [letter = ""] = (await office.runtime.deadLetters.list({}, { limit: 1 })).deadLetters.map((
      { id },
    ) => id);
    const commands: [args: string[], takesModules?: true][] = [
      [["inspect", "desk/a"], true],
      [["inspect", "desk/a", "--version", "2"], true],
      [["inspect", "desk/a", "--at", new Date(Date.now() + 60_000).toISOString()], true],
      [["events", "desk/a"]],
      [["events", "desk/a", "--type", "Worked", "--limit", "2"]],
      [["events", "desk/a", "--after", "0.1"]],
      [["messages", "first"]],
      [["why", "first", "--actor", "desk/a"], true],
      [["sagas", "list"], true],
      [["sagas", "list", "nap", "--status", "cancelled"], true],
      [["sagas", "list", "--limit", "1"], true],
      [["timers"]],
      [["timers", "list", "--actor", "desk/d", "--limit", "1"]],
      [["schedules", "list"], true],
      [["dead-letters", "list"]],
      [["dead-letters", "list", "--type", "activity:call", "--error", "answers -2", "--limit", "1"]],
      [["dead-letters", "list", "--actor", "desk/nobody"]],
      [["dead-letters", "show", letter]],
    ];
    for (const [args, takesModules] of commands) {
      const inFolder = (...more: string[]) => office.look(...args, ...takesModules ? modules : [], ...more);
      // Only a server knows which projections have seen an event.
      const known = (text: string) => text.replaceAll(": has seen it", "").replaceAll(/,"hasSeen":true/g, "");
      for (const more of [[], ["--json"]]) {
        const [folder, server] = [await inFolder(...more), await office.ask(...args, ...more)];
        expect(folder, args.join(" ")).toMatchObject({ code: 0 });
        expect({ ...server, out: known(server.out) }, args.join(" ")).toEqual(folder);
      }
      expect(lines(await inFolder("--json")).every((each) => typeof each === "object")).toBe(true);
    }
  },
);

test("lists stand in columns, and say it where there is nothing in them", async () => {
  const office = await busyOffice(1);
  const { out } = await office.look("dead-letters", "list");
  const [heading = "", ...rows] = out.trimEnd().split("\n");
  expect(heading).toMatch(/^MESSAGE +ACTOR +COMMAND +ATTEMPTS +FAILED +ERROR$/);
  expect(rows).toHaveLength(2);
  for (const row of rows) expect(row.slice(heading.indexOf("ERROR"))).toMatch(/^Error: nobody answers -\d$/);
  expect((await office.look("dead-letters", "list", "--actor", "a/b")).out).toBe(
    "There are no such dead letters.\n",
  );
  expect((await office.look("dead-letters", "list", "--actor", "a/b", "--json")).out).toBe("");
  expect((await office.look("events", "desk/nobody")).out).toBe("There are no such events.\n");
  expect((await office.ask("projections")).out.split("\n")[1]).toMatch(/^works {9}3 {8}live {4}0 {9}0\.\d+$/);
  const narrow = await office.askIn({ columns: 60 }, "events", "schedule/nightly");
  expect(narrow.out.split("\n")[1]).toMatch(/…$/);
});

test("a folder tells how far behind its projections are, and that it has none where read.db is gone", async () => {
  const { runtime, data, look } = await openOffice();
  await runtime.ask(desk.ref("a").work({ n: 1 }));
  await runtime.projections.query("works", "all", {}, { atLeast: new Map([[0, 1]]), waitMs: 10_000 });
  expect(lines(await look("projections", "--json"))).toEqual([
    { name: "works", servedVersion: 3, token: expect.stringMatching(/^0\.\d$/), lagEvents: 0 },
  ]);
  await runtime[Symbol.asyncDispose]();
  const other = await createRuntime({ modules: [desk], data });
  await other.ask(desk.ref("a").work({ n: 1 }));
  await other[Symbol.asyncDispose]();
  expect(lines(await look("projections", "--json"))).toMatchObject([{ lagEvents: 1 }]);
  await Deno.remove(`${data}/read.db`);
  expect((await look("projections")).out).toBe("There are no projections.\n");
});

test("what is not there is told in one line with exit code 1, by a folder and by a server", async () => {
  const { ask, look } = await openOffice();
  const missing: [args: string[], takesModules: boolean, message: string][] = [
    [["inspect", "desk/nobody"], true, "desk/nobody"],
    [["inspect", "dsk/a"], true, 'There is no actor type "dsk"'],
    [["messages", "m"], false, "There is no message m"],
    [["why", "m"], true, "There is no message m"],
    [["why", "0.99"], true, "Cannot tell why: there is no event 0.99"],
    [["dead-letters", "show", "m"], false, "There is no message m"],
    [["sagas", "list", "nothing"], true, 'There is no saga "nothing"'],
    [["events", "--after", "soon"], false, "Cannot read the consistency token"],
  ];
  for (const [args, takesModules, message] of missing) {
    for (const ran of [await look(...args, ...takesModules ? modules : []), await ask(...args)]) {
      expect(ran, args.join(" ")).toMatchObject({ code: 1, out: "" });
      expect(ran.err).toContain(message);
      expect(ran.err.trimEnd().split("\n")).toHaveLength(1);
    }
  }
});

test("one id that several actors were sent is asked about", async () => {
  const { runtime, ask, look } = await openOffice();
  for (const key of ["a", "b"]) await runtime.ask(desk.ref(key).work({ n: 1 }), { messageId: "same" });
  for (const ran of [await look("messages", "same"), await ask("messages", "same")]) {
    expect(ran).toEqual({
      code: 1,
      out: "",
      err: "Several actors were sent that message: say which with --actor: desk/a, desk/b\n",
    });
  }
  expect((await ask("messages", "same", "--actor", "desk/b")).out).toContain("desk/b work");
});

test.for([["events", "--type", "Worked"], ["events", "desk/a"]])(
  "%j of a server goes on with what is recorded",
  async (args) => {
    const { runtime, askIn } = await openOffice({ shards: 2 });
    await runtime.ask(desk.ref("a").work({ n: 1 }));
    await runtime.ask(desk.ref("b").work({ n: 10 }));
    let seen = 0;
    // The next one is recorded only once this one has been seen.
    const onLine = () => void (++seen >= 2 && runtime.ask(desk.ref("a").work({ n: seen })));
    if (args.length < 3) seen++;
    const { code, out } = await askIn({ onLine }, ...args, "--follow", "--json", "--limit", "4");
    expect(code).toBe(0);
    const events = out.trim().split("\n").map((line) => JSON.parse(line));
    const expected = args.length < 3 ? [1, 2, 3, 4] : [1, 10, 2, 3];
    expect(events.map(({ payload }) => payload.n)).toEqual(expected);
    expect(new Set(events.map(({ token }) => token)).size).toBe(4);
  },
);

test("the environment names folder and modules, an option goes before it", async () => {
  const { data, runtime } = await openOffice();
  await runtime.ask(desk.ref("a").work({ n: 1 }));
  const env = { FOLIO_DATA: data, FOLIO_MODULES: MODULES_ARGS[1] ?? "" };
  expect((await folio(["inspect", "desk/a"], { env })).code).toBe(0);
  expect((await folio(["inspect", "desk/a", "--data", `${data}/none`], { env })).code).toBe(1);
});
