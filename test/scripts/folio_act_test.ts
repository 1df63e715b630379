/** What the command line does to a server, and what it makes of a server that is in trouble. */
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { tableJson, tableText } from "../../scripts/bench/table.ts";
import { ProgressBar } from "../../scripts/support/progress_bar.ts";
import { failCalls, folio, lines, MODULES_ARGS, openOffice, URL_ARGS } from "./command_line.ts";
import { desk } from "./modules/desk.ts";

test("a command is sent once, however often it is said with one key, and its reply is printed", async () => {
  const { runtime, ask, askIn } = await openOffice();
  const send = (...args: string[]) =>
    ask("send", "desk/a", "work", '{"n": 1}', "--idempotency-key", "k1", ...args);
  const { code, out, err } = await send();
  expect({ code, out: JSON.parse(out) }).toEqual({ code: 0, out: { done: 1 } });
  expect(err).toBe("desk/a is at version 1, after message k1\n");
  expect(lines(await send("--json"))).toEqual([
    { reply: { done: 1 }, version: 1, position: 2, messageId: "k1", token: "0.2" },
  ]);
  expect((await runtime.state("desk", "a")).version).toBe(1);
  expect((await askIn({ input: '{"n": 2}' }, "send", "desk/a", "work", "-", "--if-version", "1")).code).toBe(
    0,
  );
  expect(await ask("send", "desk/a", "work", '{"n": 2}', "--if-version", "1")).toEqual({
    code: 1,
    out: "",
    err: "desk/a is at version 2, not 1\n",
  });
});

test("a rejection, and an input that does not fit, end with exit code 1 and say why", async () => {
  const { runtime, ask } = await openOffice();
  for (let n = 0; n < 9; n++) await runtime.ask(desk.ref("a").work({ n }));
  const rejected = await ask("send", "desk/a", "work", '{"n": 1}');
  expect(rejected).toEqual({ code: 1, out: "", err: 'desk/a rejected work: tired {"done":9}\n' });
  const json = await ask("send", "desk/a", "work", '{"n": 1}', "--json", "--idempotency-key", "k");
  expect(json).toMatchObject({ code: 1, err: "" });
  expect(lines(json)).toEqual([{ rejection: { code: "tired", details: { done: 9 } }, messageId: "k" }]);
  const unfit = await ask("send", "desk/a", "work", '{"n": "x"}');
  expect(unfit).toMatchObject({ code: 1, out: "" });
  expect(unfit.err).toMatch(/^Input does not fit desk\/work\n {2}n: Invalid input.*\n$/);
  expect((await ask("send", "desk/a", "rest")).err).toBe('Actor type desk has no command "rest"\n');
});

test("a command that nobody waits for is named, and found by that name", async () => {
  const { ask } = await openOffice();
  const sent = await ask("send", "desk/a", "work", '{"n": 1}', "--delay", "1h", "--idempotency-key", "k");
  expect(sent.out).toBe(
    "Sent: `deno task folio messages k --url http://localhost` tells what becomes of it.\n",
  );
  expect((await ask("messages", "k")).out).toMatch(/^status +queued$/m);
  expect(
    lines(await ask("send", "desk/a", "work", '{"n": 1}', "--async", "--idempotency-key", "l", "--json")),
  )
    .toEqual([{ messageId: "l" }]);
});

test("dead letters are redriven with an edited input, by a filter, and discarded", async () => {
  const office = await openOffice();
  const { ask, askIn } = office;
  const [first = "", second = ""] = await failCalls(office, [-1, -2, -3]);
  const letters = async () => lines(await ask("dead-letters", "list", "--json")).length;
  const unfit = await ask("dead-letters", "redrive", first, "--edit", '{"n": "x"}');
  expect(unfit.err).toMatch(/^Input does not fit activity call\n {2}n: /);
  expect(await askIn({ input: '{"n": 1}' }, "dead-letters", "redrive", first, "--edit", "-")).toEqual({
    code: 0,
    out: `Put ${first} back into the mailbox of activity:call/-.\n`,
    err: "",
  });
  expect(await letters()).toBe(2);
  const { out } = await ask("messages", first);
  expect(out).toMatch(/redriven with edited input/);
  expect(await ask("dead-letters", "discard", second)).toEqual({
    code: 0,
    out: `Discarded ${second}.\n`,
    err: "",
  });
  expect(await ask("dead-letters", "discard", second)).toMatchObject({ code: 1, out: "" });
  expect(await letters()).toBe(1);
  expect(lines(await ask("dead-letters", "redrive", "--error", "no such text", "--json"))).toEqual([
    { redriven: 0, hasMore: false },
  ]);
  expect((await ask("dead-letters", "redrive", "--type", "activity:call", "--limit", "1")).out)
    .toBe("Put 1 dead letters back into their mailboxes.\n");
});

