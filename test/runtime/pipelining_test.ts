import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultLimits } from "../../src/config.ts";
import type { FolioError } from "../../src/core/errors.ts";
import { Committer, type CommitterOwner } from "../../src/runtime/committer.ts";
import { type Head, LocalEngine, type ShardEngine, UnavailableError } from "../../src/store/engine.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import { openShardStore } from "../../src/store/shard_store.ts";
import { seededIds } from "../../src/testing/seeded_ids.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { ledger } from "../support/actors.ts";
import type { Fault } from "../support/faulty_engine.ts";
import { at, codeOf, watch, World } from "../support/world.ts";

/** Turns from which on a commit is sent behind another. */
const ENOUGH = 16;

/** So many commands to one actor each, `from` on. */
function askMany(world: World, from: number, count: number) {
  const keys = Array.from({ length: count }, (_, index) => `actor-${from + index}`);
  return keys.map((key) => watch(world.runtime.ask(ledger.ref(key).add({ n: 1 }))));
}

type Asked = ReturnType<typeof askMany>;

/** A commit of one command and one of sixteen, both on their way to an engine that waits. */
async function twoOnTheirWay(faults: Fault[] = []) {
  const world = await World.start({ modules: [ledger] });
  // All actors are in memory: none has to be loaded behind a commit that hangs.
  await Promise.all(Array.from({ length: 60 }, (_, n) => world.runtime.state("ledger", `actor-${n}`)));
  const engine = at(world.engines, 0);
  engine.plan(...faults);
  const release = engine.hang();
  const first = askMany(world, 0, 1);
  await world.settle();
  const second = askMany(world, 1, ENOUGH);
  await world.settle();
  return { world, engine, release, first, second };
}

const statesOf = (asked: Asked) => [...new Set(asked.map(({ state }) => state))];
const codesOf = (asked: Asked) => [...new Set(asked.map(({ error }) => (error as { code?: string })?.code))];

test("a commit follows another that is on its way once it has sixteen turns, and a third one waits", async () => {
  const world = await World.start({ modules: [ledger] });
  await Promise.all(Array.from({ length: 60 }, (_, n) => world.runtime.state("ledger", `actor-${n}`)));
  const engine = at(world.engines, 0);
  const release = engine.hang();
  askMany(world, 0, 1);
  await world.settle();
  askMany(world, 1, ENOUGH - 1);
  await world.settle();
  expect(engine.attempts).toBe(1);
  askMany(world, ENOUGH, 1);
  await world.settle();
  expect(engine.attempts).toBe(2);
  const third = askMany(world, ENOUGH + 1, 2 * ENOUGH);
  await world.settle();
  expect(engine.attempts).toBe(2);
  release();
  await world.settle();
  expect(engine.written.map(({ events }) => events.length)).toEqual([1, ENOUGH, 2 * ENOUGH]);
  expect(statesOf(third)).toEqual(["resolved"]);
  expect((await world.events()).map(({ position }) => position)).toEqual(
    Array.from({ length: 1 + 3 * ENOUGH }, (_, index) => index + 1),
  );
});

test("commitFollowsTurns says how many turns that are; with one fewer they wait", async () => {
  const world = await World.start({ modules: [ledger], limits: { commitFollowsTurns: 3 } });
  await Promise.all(Array.from({ length: 4 }, (_, n) => world.runtime.state("ledger", `actor-${n}`)));
  const engine = at(world.engines, 0);
  const release = engine.hang();
  askMany(world, 0, 1);
  await world.settle();
  askMany(world, 1, 2);
  await world.settle();
  expect(engine.attempts).toBe(1);
  askMany(world, 3, 1);
  await world.settle();
  expect(engine.attempts).toBe(2);
  release();
  await world.settle();
  expect(engine.written.map(({ events }) => events.length)).toEqual([1, 3]);
});

// Would catch the rest of one commit's callers, who are told a moment later, being forgotten for the next one's.
test("all callers of two large commits that are answered at once are told", async () => {
  const world = await World.start({ modules: [ledger] });
  await Promise.all(Array.from({ length: 300 }, (_, n) => world.runtime.state("ledger", `actor-${n}`)));
  const release = at(world.engines, 0).hang();
  const asked = askMany(world, 0, 100);
  await world.settle();
  asked.push(...askMany(world, 100, 100));
  await world.settle();
  asked.push(...askMany(world, 200, 100));
  await world.settle();
  release();
  await world.settle();
  expect(statesOf(asked)).toEqual(["resolved"]);
});

