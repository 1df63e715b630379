/** Commits that the store refuses for good: whoever is to blame fails, and nobody else. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  allTables,
  brew,
  closedTo,
  distil,
  hoard,
  openedFor,
  POISON,
  type PoisonTable,
  vault,
} from "../support/poison.ts";
import { at, codeOf, watch, World, type WorldOptions } from "../support/world.ts";

/** A world whose tables take no poison. */
async function start(
  tables: readonly PoisonTable[] = allTables,
  options: Partial<WorldOptions> = {},
): Promise<World> {
  const world = await World.start({ modules: [vault, distil, brew], ...options });
  for (const database of world.databases) for (const sql of closedTo(...tables)) await database.look(sql);
  return world;
}

const ok = (n: number) => vault.ref("good").note({ n });
const bad = (n: number) => vault.ref("bad").note({ n, isPoison: true });

async function deadLetters(world: World) {
  const rows = await Promise.all(world.databases.map((database) =>
    database.look(
      "SELECT id, attempts, failures ->> '$[#-1].error', status FROM messages WHERE status = 'dead' ORDER BY seq",
    )
  ));
  return rows.flat();
}

async function stateOf(world: World, key: string) {
  return (await world.runtime.state("vault", key)).state;
}

// Would catch what this file is for: a shard that stands still because of one turn.
test("a message whose turn is refused becomes a dead letter, and all others of its commit are done", async () => {
  const world = await start();
  const engine = at(world.engines, 0);
  const release = engine.hang();
  const first = world.runtime.send(ok(1));
  await world.settle();
  // These are admitted and handled in one commit, behind the one that is on its way.
  const others = [2, 3].map((n) => world.runtime.send(ok(n), { messageId: `ok-${n}` }));
  const asked = world.runtime.ask(vault.ref("other").note({ n: 9 }));
  const poison = world.runtime.send(bad(1), { messageId: "poison" });
  release();
  await first;
  await world.settle();
  const behind = world.runtime.send(vault.ref("bad").note({ n: 2 }));
  await world.clock.advance("1m");
  // Nobody is told of what is not his.
  await Promise.all([...others, poison, behind]);
  expect(await asked).toMatchObject({ ok: true, version: 1 });
  expect(await stateOf(world, "good")).toMatchObject({ notes: [1, 2, 3] });
  expect(await stateOf(world, "bad")).toMatchObject({ notes: [2] });
  expect(await deadLetters(world)).toEqual([
    ["poison", 3, "FolioError: Store refuses this: no poison here", "dead"],
  ]);
  expect((await world.events()).map(({ position }) => position)).toEqual([1, 2, 3, 4, 5]);
});

test("a caller who waits is told at once that the store refuses it, and nothing is recorded", async () => {
  const world = await start();
  expect(await codeOf(world.runtime.ask(bad(1)))).toBe("store-refused");
  await world.settle();
  expect(await codeOf(world.runtime.ask(bad(1), { messageId: "named" }))).toBe("store-refused");
  await world.settle();
  expect(await codeOf(world.runtime.ask(vault.ref("bad").answer({}), { messageId: "reply" }))).toBe(
    "store-refused",
  );
  await world.settle();
  expect(await world.runtime.ask(ok(1))).toMatchObject({ ok: true, version: 1, position: 1 });
  expect(await deadLetters(world)).toEqual([]);
});

test("a message that cannot be admitted: its caller is told, and so is whoever comes again soon, without a commit", async () => {
  const world = await start();
  const poison = () =>
    codeOf(world.runtime.send(vault.ref("bad").keep({ n: 1, text: POISON }), { messageId: "m" }));
  expect(await poison()).toBe("store-refused");
  await world.settle();
  const { attempts } = at(world.engines, 0);
  expect(await poison()).toBe("store-refused");
  expect(at(world.engines, 0).attempts).toBe(attempts);
  for (const sql of openedFor(...allTables)) await at(world.databases, 0).look(sql);
  await world.clock.advance("59s");
  expect(await poison()).toBe("store-refused");
  await world.clock.advance("1s");
  expect(await poison()).toMatchObject({ resolved: { status: "accepted" } });
  await world.settle();
  expect(await stateOf(world, "bad")).toMatchObject({ notes: [1] });
});