test.each<[answer: object, code: number, err: string]>([
  [{ redriven: 5, hasMore: true }, 0, "More are left: say it again.\n"],
  [{ redriven: 2, hasMore: true }, 1, "Not all of them could be put back: the mailbox of one may be full\n"],
  [{ redriven: 2, hasMore: false }, 0, ""],
])(
  "of a redrive by filter that is answered %j, the rest is not passed over in silence",
  async (answer, code, err) => {
    const fetch = () => Response.json(answer);
    expect(await folio(["dead-letters", "redrive", "--all", "--limit", "5", ...URL_ARGS], { fetch }))
      .toMatchObject({ code, err });
  },
);

test("a schedule is paused and resumed, which a folder shows", async () => {
  const { ask, look } = await openOffice();
  expect(await ask("schedules", "pause", "nightly")).toEqual({ code: 0, out: "Paused nightly.\n", err: "" });
  expect((await look("schedules", "list", ...MODULES_ARGS)).out).toMatch(
    /^nightly .* paused +desk\/n work$/m,
  );
  expect((await ask("schedules", "resume", "nightly")).out).toMatch(
    /^nightly goes on: next at \d{4}-.*Z\.$/m,
  );
  expect(await ask("schedules", "pause", "none")).toMatchObject({
    code: 1,
    err: 'There is no schedule "none"\n',
  });
});

test("the token of the environment is what is sent, and what is missing or wrong is said", async () => {
  const token = "a token of 24 characters".replaceAll(" ", "-");
  const { askIn } = await openOffice({ token });
  const list = (env: Record<string, string>) => askIn({ env }, "dead-letters", "list");
  expect((await list({ FOLIO_TOKEN: token })).code).toBe(0);
  expect(await list({})).toEqual({
    code: 1,
    out: "",
    err: "http://localhost wants a token: set FOLIO_TOKEN to the server's own\n",
  });
  expect((await list({ FOLIO_TOKEN: `${token}x` })).err)
    .toBe("http://localhost does not take the token in FOLIO_TOKEN: set it to the server's own\n");
});

const connect = (text: string) =>
  new TypeError("fetch failed", {
    cause: new Error(`error sending request for url (http://x/): client error (Connect): ${text}`),
  });

test.each<[name: string, fetch: () => Response, err: string]>([
  ["is not there", () => {
    throw connect("tcp connect error: Connection refused (os error 111)");
  }, "Cannot reach http://localhost: Connection refused. Is the server running there?\n"],
  ["has no address", () => {
    throw connect("dns error: no such host");
  }, "Cannot reach http://localhost: no such host. Is the server running there?\n"],
  [
    "is no server of Folio's",
    () => new Response("<html>", { status: 404 }),
    "http://localhost is no Folio server, or not its address: it answered 404\n",
  ],
  [
    "answers something else",
    () => new Response("well", { status: 200 }),
    "http://localhost is no Folio server, or not its address: it answered 200\n",
  ],
  [
    "is draining",
    () =>
      Response.json({ code: "draining", detail: "This process is stopping" }, {
        status: 503,
        headers: { "content-type": "application/problem+json", "retry-after": "2" },
      }),
    "This process is stopping\n",
  ],
])("a server that %s is asked once, and told of in one line", async (_, fetch, err) => {
  let asked = 0;
  const counted = () => {
    asked++;
    return fetch();
  };
  for (const args of [["timers"], ["send", "desk/a", "work"], ["events", "--follow"]]) {
    asked = 0;
    const ran = await folio([...args, ...URL_ARGS], { fetch: counted });
    expect(ran).toMatchObject({ code: 1, err });
    expect(asked).toBe(1);
  }
});

