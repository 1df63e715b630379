import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Database } from "../../src/store/database.ts";
import {
  type EventRow,
  eventsOf,
  readEventsOfCorrelation,
  readEventsOfMessage,
  readLog,
  readStream,
  streamsOf,
  type WantedStream,
} from "../../src/store/events.ts";
import { readMostlyShortPage, readPage } from "../../src/store/page.ts";
import { selectSnapshots, snapshotOf, type SnapshotRow } from "../../src/store/snapshots.ts";
import { commitOf, eventRow, openStore } from "./databases.ts";

async function databaseWith(events: EventRow[], snapshots: SnapshotRow[] = []): Promise<Database> {
  const { engine, database } = await openStore();
  await engine.acquire();
  await engine.append(0, commitOf(1, { events, snapshots }));
  return database;
}

/** Three actors whose events lie between each other: a1 b1 a2 c1 a3 b2. */
const log = ["a", "b", "a", "c", "a", "b"].map((name, n, names) =>
  eventRow(n + 1, {
    actor: `thing/${name}`,
    version: names.slice(0, n + 1).filter((other) => other === name).length,
    type: n % 2 === 0 ? "Even" : "Odd",
  })
);

describe("streamsOf", () => {
  const read = async (database: Database, wanted: WantedStream[], limit = 100) =>
    eventsOf(0, (await readMostlyShortPage(database, streamsOf(wanted), { limit, bytesMax: 10_000 })).items)
      .map(({ actor, version }) => `${actor.slice(-1)}${version}`);

  test("gives the events of each actor after a version, in the order the actors were asked for", async () => {
    const database = await databaseWith(log);
    expect(await read(database, [["thing/b", 0, "f"], ["thing/a", 1, "f"]])).toEqual([
      "b1",
      "b2",
      "a2",
      "a3",
    ]);
    expect(await read(database, [["thing/a", 3, "f"], ["thing/x", 0, "f"], ["thing/c", 0, "f"]])).toEqual([
      "c1",
    ]);
    expect(await read(database, [])).toEqual([]);
  });

  // Would catch a cold start that reads all that the snapshot was made to spare, or worse, applies it twice.
  test("begins behind a usable snapshot, or behind the version asked for if that is later", async () => {
    const database = await databaseWith(log, [["thing/a", 2, "now", "{}"]]);
    expect(await read(database, [["thing/a", 0, "now"]])).toEqual(["a3"]);
    expect(await read(database, [["thing/a", 1, "now"]])).toEqual(["a3"]);
    expect(await read(database, [["thing/a", 3, "now"]])).toEqual([]);
  });

  // Would catch the state of older code being taken for that of the present one.
  test("takes no account of a snapshot with another fingerprint, or of another actor", async () => {
    const database = await databaseWith(log, [["thing/a", 2, "old", "{}"], ["thing/b", 2, "now", "{}"]]);
    expect(await read(database, [["thing/a", 0, "now"]])).toEqual(["a1", "a2", "a3"]);
    expect(await read(database, [["thing/a", 0, "now"], ["thing/b", 0, "now"]])).toEqual(["a1", "a2", "a3"]);
  });

  test("gives no more than a limit, and the same events first as without it", async () => {
    const database = await databaseWith(log, [["thing/a", 1, "f", "{}"]]);
    const wanted: WantedStream[] = [["thing/a", 0, "f"], ["thing/c", 0, "f"], ["thing/b", 0, "f"]];
    const all = await read(database, wanted);
    expect(all).toEqual(["a2", "a3", "c1", "b1", "b2"]);
    for (let limit = 1; limit <= all.length; limit++) {
      expect(await read(database, wanted, limit)).toEqual(all.slice(0, limit));
    }
  });

  // Would catch actors in the order of the text of their places (0, 1, 10, 11, 2): the loader goes on from the
  // last actor of a full page, and would never read those in between.
  test("keeps the order of more than ten actors, and of one asked for twice", async () => {
    const actors = Array.from({ length: 25 }, (_, n) => `thing/${n}`);
    const database = await databaseWith(actors.map((actor, n) => eventRow(n + 1, { actor, version: 1 })));
    const wanted = actors.toReversed().map((actor): WantedStream => [actor, 0, "f"]);
    const { items } = await readPage(database, streamsOf(wanted), { limit: 100, bytesMax: 10_000 });
    const events = eventsOf(0, items);
    expect(events.map(({ actor }) => actor)).toEqual(actors.toReversed());
  });

  test("uses the same snapshots that selectSnapshots gives", async () => {
    const database = await databaseWith(log, [["thing/a", 2, "now", `{"n":2}`], [
      "thing/b",
      1,
      "old",
      `{"n":1}`,
    ]]);
    const wanted: WantedStream[] = [["thing/a", 0, "now"], ["thing/b", 0, "now"], ["thing/c", 0, "now"]];
    const rows = await database.execute(selectSnapshots(wanted));
    expect(rows.map(snapshotOf)).toEqual([{ actor: "thing/a", version: 2, state: { n: 2 } }]);
  });
});