// Would catch an actor's later messages that overtake the one that fails, and a group that is lost each time.
test("the messages behind it wait until it is a dead letter, and each further attempt is a commit of its own", async () => {
  const world = await start();
  await world.runtime.send(vault.ref("bad").note({ n: 1 }));
  await world.runtime.send(bad(2), { messageId: "poison" });
  for (const n of [3, 4]) await world.runtime.send(vault.ref("bad").note({ n }));
  await world.settle();
  expect(await stateOf(world, "bad")).toMatchObject({ notes: [1] });
  const { attempts } = at(world.engines, 0);
  const release = at(world.engines, 0).hang();
  const asked = [1, 2, 3].map((n) => watch(world.runtime.ask(ok(n))));
  await world.settle();
  release();
  await world.settle();
  expect(asked.map(({ state }) => state)).toEqual(Array(3).fill("resolved"));
  expect(at(world.engines, 0).attempts - attempts).toBeLessThanOrEqual(3);
  await world.clock.advance("1m");
  expect(await stateOf(world, "bad")).toMatchObject({ notes: [1, 3, 4] });
  expect((await deadLetters(world)).map(([id]) => id)).toEqual(["poison"]);
});

describe.each<
  { where: string; tables: PoisonTable[]; request: () => ReturnType<typeof ok>; told?: string[] }
>([
  { where: "an event", tables: ["events"], request: () => bad(1) as never },
  {
    where: "a message sent",
    tables: ["messages"],
    request: () => vault.ref("bad").send({ to: "x" }) as never,
  },
  { where: "a timer set", tables: ["timers"], request: () => vault.ref("bad").later({}) as never },
  { where: "a reply", tables: ["messages"], request: () => vault.ref("bad").answer({}) as never },
  {
    where: "the text of its failure",
    tables: ["messages"],
    request: () => vault.ref("bad").fail({}) as never,
  },
])("with poison in $where", ({ tables, request }) => {
  test("the message becomes a dead letter, and its shard goes on", async () => {
    const world = await start(tables);
    await world.runtime.send(request(), { messageId: "poison" });
    await world.runtime.send(vault.ref("bad").note({ n: 7 }));
    await world.clock.advance("1m");
    expect(await deadLetters(world)).toMatchObject([["poison", 3, expect.any(String), "dead"]]);
    expect(await stateOf(world, "bad")).toMatchObject({ notes: [7] });
    expect(await stateOf(world, "x")).toMatchObject({ notes: [] });
    expect(await world.runtime.ask(ok(1))).toMatchObject({ version: 1 });
    await world.restart();
    expect(await deadLetters(world)).toHaveLength(1);
  });
});

// Would catch a start that never comes to its end.
test("poison that is on the disk already when the process starts: its row is marked dead, and stays as it is", async () => {
  const world = await World.start({ modules: [vault] });
  const due = { deliverAt: world.clock.now() + 1_000 };
  const keep = vault.ref("bad").keep({ n: 1, text: POISON });
  await world.runtime.send(keep, { messageId: "poison", ...due });
  await world.runtime.send(vault.ref("bad").note({ n: 2 }), due);
  await world.runtime.send(ok(1), due);
  at(world.engines, 0).kill();
  for (const sql of closedTo("messages")) await at(world.databases, 0).look(sql);
  await world.clock.advance("1s");
  // An update of the status alone is let through, as it would be by a check of one column.
  await at(world.databases, 0).look("DROP TRIGGER poison_messages_UPDATE");
  await world.crash();
  await world.clock.advance("1m");
  expect(await stateOf(world, "bad")).toMatchObject({ notes: [2] });
  expect(await stateOf(world, "good")).toMatchObject({ notes: [1] });
  const text = "The store refuses what the message would write, and its error";
  expect(await deadLetters(world)).toEqual([["poison", 1, text, "dead"]]);
  expect((await world.message("poison"))?.input).toEqual({ n: 1, text: POISON });
});