// Would catch an acknowledgement that stands on a commit whose own answer has not come.
test("when the first commit is lost, so is the second, and whoever waits for either is told", async () => {
  const { world, release, first, second } = await twoOnTheirWay(["before"]);
  release();
  await world.settle();
  expect(codesOf([...first, ...second])).toEqual(["store-unavailable"]);
  expect(await world.events()).toEqual([]);
  expect(await world.runtime.ask(ledger.ref("actor-3").add({ n: 1 }))).toMatchObject({
    version: 1,
    position: 1,
  });
});

test("when only the answer to the first commit is lost, both are acknowledged", async () => {
  const { world, engine, release, first, second } = await twoOnTheirWay(["after"]);
  release();
  await world.settle();
  expect(statesOf([...first, ...second])).toEqual(["resolved"]);
  expect(engine.written.map(({ events }) => events.length)).toEqual([1, ENOUGH]);
  expect(await world.runtime.ask(ledger.ref("actor-3").add({ n: 1 }))).toMatchObject({
    version: 2,
    position: ENOUGH + 2,
  });
});

test("when the second commit is lost, the first is acknowledged, and the shard goes on from it", async () => {
  const { world, release, first, second } = await twoOnTheirWay(["ok", "before"]);
  const open = askMany(world, 40, 3);
  await world.settle();
  release();
  await world.settle();
  expect(statesOf(first)).toEqual(["resolved"]);
  expect(codesOf([...second, ...open])).toEqual(["store-unavailable"]);
  expect(await world.events()).toHaveLength(1);
  expect(await world.runtime.ask(ledger.ref("actor-3").add({ n: 1 }))).toMatchObject({
    version: 1,
    position: 2,
  });
});

test("when another holder comes between two commits, the first is acknowledged and the second is not", async () => {
  const { world, release, first, second } = await twoOnTheirWay(["ok", "fenced"]);
  release();
  await world.settle();
  expect(statesOf(first)).toEqual(["resolved"]);
  expect(codesOf(second)).toEqual(["not-owner"]);
  expect(await codeOf(world.runtime.ask(ledger.ref("actor-3").add({ n: 1 })))).toBe("not-owner");
});

test("a shard that is closed with two commits on their way waits for both", async () => {
  const { world, release, first, second } = await twoOnTheirWay();
  const stopping = watch(world.runtime.stop());
  await world.settle();
  expect(stopping.state).toBe("waiting");
  release();
  await world.settle();
  expect([stopping.state, ...statesOf([...first, ...second])]).toEqual(["resolved", "resolved"]);
});

// Would catch turns that wait for room in a commit, and are not told that there is some.
test("more commands that change nothing than a commit takes are all answered", async () => {
  const world = await World.start({ modules: [ledger], limits: { commitTurnsMax: 4 } });
  await Promise.all(Array.from({ length: 20 }, (_, n) => world.runtime.state("ledger", `actor-${n}`)));
  const looks = Array.from({ length: 20 }, (_, n) => ledger.ref(`actor-${n}`).look({}));
  const asked = looks.map((look) => watch(world.runtime.ask(look)));
  await world.settle();
  expect(statesOf(asked)).toEqual(["resolved"]);
});

// Would catch one that is told that another process has the shard, though what it did is on disk.
test("a commit behind one that is only to be confirmed is acknowledged when it was there before a takeover", async () => {
  const database = openLibsqlDatabase({ url: "file::memory:" });
  const names = { name: "memory", shard: 0, shards: 1, isFile: false, isShared: true };
  const { engine } = await openShardStore(database, names);
  const confirming = Promise.withResolvers<Head>();
  const gone = new UnavailableError("no answer, as planned");
  const shared: ShardEngine = {
    isShared: true,
    acquire: () => engine.acquire(),
    head: () => confirming.promise,
    recover: (lost) => engine.recover(lost),
    append: (expected, commit) => engine.append(expected, commit).then(() => Promise.reject(gone)),
    read: (from, options) => engine.read(from, options),
  };
  const told: string[] = [];
  const clock = new VirtualClock();
  const owner: CommitterOwner = {
    committed: () => {},
    ready: () => {},
    changed: () => {},
    fenced: ({ code }) => told.push(`shard ${code}`),
    lost: () => Promise.resolve(told.push("reloaded")).then(() => {}),
  };
  const world = { shard: 0, clock, now: () => clock.now(), ids: seededIds(1), limits: defaultLimits };
  const committer = new Committer(shared, owner, world, await engine.acquire());
  const release = (name: string) => ({
    durable: () => void told.push(`${name} durable`),
    lost: ({ code }: FolioError) => void told.push(`${name} ${code}`),
  });
  committer.open.releases.push(release("read"));
  committer.flushSoon();
  await clock.settle();
  committer.open.checkpoints.push(["reactor", 1]);
  committer.open.releases.push(release("written"));
  committer.open.turns = ENOUGH;
  committer.flushSoon();
  await clock.settle();
  committer.open.releases.push(release("open"));
  await new LocalEngine(database).acquire();
  confirming.reject(gone);
  await clock.settle();
  expect(told).toEqual(["read durable", "written durable", "open not-owner", "shard not-owner"]);
});

