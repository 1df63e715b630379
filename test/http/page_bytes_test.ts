/** Pages end at a bound in bytes, and whoever follows them sees everything once. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { actor, command, projection, query, reactor } from "../../src/mod.ts";
import { ledger } from "../support/actors.ts";
import { expectProblem, serve, type Served } from "./support.ts";

/** Emits events whose payloads are of so many bytes. */
const pile = actor("pile", {
  initialState: () => ({ count: 0 }),
  events: { Laid: z.string() },
  evolve: { Laid: ({ count }) => ({ count: count + 1 }) },
  commands: {
    lay: command(z.array(z.int()), (turn, sizes) => {
      for (const size of sizes) turn.emit("Laid", "x".repeat(size - 2));
    }),
  },
});

const laid = projection("laid", {
  version: 1,
  from: [pile],
  tables: [`CREATE TABLE laid (version INTEGER NOT NULL)`],
  on: { "pile/Laid": (write, { version }) => write(`INSERT INTO laid VALUES (?)`, [version]) },
  queries: {
    all: query(z.object({}), z.object({ version: z.int() }), () => [
      `SELECT version FROM laid ORDER BY rowid`,
    ]),
  },
});
const copy = reactor("copy", {
  from: [pile],
  startFrom: "beginning",
  on: { "pile/Laid": (react, { version }) => react.send(ledger.ref("copy").add({ n: version })) },
});

/** Bytes of a page that all but the tests of the bound itself use. */
const PAGE = 1_000;
const limits = { pageBytesMax: PAGE, livePageBytesMax: PAGE };
const sizes = [10, 400, 590, 999, 1_000, 1_001, 10, 5_000, 10, 10, 500, 500, 2_000, 3, 999];

async function piled(shards: number, given: Parameters<typeof serve>[0] = {}): Promise<Served> {
  const server = await serve({ shards, limits, ...given, modules: [pile, ...given.modules ?? []] });
  for (const key of ["a", "b", "c"]) {
    for (const size of sizes) {
      await server.post(`/actors/pile/${key}/lay`, [size]);
      await server.clock.advance(1);
    }
  }
  return server;
}

type Seen = { actor: string; version: number; payload: string };
const bytesOf = (events: Seen[]) => events.reduce((sum, { payload }) => sum + payload.length + 2, 0);
const countOf = (seen: readonly Seen[], key: string) =>
  seen.filter(({ actor }) => actor === `pile/${key}`).map(({ version }) => version);
const versions = sizes.map((_, index) => index + 1);

