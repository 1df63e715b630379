import { beforeAll, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { createRuntime } from "../../src/create_runtime.ts";
import { activity, actor, command, saga } from "../../src/mod.ts";
import { shardOf } from "../../src/core/shard_of.ts";
import { Registry } from "../../src/runtime/registry.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { buryMessages } from "../../src/store/messages.ts";
import { Findings } from "../../scripts/verify/findings.ts";
import { verifyFolder } from "../../scripts/verify/folder.ts";
import { sums } from "../projections/support.ts";
import { listener, source, tell } from "../reactors/support.ts";
import { ledger, names, sender, unreliable } from "../support/actors.ts";
import { runTask } from "./support.ts";

const { worker, failures } = unreliable({ attemptsMax: 1 });
const begun = Promise.withResolvers<void>();
const endless = activity("endless", {
  input: z.object({}),
  output: z.object({}),
  delivery: "at-most-once",
  run: () => {
    begun.resolve();
    return new Promise<Record<string, never>>(() => {});
  },
});
const asker = actor("asker", {
  initialState: () => ({}),
  events: {},
  evolve: {},
  commands: { ask: command(z.object({}), (turn) => ({ id: turn.perform(endless, {}) })) },
});
const errand = saga("errand", {
  input: z.object({}),
  deadline: "3d",
  run: async (step) => {
    const nap = step.sleep("nap", "1h");
    await step.perform("errand", endless, {});
    await nap;
  },
});
const modules = [ledger, sender, sums(), source, listener, tell, worker, endless, asker, errand];

/** Something of everything: events, snapshots, rejections, dead letters, messages between shards and to come. */
async function makeStore(folder: string): Promise<void> {
  const runtime = await createRuntime({ modules, data: folder, shards: 3 });
  for (const key of names(5)) {
    await runtime.submit(ledger.ref(key).addEven({ n: 3 }), { messageId: `odd-${key}`, waitMs: 10_000 });
    await Promise.all(
      Array.from(
        { length: 120 },
        (_, n) => runtime.submit(ledger.ref(key).add({ n }), { messageId: `${key}-${n}`, waitMs: 10_000 }),
      ),
    );
    await runtime.ask(source.ref(key).say({ n: 7 }));
  }
  await runtime.ask(sender.ref("s").fanOut({ to: names(5).map((key) => ({ key, n: 1 })) }));
  await runtime.ask(sender.ref("s").fanOut({ to: names(5).map((key) => ({ key, n: 2 })), after: "1h" }));
  failures.set("never", 9);
  await runtime.submit(worker.ref("w").work({ label: "never" }), { messageId: "dead", waitMs: 0 });
  await runtime.ask(worker.ref("w").work({ label: "last" }));
  while (!(await runtime.state("listener", "all").catch(() => undefined))) {
    await runtime.ask(ledger.ref("l0").look({}));
  }
  await runtime.projections.query("sums", "all", {}, { atLeast: runtime.positions(), waitMs: 10_000 });
  // In its first attempt when the process ends, about which nothing more is recorded.
  await runtime.ask(asker.ref("a").ask({}));
  await begun.promise;
  await runtime.ask(errand.ref("e").start({}));
  while ((await runtime.state("errand", "e")).version < 3) await runtime.ask(ledger.ref("l0").look({}));
  await runtime[Symbol.asyncDispose]();
}

let made = "";
beforeAll(async () => {
  made = Deno.makeTempDirSync();
  await makeStore(made);
  return () => Deno.removeSync(made, { recursive: true });
});

function copyOfStore(): string {
  const folder = Deno.makeTempDirSync();
  onTestFinished(() => Deno.removeSync(folder, { recursive: true }));
  for (const { name } of Deno.readDirSync(made)) Deno.copyFileSync(`${made}/${name}`, `${folder}/${name}`);
  return folder;
}

async function tamper(folder: string, file: string, ...statements: string[]): Promise<void> {
  const database = openLibsqlDatabase({ url: `file:${folder}/${file}` });
  for (const sql of statements) await database.execute({ sql });
  await database.close();
}

async function findingsIn(folder: string, registry = new Registry(modules)): Promise<Findings> {
  const findings = new Findings();
  await verifyFolder(folder, registry, findings);
  return findings;
}

test("a store in which all is well is found to be so, and all of it was looked at", async () => {
  const findings = await findingsIn(copyOfStore());
  expect(findings.told).toEqual([]);
  expect(findings.notes).toEqual([]);
  const counts = Object.fromEntries(findings.counts);
  expect(counts).toMatchObject({
    "events": expect.any(Number),
    "snapshots": expect.any(Number),
    "messages done": expect.any(Number),
    "messages rejected": 5,
    "messages dead": 1,
    "messages queued": 5,
    "messages between shards": expect.any(Number),
    "projections": 1,
    "projection rows": 5,
  });
  expect(counts["snapshots"]).toBeGreaterThanOrEqual(5);
  expect(counts["messages between shards"]).toBeGreaterThan(5);
});

/** Shard 0 holds some ledger; which one does not matter. */
const anyLedger = `(SELECT actor FROM events WHERE actor LIKE 'ledger/%' LIMIT 1)`;
const damages: [what: string, file: string, sql: string[], check: string, text: RegExp][] = [
  [
    "an event deleted from the middle",
    "shard-0.db",
    [`DELETE FROM events WHERE position = 50`],
    "log",
    /between positions 49 and 51/,
  ],
  [
    "the first event deleted",
    "shard-0.db",
    [`DELETE FROM events WHERE position = 1`],
    "log",
    /begins at position 2/,
  ],
  [
    "the last event deleted",
    "shard-0.db",
    [`DELETE FROM events WHERE position = (SELECT max(position) FROM events)`],
    "commits",
    /another one in the log/,
  ],
  [
    "a payload changed to another that fits",
    "shard-0.db",
    [`UPDATE events SET payload = '{"n":777}' WHERE actor = ${anyLedger} AND version = 3`],
    "snapshots",
    /not what the events give/,
  ],
  [
    "a payload that does not fit its schema",
    "shard-0.db",
    [`UPDATE events SET payload = '{"n":"x"}' WHERE actor = ${anyLedger} AND version = 3`],
    "events",
    /does not fit its schema: n: /,
  ],
  [
    "a payload that is no JSON",
    "shard-0.db",
    [`UPDATE events SET payload = '{"n' WHERE actor = ${anyLedger} AND version = 3`],
    "events",
    /not JSON/,
  ],
  [
    "an event of an unknown type",
    "shard-0.db",
    [`UPDATE events SET type = 'Gone' WHERE actor = ${anyLedger} AND version = 3`],
    "events",
    /has no event Gone/,
  ],
  [
    "an event of a later schema",
    "shard-0.db",
    [`UPDATE events SET schema_version = 9 WHERE actor = ${anyLedger} AND version = 3`],
    "events",
    /schema version 9/,
  ],
  [
    "a version changed",
    "shard-0.db",
    [`UPDATE events SET version = 9999 WHERE actor = ${anyLedger} AND version = 3`],
    "streams",
    /version 4 comes after 2/,
  ],
  [
    "time that goes back",
    "shard-0.db",
    [`UPDATE events SET at = 5 WHERE position = 50`],
    "log",
    /time goes back at position 50/,
  ],
  [
    "an actor in the wrong shard",
    "shard-0.db",
    [`UPDATE events SET actor = 'ledger/' || 'elsewhere' WHERE actor = ${anyLedger}`],
    "streams",
    /belongs into shard/,
  ],
  [
    "a snapshot changed",
    "shard-0.db",
    [`UPDATE snapshots SET state = '{"sum":1,"entries":[]}'`],
    "snapshots",
    /not what the events give/,
  ],
  [
    "a snapshot ahead of the log",
    "shard-0.db",
    [`UPDATE snapshots SET version = 99999`],
    "snapshots",
    /of version 99999/,
  ],
  [
    "a reply lost",
    "shard-0.db",
    [`UPDATE messages SET outcome = NULL WHERE id LIKE '%-7'`],
    "messages",
    /is done, and its outcome says nothing/,
  ],
  [
    "a reply of another version",
    "shard-0.db",
    [`UPDATE messages SET outcome = json_set(outcome, '$.version', 1) WHERE id LIKE '%-77'`],
    "messages",
    /says version 1, and its last event/,
  ],
  [
    "a handled message put back",
    "shard-0.db",
    [`UPDATE messages SET status = 'queued', handled_at = NULL, outcome = NULL WHERE id LIKE '%-7'`],
    "messages",
    /is queued, and there is an event of it/,
  ],
  [
    "a message forgotten",
    "shard-0.db",
    [`DELETE FROM messages WHERE id LIKE '%-7'`],
    "commits",
    /is not there/,
  ],
  [
    "a message without JSON",
    "shard-0.db",
    [`UPDATE messages SET input = '{' WHERE id LIKE '%-7'`],
    "messages",
    /input is not JSON/,
  ],
  [
    "a message to an unknown command",
    "shard-1.db",
    [
      `UPDATE messages SET command = 'gone' WHERE status = 'queued'`,
      `UPDATE messages SET command = 'gone'`,
      `UPDATE messages SET status = 'queued', outcome = NULL, handled_at = NULL`,
    ],
    "messages",
    /no command gone/,
  ],
  [
    "an answer other than the one that was given",
    "shard-0.db",
    [`UPDATE messages SET outcome = json_set(outcome, '$.reply', 'other') WHERE id LIKE '%-119'`],
    "commits",
    /has another outcome/,
  ],
  [
    "all commits gone",
    "shard-0.db",
    [`DELETE FROM commits`],
    "commits",
    /none is kept, and there are events/,
  ],
  [
    "the oldest commits gone",
    "shard-0.db",
    [`DELETE FROM commits WHERE idx < (SELECT max(idx) - 5 FROM commits)`],
    "commits",
    /none before it is kept/,
  ],
  [
    "the newest commits gone",
    "shard-0.db",
    [`DELETE FROM commits WHERE idx >= (SELECT max(idx) FROM commits WHERE body ->> '$.events[0]' IS NOT NULL)`],
    "commits",
    /and the log goes on to/,
  ],
  [
    "a message of an actor forgotten, of which no commit is kept",
    "shard-0.db",
    [
      `DELETE FROM messages WHERE id = (
        SELECT message_id FROM events WHERE causation_id IS NOT NULL ORDER BY position DESC LIMIT 1)`,
      `DELETE FROM commits`,
    ],
    "messages",
    /the message is not there, though older ones are/,
  ],
  [
    "a reactor put back",
    "shard-0.db",
    [`UPDATE checkpoints SET position = 0`],
    "commits",
    /is at 0, not/,
  ],
  [
    "a reactor's place forgotten",
    "shard-0.db",
    [`DELETE FROM checkpoints`],
    "commits",
    /is at nowhere, not/,
  ],
  [
    "something in an outbox that is no message",
    "shard-0.db",
    [`INSERT INTO outbox VALUES (99999, 1, '{}')`],
    "outbox",
    /holds no message/,
  ],
  [
    "something in an outbox for the wrong shard",
    "shard-0.db",
    [`INSERT INTO outbox VALUES (99999, 0, '{"id":"a","actor":"ledger/a"}')`],
    "outbox",
    /is not in shard 0/,
  ],
  [
    "a timer that holds nothing",
    "shard-0.db",
    [`INSERT INTO timers VALUES ('ledger/l0', 't', 'id', 5, '{}')`],
    "timers",
    /holds no command/,
  ],
  [
    "a reactor ahead of the log",
    "shard-0.db",
    [`UPDATE checkpoints SET position = 99999`],
    "checkpoints",
    /it is at 99999/,
  ],
  [
    "a commit missing",
    "shard-0.db",
    [`DELETE FROM commits WHERE idx = (SELECT max(idx) - 1 FROM commits)`],
    "commits",
    /it comes after/,
  ],
  [
    "a commit of another epoch",
    "shard-0.db",
    [`UPDATE meta SET value = 0 WHERE key = 'epoch'`],
    "commits",
    /is not of this store/,
  ],
  [
    "a row of a projection changed",
    "read.db",
    [`UPDATE sums__1 SET sum = sum + 1 WHERE ledger = 'l2'`],
    "projections",
    /a replay gives/,
  ],
  [
    "a row of a projection deleted",
    "read.db",
    [`DELETE FROM sums__1 WHERE ledger = 'l2'`],
    "projections",
    /no row serves/,
  ],
  [
    "a projection ahead of the log",
    "read.db",
    [`UPDATE projection_checkpoints SET position = 99999`],
    "projections",
    /is at 99999/,
  ],
];

// Would catch a check that sees nothing: each kind of damage has to be seen, and told for what it is.
test.each(damages)("%s is found", async (_, file, sql, check, text) => {
  const folder = copyOfStore();
  await tamper(folder, file, ...sql);
  const { told } = await findingsIn(folder);
  expect(told).toContainEqual(expect.objectContaining({ check, what: expect.stringMatching(text) }));
});

/** Where the saga is. */
const home = `shard-${shardOf("errand/e", 3)}.db`;
const forget = `DELETE FROM commits`;
const errands: [what: string, sql: string[], check: string, text: RegExp][] = [
  [
    "a timer gone",
    [`DELETE FROM timers WHERE name <> 'deadline'`],
    "commits",
    /its timer step-0-0 of errand\/e is not there/,
  ],
  ["a timer put off", [`UPDATE timers SET due_at = due_at + 1`], "commits", /its timer .* is another one/],
  [
    "a timer that is over, and there again",
    [
      `UPDATE commits SET body = json_set(body, '$.timersGone', json('[["errand/e","deadline"]]'))
        WHERE idx = (SELECT max(idx) FROM commits)`,
    ],
    "commits",
    /has ended the timer deadline of errand\/e, which is still there/,
  ],
  [
    "a timer of a saga gone long ago",
    [`DELETE FROM timers`, forget],
    "sagas",
    /waits for nap, and its timer is not there/,
  ],
  [
    "the deadline of a saga gone long ago",
    [`DELETE FROM timers`, forget],
    "sagas",
    /waits for its deadline, and/,
  ],
  [
    "a message of a saga gone long ago",
    [`DELETE FROM messages WHERE actor LIKE 'activity:%'`, forget],
    "sagas",
    /waits for errand, and its message .* to activity:endless\/- is not there/,
  ],
  [
    "an answer to a saga gone long ago",
    [`UPDATE messages SET status = 'done' WHERE actor LIKE 'activity:%'`, forget],
    "sagas",
    /waits for errand, and its message .* is done, and the answer is not there/,
  ],
];

// Would catch a saga that waits for ever, in a folder that is called well.
test.each(errands)("%s is found", async (_, sql, check, text) => {
  const folder = copyOfStore();
  await tamper(folder, home, ...sql);
  const { told } = await findingsIn(folder);
  expect(told).toContainEqual(expect.objectContaining({ check, what: expect.stringMatching(text) }));
});

// Would catch a sound folder being called damaged, as its commits know the message only as it was before.
test("a message whose row was only marked dead is sound, and found where it is not marked", async () => {
  const folder = copyOfStore();
  const file = "shard-0.db";
  const database = openLibsqlDatabase({ url: `file:${folder}/${file}` });
  const [row] = await database.execute({
    sql: `SELECT id, actor FROM messages WHERE status = 'queued' AND actor LIKE 'ledger/%' LIMIT 1`,
  });
  const [id, actor] = [String(row?.[0]), String(row?.[1])];
  const buried = [[id, actor, 3, 1, "The store refuses it"] as const];
  await database.execute({
    sql: `UPDATE commits SET body = json_set(body, '$.buried', json(?))
      WHERE idx = (SELECT max(idx) FROM commits)`,
    args: [JSON.stringify(buried)],
  });
  await database.close();
  const unmarked = await findingsIn(folder);
  expect(unmarked.told).toEqual([
    expect.objectContaining({
      check: "commits",
      what: `its message ${id} ${actor} is queued in the mailbox, not dead`,
    }),
  ]);
  const again = openLibsqlDatabase({ url: `file:${folder}/${file}` });
  await again.batch([buryMessages(buried)], "write");
  await again.close();
  expect((await findingsIn(folder)).told).toEqual([]);
});

test("a message that has left one shard and never arrived in the other is found", async () => {
  const folder = copyOfStore();
  const database = openLibsqlDatabase({ url: `file:${folder}/shard-0.db` });
  const rows = await database.execute({
    sql: `SELECT o.value ->> 1, o.value ->> 2 FROM commits, json_each(body, '$.outbox') AS o`,
  });
  await database.close();
  const [to, text] = rows.at(-1) ?? [];
  const { id } = JSON.parse(String(text));
  await tamper(folder, `shard-${to}.db`, `DELETE FROM messages WHERE id = '${id}'`);
  const { told } = await findingsIn(folder);
  expect(told).toContainEqual(
    expect.objectContaining({ check: "between shards", where: expect.stringContaining(id) }),
  );
});

test("a damaged page is found, and what can be read is still checked", async () => {
  const folder = copyOfStore();
  const bytes = Deno.readFileSync(`${folder}/shard-1.db`);
  bytes.fill(0x5a, 4096 * 6 + 100, 4096 * 7);
  Deno.writeFileSync(`${folder}/shard-1.db`, bytes);
  const findings = await findingsIn(folder);
  expect(findings.told).toContainEqual(
    expect.objectContaining({
      check: expect.stringMatching(/file|log|streams|messages/),
      where: "shard-1.db",
    }),
  );
  expect(findings.counts.get("projections")).toBe(1);
});

test("types that are not among the modules are told as not checked, not as faults", async () => {
  const findings = await findingsIn(copyOfStore(), new Registry([sender]));
  expect(findings.told).toEqual([]);
  expect(findings.notes).toEqual(expect.arrayContaining([
    expect.stringContaining("Events of ledger actors were not read"),
    expect.stringContaining("Projection sums was not replayed"),
  ]));
});

// Would catch a check that destroys the evidence: what the last commit left beside the file is part of it.
test("not a byte changes of a store that was killed", async () => {
  const folder = copyOfStore();
  const database = openLibsqlDatabase({ url: `file:${folder}/shard-0.db` });
  await database.execute({ sql: "PRAGMA wal_autocheckpoint = 0" });
  await database.execute({ sql: "UPDATE meta SET value = value + 1 WHERE key = 'epoch'" });
  const killed = Deno.makeTempDirSync();
  onTestFinished(() => Deno.removeSync(killed, { recursive: true }));
  for (const { name } of Deno.readDirSync(folder)) {
    if (!name.endsWith("-shm")) Deno.copyFileSync(`${folder}/${name}`, `${killed}/${name}`);
  }
  await database.close();
  const contents = () =>
    [...Deno.readDirSync(killed)].map(({ name }) => name).filter((name) => !name.endsWith("-shm")).sort()
      .map((name) => [name, Deno.readFileSync(`${killed}/${name}`)] as const).filter(([, bytes]) =>
        bytes.length > 0
      );
  const before = contents();
  expect(before.map(([name]) => name)).toContain("shard-0.db-wal");
  expect((await findingsIn(killed)).told).toEqual([]);
  expect(contents()).toEqual(before);
});

test("deno task verify ends with 0, 1 or 2, and tells why, in words or as JSON", async () => {
  const folder = copyOfStore();
  const file = `${folder}/modules.ts`;
  const url = (path: string) => new URL(path, import.meta.url).href;
  Deno.writeTextFileSync(
    file,
    `import { ledger, sender } from "${url("../support/actors.ts")}"; export default [ledger, sender];`,
  );
  const well = await runTask("verify", folder, "--modules", file);
  expect(well).toMatchObject({
    code: 0,
    stderr: "",
    stdout: expect.stringMatching(/ events.*\n(Note: .*\n)+All is well\.\n$/),
  });

  await tamper(folder, "shard-0.db", `DELETE FROM events WHERE position = 50`);
  const wrong = await runTask("verify", folder, "--modules", file, "--json");
  expect(wrong).toMatchObject({ code: 1, stderr: "" });
  expect(JSON.parse(wrong.stdout)).toMatchObject({
    isSound: false,
    findings: expect.arrayContaining([expect.objectContaining({ check: "log" })]),
  });
  expect(await runTask("verify", folder, "--modules", file)).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/things are wrong\.\n$/),
  });

  expect(await runTask("verify", `${folder}/nowhere`)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("there is no such file"),
  });
  expect(await runTask("verify", "http://127.0.0.1:9")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("it is a server"),
  });
  const lock = Deno.openSync(`${folder}/folio.lock`, { read: true, write: true, create: true });
  lock.lockSync(true);
  expect(await runTask("verify", folder, "--modules", file)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("it is held by"),
  });
  lock.close();
});