test("a message of which the store takes nothing at all holds back its actor until the next start, and nobody else", async () => {
  const world = await World.start({ modules: [vault] });
  const due = { deliverAt: world.clock.now() + 1_000 };
  await world.runtime.send(vault.ref("bad").keep({ n: 1, text: POISON }), { messageId: "poison", ...due });
  await world.runtime.send(vault.ref("bad").note({ n: 2 }), due);
  for (const sql of closedTo("messages")) await at(world.databases, 0).look(sql);
  await world.clock.advance("1h");
  expect(await deadLetters(world)).toEqual([]);
  expect(await stateOf(world, "bad")).toMatchObject({ notes: [] });
  expect(await world.runtime.ask(ok(1))).toMatchObject({ version: 1 });
  expect(world.logged.filter((line) => line.includes("Actor stands still"))).toHaveLength(1);
  for (const sql of openedFor("messages")) await at(world.databases, 0).look(sql);
  await world.restart();
  await world.clock.advance("1s");
  expect(await stateOf(world, "bad")).toMatchObject({ notes: [1, 2] });
});

test("a timer whose message is refused is held and stays on disk; others fire", async () => {
  const world = await start(["messages"]);
  await world.runtime.ask(vault.ref("bad").later({}));
  await world.runtime.ask(vault.ref("good").later({ text: "water" }));
  await world.clock.advance("1h");
  expect(await stateOf(world, "good")).toMatchObject({ notes: [1] });
  expect(await at(world.databases, 0).look("SELECT actor FROM timers")).toEqual([["vault/bad"]]);
  expect(world.logged.filter((line) => line.includes("what a timer sends"))).toHaveLength(1);
  for (const sql of openedFor("messages")) await at(world.databases, 0).look(sql);
  await world.restart();
  await world.clock.advance("1s");
  expect(await stateOf(world, "bad")).toMatchObject({ notes: [1] });
});

test("a timer's message whose turn is refused becomes a dead letter", async () => {
  const world = await start();
  await world.runtime.ask(vault.ref("bad").laterPoison({}));
  await world.clock.advance("1m");
  expect(await deadLetters(world)).toMatchObject([[expect.any(String), 3, expect.any(String), "dead"]]);
  expect(await world.runtime.ask(ok(1))).toMatchObject({ version: 1 });
});

test("an activity whose output is refused has failed: it is tried again, becomes a dead letter, and who asked is told", async () => {
  const world = await start();
  await world.runtime.ask(vault.ref("bad").distil({ isPoison: true }));
  await world.runtime.ask(vault.ref("good").distil({ isPoison: false }));
  await world.clock.advance("1m");
  expect(await stateOf(world, "good")).toMatchObject({ told: ["water"] });
  expect(await stateOf(world, "bad")).toMatchObject({ told: ["dead"] });
  expect(await deadLetters(world)).toMatchObject([[expect.any(String), 3, expect.any(String), "dead"]]);
});

test("a saga whose turn is refused is tried again, and its message becomes a dead letter", async () => {
  const world = await start();
  await world.runtime.sagas.send("brew", "bad", { isPoison: true }, { messageId: "poison" });
  await world.runtime.sagas.send("brew", "good", { isPoison: false });
  await world.clock.advance("1h");
  expect(await world.runtime.sagas.status("brew", "good")).toMatchObject({ status: "completed" });
  expect(await deadLetters(world)).toMatchObject([["poison", 20, expect.any(String), "dead"]]);
  expect(await world.runtime.ask(ok(1))).toMatchObject({ version: 1 });
});

// Would catch messages that become dead letters because a disk was full.
test("what fails for any other reason, however often, is nobody's fault", async () => {
  const world = await start();
  const engine = at(world.engines, 0);
  await world.runtime.send(ok(1), { deliverAt: world.clock.now() + 1_000 });
  engine.plan(...Array.from({ length: 1_000 }, () => "before" as const));
  await world.clock.advance("1h");
  engine.calm();
  await world.clock.advance("1m");
  expect(await deadLetters(world)).toEqual([]);
  expect(await world.message("nobody")).toBeUndefined();
  expect(await stateOf(world, "good")).toMatchObject({ notes: [1] });
  expect((await world.events()).length).toBe(1);
});

