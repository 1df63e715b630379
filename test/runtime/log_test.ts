import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogPage } from "../../src/runtime/log_reader.ts";
import { ledger, names, sender } from "../support/actors.ts";
import { at, World } from "../support/world.ts";

async function filled(shards: number, limits = {}): Promise<World> {
  const world = await World.start({ modules: [ledger, sender], shards, limits });
  const keys = names(9);
  for (let n = 0; n < 60; n++) {
    await world.runtime.ask(ledger.ref(at(keys, (n * n) % 9)).add({ n }));
    if (n % 7 === 0) await world.runtime.ask(sender.ref(`s${n}`).fanOut({ to: [] }));
    if (n % 3 === 0) await world.clock.advance(1);
  }
  return world;
}

/** All pages, read one after the other, with no more of them than there can be. */
async function readAll(world: World, limit: number, type?: string): Promise<LogPage[]> {
  const pages: LogPage[] = [];
  let after: LogPage["next"] = new Map();
  for (let hasMore = true; hasMore;) {
    const page = await world.runtime.readLog({ after, limit, type });
    pages.push(page);
    if (pages.length > 200) throw new Error("The log has no end");
    ({ next: after, hasMore } = page);
  }
  return pages;
}

describe.each([1, 4])("with %i shards", (shards) => {
  // Would catch an event that a reader never sees, or sees twice.
  test("the pages together are exactly the log, each shard in order and without a gap", async () => {
    const world = await filled(shards);
    const all = await world.events();
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 80 }), async (limit) => {
        const pages = await readAll(world, limit);
        for (const { events } of pages) expect(events.length).toBeLessThanOrEqual(limit);
        const read = pages.flatMap(({ events }) => events);
        for (let shard = 0; shard < shards; shard++) {
          const positions = read.filter((event) => event.shard === shard).map(({ position }) => position);
          expect(positions).toEqual(
            all.filter((event) => event.shard === shard).map(({ position }) => position),
          );
          expect(positions).toEqual(positions.map((_, index) => index + 1));
        }
        expect(pages.at(-1)?.next).toEqual(world.runtime.positions());
      }),
      { numRuns: 25 },
    );
  });

  test("the token of any event begins the page behind it", async () => {
    const world = await filled(shards);
    const [page] = await readAll(world, 1_000);
    const events = page?.events ?? [];
    await fc.assert(
      fc.asyncProperty(fc.nat(events.length - 1), async (index) => {
        const after = world.runtime.parseToken(at(events, index).token);
        const rest = await world.runtime.readLog({ after, limit: 1_000 });
        expect(rest.events).toEqual(events.slice(index + 1));
      }),
      { numRuns: 25 },
    );
  });

  test("pages of one type are all events of that type, also where few positions may be looked through", async () => {
    const world = await filled(shards, { pageScanMax: 5 });
    const sent = (await world.events()).filter(({ type }) => type === "Sent");
    expect(sent.length).toBe(9);
    for (const limit of [1, 2, 100]) {
      const read = (await readAll(world, limit, "Sent")).flatMap(({ events }) => events);
      const order = (a: { shard: number; position: number }, b: typeof a) =>
        a.shard - b.shard || a.position - b.position;
      expect(read.map(({ shard, position }) => ({ shard, position })).sort(order))
        .toEqual(sent.map(({ shard, position }) => ({ shard, position })));
    }
  });

  test("an actor's events have versions without gaps, and times that never go back", async () => {
    const world = await filled(shards);
    world.clock.set(world.clock.now() - 3_600_000);
    await world.runtime.ask(ledger.ref("l0").add({ n: 1 }));
    await world.restart();
    await world.runtime.ask(ledger.ref("l0").add({ n: 1 }));
    const events = await world.events();
    for (const name of new Set(events.map(({ actor }) => actor))) {
      const versions = events.filter(({ actor }) => actor === name).map(({ version }) => version);
      expect(versions).toEqual(versions.map((_, index) => index + 1));
    }
    for (let shard = 0; shard < shards; shard++) {
      const times = events.filter((event) => event.shard === shard).map((event) => event.at);
      expect(times).toEqual([...times].sort((a, b) => a - b));
    }
  });

  test("what is not yet on disk is in no page", async () => {
    const world = await World.start({ modules: [ledger], shards });
    const release = world.engineOf("ledger/l0").hang();
    const ask = world.runtime.ask(ledger.ref("l0").add({ n: 1 }));
    await world.settle();
    expect((await world.runtime.readLog({ after: new Map(), limit: 10 })).events).toEqual([]);
    release();
    await ask;
    expect((await world.runtime.readLog({ after: new Map(), limit: 10 })).events).toHaveLength(1);
  });
});

// Would catch an event whose time lies before that of the one before it, after the clock was put right.
test("a clock that goes back between a turn and its commit, and a restart, do not turn back the log's time", async () => {
  const world = await World.start({ modules: [ledger], limits: { commitTurnsMax: 1 } });
  const release = at(world.engines, 0).hang();
  const first = world.runtime.ask(ledger.ref("a").add({ n: 1 }));
  await world.settle();
  world.clock.set(world.clock.now() + 100_000);
  const second = world.runtime.ask(ledger.ref("a").add({ n: 2 }));
  await world.settle();
  world.clock.set(world.clock.now() - 90_000);
  release();
  await Promise.all([first, second]);
  await world.restart();
  await world.runtime.ask(ledger.ref("a").add({ n: 3 }));
  const times = (await world.events()).map((event) => event.at);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});
