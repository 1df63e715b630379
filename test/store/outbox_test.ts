import { expect, test } from "vitest";
import { countOutbox, type OutboxRow, readOutbox, readOutboxOldest } from "../../src/store/outbox.ts";
import { commitOf, openStore } from "./databases.ts";

/** Five messages on their way to shards 1 and 2. */
const rows = [1, 2, 1, 1, 2].map((
  shard,
  n,
): OutboxRow => [n + 1, shard, `{"id":"m${n + 1}","enqueuedAt":${500 - n}}`]);

async function openOutbox() {
  const { engine, database } = await openStore();
  await engine.acquire();
  await engine.append(0, commitOf(1, { outbox: rows }));
  return { engine, database };
}

// Would catch messages from one sender to one actor changing places on their way to another shard.
test("what waits for a shard is read in the order sent, page by page", async () => {
  const { database } = await openOutbox();
  const read = async (shard: number, after: number, limit: number) =>
    (await readOutbox(database, { shard, after, limit, bytesMax: 10_000 })).items
      .map(({ seq, message }) => `${seq} ${message.id}`);
  expect(await read(1, 0, 10)).toEqual(["1 m1", "3 m3", "4 m4"]);
  expect(await read(1, 0, 2)).toEqual(["1 m1", "3 m3"]);
  expect(await read(1, 3, 2)).toEqual(["4 m4"]);
  expect(await read(2, 0, 10)).toEqual(["2 m2", "5 m5"]);
  expect(await read(3, 0, 10)).toEqual([]);
});

test("what has arrived waits no longer, whichever shard it was for", async () => {
  const { engine, database } = await openOutbox();
  expect(await countOutbox(database)).toBe(5);
  expect(await readOutboxOldest(database)).toBe(500);
  await engine.append(1, commitOf(2, { relayed: [1, 2, 4, 99] }));
  expect(await countOutbox(database)).toBe(2);
  expect(await readOutboxOldest(database)).toBe(498);
  await engine.append(2, commitOf(3, { relayed: [3, 5] }));
  expect(await countOutbox(database)).toBe(0);
  expect(await readOutboxOldest(database)).toBeUndefined();
});