// Would catch a message that is blamed for a commit that is on disk.
test("a commit that is said to be refused and is on disk all the same is a success", async () => {
  const world = await start();
  at(world.engines, 0).plan("refused-after");
  expect(await world.runtime.ask(ok(1))).toMatchObject({ ok: true, version: 1 });
  expect(await world.runtime.ask(ok(2))).toMatchObject({ ok: true, version: 2 });
});

test("a shard that is another's by now is left, whatever its last commit was refused for", async () => {
  const world = await start();
  const engine = at(world.engines, 0);
  engine.plan("refused-fenced");
  expect(await codeOf(world.runtime.ask(ok(1)))).toBe("not-owner");
  expect(await codeOf(world.runtime.ask(ok(1)))).toBe("not-owner");
});

// Would catch blame for what only a whole group is too large for.
test("a group that is refused though none of it is: all of it is done, one after the other", async () => {
  const world = await start();
  const engine = at(world.engines, 0);
  await Promise.all(
    [1, 2, 3, 4].map((n) => world.runtime.send(ok(n), { deliverAt: world.clock.now() + 1_000 })),
  );
  engine.plan("refused");
  await world.clock.advance("1m");
  expect(await deadLetters(world)).toEqual([]);
  expect(await stateOf(world, "good")).toMatchObject({ notes: [1, 2, 3, 4] });
});

// Would catch a message that is on disk as done, and whose events are lost with the commit behind.
test("however many changes go alone, what a message has come to is in the commit of its events, and nowhere before", async () => {
  const world = await start();
  const engine = at(world.engines, 0);
  await world.runtime.send(bad(1), { messageId: "poison" });
  const release = engine.hang();
  const all = Array.from(
    { length: 20 },
    (_, n) => watch(world.runtime.send(ok(n), { messageId: `ok-${n}` })),
  );
  await world.settle();
  release();
  await world.clock.advance("1m");
  expect(all.map(({ state }) => state)).toEqual(Array(20).fill("resolved"));
  for (const { messages, events } of engine.written) {
    const done = messages.filter(([, , , , , , , , , , status]) => status === "done").map(([, id]) => id);
    expect(events.map(([, , , , , , , id]) => id)).toEqual(done);
  }
});

// Would catch a message that is set aside, and comes behind one that was sent after it and is on disk already.
test("a caller whose message would come behind one that was sent after it is told to come again", async () => {
  const world = await start();
  await world.runtime.send(bad(1), { messageId: "poison" });
  await world.settle();
  // The actor's first message waits for its next attempt: what is kept is on disk, what is asked only in memory.
  const asked = watch(codeOf(world.runtime.ask(vault.ref("bad").note({ n: 2 }))));
  await world.runtime.send(vault.ref("bad").note({ n: 3 }));
  const behind = watch(codeOf(world.runtime.ask(vault.ref("bad").note({ n: 4 }))));
  const release = at(world.engines, 0).hang();
  const first = world.runtime.send(ok(1));
  const others = [
    world.runtime.send(ok(2)),
    world.runtime.send(vault.ref("worse").note({ n: 1, isPoison: true })),
  ];
  await world.settle();
  release();
  await Promise.all([first, ...others]);
  await world.clock.advance("1m");
  expect(asked.value).toBe("store-unavailable");
  expect(behind.value).toMatchObject({ resolved: { ok: true } });
  expect(await stateOf(world, "bad")).toMatchObject({ notes: [3, 4] });
});

// Would catch an actor whose every command is refused because of what a snapshot would hold.
test("a snapshot that is refused is done without, also by those who wait for an answer", async () => {
  const world = await start(["snapshots"], { modules: [hoard] });
  const keep = (text: string) => codeOf(world.runtime.ask(hoard.ref("h").keep({ text })));
  expect(await keep("water")).toMatchObject({ resolved: { ok: true } });
  expect(await keep(POISON)).toBe("store-refused");
  await world.settle();
  expect(await keep(POISON)).toMatchObject({ resolved: { ok: true, version: 2 } });
  await world.settle();
  expect(await keep("water")).toMatchObject({ resolved: { ok: true, version: 3 } });
});