// Would catch a shard that waits for ever: the reading of what is on disk for somebody who only wants to be
// confirmed, who waits until the shard is open again, which is when that has been read.
test("while a shard is loaded again, what has joined is on disk, whoever waits to be confirmed", async () => {
  const database = openLibsqlDatabase({ url: "file::memory:" });
  const names = { name: "memory", shard: 0, shards: 1, isFile: false, isShared: true };
  const { engine } = await openShardStore(database, names);
  const head = await engine.acquire();
  const clock = new VirtualClock();
  const told: string[] = [];
  engine.append = () => Promise.reject(new UnavailableError("no answer, as planned"));
  const owner: CommitterOwner = {
    committed: () => {},
    ready: () => {},
    changed: () => {},
    fenced: () => {},
    lost: async () => {
      committer.confirmed().then(() => told.push("confirmed"));
      await committer.flushed();
      told.push("loaded");
    },
  };
  const world = { shard: 0, clock, now: () => clock.now(), ids: seededIds(1), limits: defaultLimits };
  const committer = new Committer(engine, owner, world, head);
  committer.open.checkpoints.push(["reactor", 1]);
  committer.flushSoon();
  await clock.settle();
  expect(told).toEqual(["loaded", "confirmed"]);
  expect(committer.isAccepting).toBe(true);
});

// Would catch one that takes the answer to the first commit for that to the second.
test("a commit is acknowledged by its own answer, not by that of the one before", async () => {
  const database = openLibsqlDatabase({ url: "file::memory:" });
  const { engine } = await openShardStore(database, { name: "memory", shard: 0, shards: 1, isFile: false });
  const head = await engine.acquire();
  const clock = new VirtualClock();
  const told: string[] = [];
  const answers: PromiseWithResolvers<number>[] = [];
  engine.append = () => {
    const answer = Promise.withResolvers<number>();
    answers.push(answer);
    return answer.promise;
  };
  const nothing = () => {};
  const owner = {
    committed: nothing,
    ready: nothing,
    changed: nothing,
    fenced: nothing,
    lost: () => Promise.resolve(),
  };
  const world = { shard: 0, clock, now: () => clock.now(), ids: seededIds(1), limits: defaultLimits };
  const committer = new Committer(engine, owner, world, head);
  for (const name of ["first", "second"]) {
    committer.open.checkpoints.push(["reactor", 1]);
    committer.open.releases.push({ durable: () => void told.push(name), lost: nothing });
    committer.open.turns = ENOUGH;
    committer.flushSoon();
    await clock.settle();
  }
  at(answers, 0).resolve(1);
  await clock.settle();
  expect(told).toEqual(["first"]);
  at(answers, 1).resolve(2);
  await clock.settle();
  expect(told).toEqual(["first", "second"]);
});

// Would catch any way in which commits, answers and recoveries cross that is not thought of above.
test("whatever becomes of commits on their way, who was answered is on disk and who was not is not", async () => {
  const fault = fc.constantFrom<Fault>("ok", "ok", "before", "after");
  const faults = fc.array(fault, { minLength: 1, maxLength: 8 });
  const bursts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(faults, bursts, fc.nat({ max: 2 }), async (planned, sizes, headFailures) => {
      const world = await World.start({ modules: [ledger] });
      const count = sizes.reduce((sum, size) => sum + size, 0);
      await Promise.all(Array.from({ length: count }, (_, n) => world.runtime.state("ledger", `actor-${n}`)));
      const engine = at(world.engines, 0);
      engine.plan(...planned);
      engine.headFailures = headFailures;
      const release = engine.hang();
      const asked: Asked = [];
      for (const size of sizes) {
        asked.push(...askMany(world, asked.length, size));
        await world.settle();
      }
      release();
      await world.clock.advance("1m");
      const kept = new Set((await world.events()).map(({ actor }) => actor));
      for (const [index, { state, error }] of asked.entries()) {
        expect(state).toBe(kept.has(`ledger/actor-${index}`) ? "resolved" : "rejected");
        if (state === "rejected") expect(error).toMatchObject({ code: "store-unavailable" });
      }
      engine.calm();
      const { ok, version } = await world.runtime.ask(ledger.ref("last").add({ n: 1 }));
      expect({ ok, version }).toEqual({ ok: true, version: 1 });
      const positions = (await world.events()).map(({ position }) => position);
      expect(positions).toEqual(positions.map((_, index) => index + 1));
    }),
    { numRuns: 150 },
  );
});