// Would catch the key of a command that may have been handled being lost with its answer.
test("of a command whose answer is lost, the key is told", async () => {
  const fetch = () => {
    throw new TypeError("connection reset");
  };
  const { err } = await folio(["send", "desk/a", "work", ...URL_ARGS, "--idempotency-key", "k9"], { fetch });
  expect(err).toBe(
    "Whether it arrived is not known. Send it again with --idempotency-key k9\n" +
      "Cannot reach http://localhost: connection reset. Is the server running there?\n",
  );
});

test("a projection is built and checked at a server, as text and as JSON", async () => {
  const { runtime, ask } = await openOffice();
  await runtime.ask(desk.ref("a").work({ n: 1 }));
  expect((await ask("replay", "--projection", "works")).out).toMatch(
    /^Built works, version 3, as of 0\.\d\.\n$/,
  );
  const checked = await ask("replay", "--projection", "works", "--check", "--json");
  expect(checked.code).toBe(0);
  expect(lines(checked)).toMatchObject([{ projection: "works", status: "equal", rowsCompared: 1 }]);
});

class Screen extends Writable {
  text = "";
  override _write(chunk: unknown, _: string, done: () => void) {
    this.text += String(chunk);
    done();
  }
}

test("long work draws a bar on standard error, where that is a terminal, and lines stand above it", async () => {
  const screen = new Screen();
  const progress = { columns: 80, afterMs: 0, write: (text: string) => void screen.write(text) };
  const { runtime, data } = await openOffice();
  for (const id of ["x", "y"]) await runtime.sagas.start("nap", id, {});
  const check = ["sagas", "check", "--data", data, ...MODULES_ARGS];
  expect(await folio(check, { progress })).toEqual({
    code: 0,
    out: "2 running instances fit the code\n",
    err: "",
  });
  expect(screen.text).toMatch(/Replaying -+ 0 %, 0 of 2 instances, /);
  expect(screen.text.trimEnd()).toMatch(/100 %, 2 of 2 instances, \S+ s to go\S*$/);
  expect((await folio(check)).err).toBe("");

  const order: string[] = [];
  const terminal = {
    print: (line: string) => void order.push(line),
    note: () => {},
    env: () => undefined,
    readInput: () => Promise.resolve(""),
    columns: undefined,
    progress: { columns: 80, afterMs: 0, write: (text: string) => void order.push(text) },
    fetch: undefined,
  };
  const bar = new ProgressBar(terminal, "Copying", "bytes");
  bar.update(500_000, 2_000_000);
  bar.print("a line");
  bar.finish();
  expect(order[order.indexOf("a line") - 1]).toBe("\r\x1b[K");
  expect(order.join("")).toContain("25 %, 0.5 of 2.0 MB");
  expect(order.join("").slice(order.join("").indexOf("a line"))).toContain("Copying");
});

test("one seed of the simulation is told as text and as JSON", async () => {
  const seed = ["simulate", "--seed", "1", "--calls", "1", "--clients", "1"];
  expect((await folio(seed)).out).toMatch(/^1 seeds from 1: \d+ turns, .* 0 failed\./);
  expect(lines(await folio([...seed, "--json"]))).toMatchObject([{
    seeds: 1,
    first: 1,
    failed: 0,
  }]);
});

test("what a bench has measured is a table for people, and objects for machines", () => {
  const table = ["Rates", ["", "rate"], [["bare", "1,000"], ["Folio", "10"]], "A note.\nMore."] as const;
  expect(tableText(...table)).toBe(
    "\nRates\n\n          rate\n  -----  -----\n  bare   1,000\n  Folio     10\n\n  A note.\n  More.",
  );
  expect(tableJson(...table)).toEqual({
    title: "Rates",
    rows: [{ what: "bare", rate: "1,000" }, { what: "Folio", rate: "10" }],
    note: "A note.\nMore.",
  });
});