const step = fc.record({
  key: fc.constantFrom("a", "b", "c"),
  isPoison: fc.boolean(),
  how: fc.constantFrom("send", "ask", "delay"),
  pause: fc.constantFrom(0, 0, 0, 1, 1_500),
});

test(
  "whoever is poison, all other messages are done once and in order, and each that was kept is a dead letter",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.constantFrom(1, 3), async (steps, shards) => {
        const world = await start(["events"], {
          shards,
          limits: { commitTurnsMax: 7, commitFollowsTurns: 2 },
        });
        const expected: Record<string, number[]> = { a: [], b: [], c: [] };
        const poisons: string[] = [];
        for (const [n, { key, isPoison, how, pause }] of steps.entries()) {
          const request = vault.ref(key).note({ n, isPoison });
          const messageId = `m${n}`;
          // Each is sent until it is answered for good, as a client does, before the next one of its actor.
          const deliverAt = how === "delay" ? world.clock.now() : undefined;
          for (let tries = 0;; tries++) {
            const answer = how === "ask"
              ? codeOf(world.runtime.ask(request, { messageId }))
              : codeOf(world.runtime.send(request, { messageId, deliverAt }));
            const seen = watch(answer);
            for (let look = 0; seen.state === "waiting" && look < 100; look++) {
              await world.clock.advance("1s");
            }
            if (seen.value !== "store-unavailable") {
              if (how === "ask" && isPoison) expect(seen.value).toBe("store-refused");
              else expect(seen.value).toMatchObject({ resolved: {} });
              break;
            }
            expect(tries).toBeLessThan(50);
            await world.clock.advance("100ms");
          }
          if (!isPoison) expected[key]?.push(n);
          else if (how !== "ask") poisons.push(messageId);
          if (pause > 0) await world.clock.advance(`${pause}ms`);
        }
        await world.clock.advance("10m");
        for (const [key, notes] of Object.entries(expected)) {
          expect(await stateOf(world, key)).toMatchObject({ notes });
        }
        expect((await deadLetters(world)).map(([id]) => String(id)).sort()).toEqual(poisons.sort());
        await world.runtime.stop();
      }),
      { numRuns: 40 },
    );
  },
  120_000,
);

const kind = fc.constantFrom("send", "ask", "named-send", "named-ask");
const hurried = fc.record({
  key: fc.constantFrom("a", "b"),
  isPoison: fc.boolean(),
  kind,
  pauseMs: fc.constantFrom(0, 0, 0, 1, 300, 1_500),
});

// Would catch one that overtakes another when what was lost with others is taken up again.
test(
  "what is sent without waiting for answers is done once and in order, whatever it is and whoever is poison",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(hurried, { maxLength: 40 }), async (steps) => {
        const limits = { commitTurnsMax: 7, commitFollowsTurns: 2, requestWaitMsMax: 700 };
        const world = await start(["events"], { limits });
        const answers: { n: number; key: string; isPoison: boolean; answer: ReturnType<typeof watch> }[] = [];
        for (const [n, { key, isPoison, kind, pauseMs }] of steps.entries()) {
          const request = vault.ref(key).note({ n, isPoison });
          const options = kind.startsWith("named") ? { messageId: `m${n}` } : {};
          const asked = kind.endsWith("ask")
            ? world.runtime.ask(request, options)
            : world.runtime.send(request, options);
          answers.push({ n, key, isPoison, answer: watch(codeOf(asked)) });
          if (pauseMs > 0) await world.clock.advance(pauseMs);
        }
        await world.clock.advance("10m");
        for (const key of ["a", "b"]) {
          const { notes } = await stateOf(world, key) as { notes: number[] };
          expect(notes).toEqual([...new Set(notes)].sort((a, b) => a - b));
          const told = answers.filter((one) => one.key === key);
          expect(told.every(({ answer }) => answer.state === "resolved")).toBe(true);
          const taken = told.filter(({ answer, isPoison }) =>
            !isPoison && (typeof answer.value === "object" || answer.value === "message-in-progress")
          );
          expect(notes).toEqual(taken.map(({ n }) => n));
        }
      }),
      { numRuns: 150 },
    );
  },
  60_000,
);