describe("pageBytesMax", () => {
  test("a page ends before the event with which it would be more; one that alone is more comes alone", async () => {
    const server = await serve({ limits, modules: [pile] });
    await server.post("/actors/pile/p/lay", [400, 600, 1, 1, 1_200, 3].map((size) => Math.max(size, 2)));
    const pages: number[][] = [];
    let after = 0;
    for (let hasMore = true; hasMore;) {
      const { body } = await server.get(`/actors/pile/p/events?after=${after}`);
      pages.push(body.events.map(({ version }: Seen) => version));
      ({ next: after, hasMore } = body);
    }
    expect(pages).toEqual([[1, 2], [3, 4], [5], [6]]);
    const whole = await serve({ limits: { pageBytesMax: 400 + 600 + 2 + 2 + 1_200 + 3 }, modules: [pile] });
    await whole.post("/actors/pile/p/lay", [400, 600, 2, 2, 1_200, 3]);
    expect((await whole.get("/actors/pile/p/events")).body).toMatchObject({ next: 6, hasMore: false });
  });

  test.each([1, 4])("by default 1,000 small events are one page, %i shards", async (shards) => {
    const server = await serve({ shards, modules: [pile] });
    await server.post("/actors/pile/p/lay", Array(1_000).fill(500));
    const { body } = await server.get("/actors/pile/p/events?limit=1000");
    expect([body.events.length, body.hasMore]).toEqual([1_000, false]);
  });

  test.each([1, 4])("whoever follows next sees every event once, in order, %i shards", async (shards) => {
    const server = await piled(shards);
    for (const limit of [1, 2, 7, 1_000]) {
      const seen: Seen[] = [];
      let after = "";
      for (let hasMore = true; hasMore;) {
        const { body } = await server.get(`/events?limit=${limit}&after=${after}`);
        const { events } = body;
        expect(events.length).toBeLessThanOrEqual(limit);
        // Each shard gives one at least.
        if (shards === 1 && events.length > 1) expect(bytesOf(events)).toBeLessThanOrEqual(PAGE);
        seen.push(...events);
        ({ next: after, hasMore } = body);
      }
      for (const key of ["a", "b", "c"]) expect(countOf(seen, key), `limit ${limit}`).toEqual(versions);
      const times = (seen as unknown as { at: string }[]).map(({ at }) => at);
      expect(times).toEqual(times.toSorted());
    }
  });

  test("the state of the past, and of an actor that is loaded again, is made of all its events", async () => {
    const server = await piled(1);
    expect((await server.get("/actors/pile/a?version=15")).body.state).toEqual({ count: 15 });
    expect((await server.get("/actors/pile/a?version=9")).body.state).toEqual({ count: 9 });
    await server.clock.advance("10m"); // passivated
    const { body } = await server.get("/actors/pile/a");
    expect([body.version, body.state]).toEqual([15, { count: 15 }]);
  });

  test.each([1, 4])("projections and reactors see every event once, in order, %i shards", async (shards) => {
    const server = await serve({ shards, limits, modules: [pile, laid, copy] });
    await server.post("/actors/pile/a/lay", sizes);
    const position = `${server.runtime.shardOf("pile/a").number}.${sizes.length}`;
    const all = async () => {
      const asked = server.get("/projections/laid/all", { "folio-at-least": position });
      await server.clock.advance(100);
      return (await asked).body.rows.map(({ version }: Seen) => version);
    };
    expect(await all()).toEqual(versions);
    await server.post("/projections/laid/rebuild");
    await server.clock.advance("1m");
    expect(await all()).toEqual(versions);
    const { body } = await server.get("/actors/ledger/copy/events");
    expect(body.events.map(({ payload }: { payload: { n: number } }) => payload.n)).toEqual(versions);
  });
});

describe("livePageBytesMax", () => {
  test.each([1, 4])("a live reader sees every event once, in order, %i shards", async (shards) => {
    const server = await piled(shards);
    const log = await server.live("/events");
    const seen = (await log.events(3 * sizes.length)).map(({ data }) => data as Seen);
    for (const key of ["a", "b", "c"]) expect(countOf(seen, key)).toEqual(versions);
    const stream = await server.live("/actors/pile/b/events");
    expect(countOf((await stream.events(sizes.length)).map(({ data }) => data), "b")).toEqual(versions);
  });
});

describe("dead letters", () => {
  const letters = async (server: Served, query = "") => {
    const pages: string[][] = [];
    let after = "";
    for (let hasMore = true; hasMore;) {
      const { body } = await server.get(`/dead-letters?${query}&after=${after || "0.0"}`);
      pages.push(body.deadLetters.map(({ id }: { id: string }) => id));
      ({ next: after = "", hasMore } = body);
    }
    return pages;
  };

  test.each([1, 4])(
    "of long inputs are on many pages, each once, and all redriven at once, %i shards",
    async (shards) => {
      const server = await serve({ shards, attemptsMax: 1, limits: { pageBytesMax: 3_000 } });
      const ids = Array.from({ length: 12 }, (_, n) => `m${n}`);
      for (const [n, id] of ids.entries()) {
        const label = `${n} ${"x".repeat(n % 3 === 0 ? 2_000 : 10)}`;
        server.faults.failures.set(label, 1);
        const headers = { "idempotency-key": id, prefer: "respond-async" };
        await server.post(`/actors/worker/w${n % 5}/work`, { label }, headers);
        await server.settled(id);
      }
      const pages = await letters(server);
      expect(pages.length).toBeGreaterThan(3);
      expect(pages.flat().toSorted()).toEqual(ids.toSorted());
      expect((await letters(server, "limit=1")).flat().toSorted()).toEqual(ids.toSorted());
      const { body } = await server.post("/dead-letters/redrive", { limit: 5 });
      expect(body).toEqual({ redriven: 5, hasMore: true });
      expect((await server.post("/dead-letters/redrive", {})).body).toEqual({ redriven: 7, hasMore: false });
      expect((await letters(server)).flat()).toEqual([]);
      expectProblem(await server.get("/dead-letters?after=x"), 400, "malformed");
    },
  );
});