describe("readLog", () => {
  const read = async (database: Database, query: Partial<Parameters<typeof readLog>[2]>) =>
    (await readLog(database, 0, { after: 0, upTo: 100, limit: 100, bytesMax: 10_000, ...query })).events
      .map(({ position }) => position);

  test("gives the events of a window: after a position, up to another, no more than a limit", async () => {
    const database = await databaseWith(log);
    expect(await read(database, {})).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await read(database, { after: 2, upTo: 5 })).toEqual([3, 4, 5]);
    expect(await read(database, { after: 2, limit: 2 })).toEqual([3, 4]);
    expect(await read(database, { after: 6 })).toEqual([]);
    expect(await read(database, { after: 4, upTo: 4 })).toEqual([]);
  });

  test("gives the events of one type, and looks no further than the window for them", async () => {
    const database = await databaseWith(log);
    expect(await read(database, { types: ["Odd"] })).toEqual([2, 4, 6]);
    expect(await read(database, { types: ["Odd"], after: 2, upTo: 5 })).toEqual([4]);
    expect(await read(database, { types: ["Odd"], limit: 1 })).toEqual([2]);
    expect(await read(database, { types: ["odd"] })).toEqual([]);
  });

  // Would catch a reader that sees an event twice, or not at all, at the edge of a page.
  test("gives everything once, window by window", async () => {
    const database = await databaseWith(Array.from({ length: 40 }, (_, n) => eventRow(n + 1)));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 40 }), async (size, to) => {
        const seen: number[] = [];
        for (let page = 0; page * size < to; page++) {
          seen.push(...await read(database, { after: seen.at(-1) ?? 0, upTo: to, limit: size }));
        }
        expect(seen).toEqual(Array.from({ length: to }, (_, n) => n + 1));
      }),
    );
  });
});

test("readStream gives one actor's events after a version, oldest first, up to a limit", async () => {
  const database = await databaseWith(log);
  const read = async (after: number, limit: number) =>
    (await readStream(database, 3, { actor: "thing/a", after, limit, bytesMax: 10_000 })).items
      .map(({ version }) => version);
  expect([await read(0, 9), await read(1, 9), await read(0, 2), await read(3, 9)]).toEqual([
    [1, 2, 3],
    [2, 3],
    [1, 2],
    [],
  ]);
  const query = { actor: "thing/b", after: 1, limit: 1, bytesMax: 10_000 };
  const { items: [event] } = await readStream(database, 3, query);
  expect(event).toEqual({
    ...{
      shard: 3,
      position: 6,
      actor: "thing/b",
      version: 2,
      type: "Odd",
      schemaVersion: 1,
      payload: { n: 6 },
    },
    ...{ at: 1_000, messageId: "message-6", correlationId: "message-6", causationId: undefined },
  });
});

// A correlation id that is the message's own id is not stored; it must be found none the less.
test("events are found by the message that emitted them, and by what it all began with", async () => {
  const [root = eventRow(1), other = eventRow(2), ...rest] = log;
  const caused: EventRow = [...rest[0] ?? eventRow(3)].with(8, "message-1").with(9, "message-1") as EventRow;
  const same: EventRow = eventRow(4, { actor: "thing/z", version: 1, messageId: "message-1" });
  const database = await databaseWith([root, other, caused, same]);
  const byMessage = await readEventsOfMessage(database, 0, "message-1");
  expect(byMessage.map(({ position }) => position)).toEqual([1, 4]);
  const query = { correlationId: "message-1", limit: 10, bytesMax: 10_000 };
  const { items: byCorrelation } = await readEventsOfCorrelation(database, 0, query);
  expect(
    byCorrelation.map(({ position, correlationId, causationId }) => [position, correlationId, causationId]),
  ).toEqual([
    ...[[1, "message-1", undefined], [3, "message-1", "message-1"], [4, "message-1", undefined]],
  ]);
  expect((await readEventsOfCorrelation(database, 0, { ...query, limit: 2 })).items).toHaveLength(2);
  expect((await readEventsOfCorrelation(database, 0, { ...query, correlationId: "message-3" })).items)
    .toEqual([]);
});
