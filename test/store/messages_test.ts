import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Database } from "../../src/store/database.ts";
import {
  countPrunable,
  type DeadLetterFilter,
  type MessageRow,
  messagesOf,
  readDeadLetters,
  readMessagesById,
  readMessagesOfCorrelation,
  readPending,
  selectMessages,
} from "../../src/store/messages.ts";
import { commitOf, openStore, queuedMessage } from "./databases.ts";

async function databaseWith(messages: MessageRow[]): Promise<Database> {
  const { engine, database } = await openStore();
  await engine.acquire();
  await engine.append(0, commitOf(1, { messages }));
  return database;
}

const start = { deliverAt: -1, seq: 0 };
const all = { limit: 100, bytesMax: 10_000 };

describe("readPending", () => {
  const read = async (database: Database, page: Partial<Parameters<typeof readPending>[2]>) =>
    (await readPending(database, 0, { after: start, deliverBefore: 1_000, ...all, ...page })).items
      .map(({ seq }) => seq);

  // Would catch messages being handled in another order after a restart than they were sent in.
  test("gives what is due in mailbox order: by time of delivery, then of admission", async () => {
    const deliverAt = [300, 100, 200, 100, 1_000, 1_001];
    const database = await databaseWith(deliverAt.map((at, n) => queuedMessage(n + 1, { deliverAt: at })));
    expect(await read(database, {})).toEqual([2, 4, 3, 1, 5]);
    expect(await read(database, { deliverBefore: 100 })).toEqual([2, 4]);
    expect(await read(database, { deliverBefore: 99 })).toEqual([]);
  });

  test("gives what is queued or to be retried, and nothing that is over", async () => {
    const database = await databaseWith([
      queuedMessage(1),
      queuedMessage(2, { status: "retrying", attempts: 1 }),
      queuedMessage(3, { status: "done", handledAt: 5 }),
      queuedMessage(4, { status: "rejected", handledAt: 5 }),
      queuedMessage(5, { status: "dead" }),
    ]);
    expect(await read(database, {})).toEqual([1, 2]);
  });

  // Would catch a page that begins with what the one before ended with, or skips its equals in time.
  test("gives everything once, page by page, whatever the size of a page", async () => {
    const times = fc.array(fc.nat(5), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(times, fc.integer({ min: 1, max: 5 }), async (times, limit) => {
        const database = await databaseWith(times.map((at, n) => queuedMessage(n + 1, { deliverAt: at })));
        const seen: number[] = [];
        let after = start;
        const query = { deliverBefore: 5, ...all, limit };
        for (let page = 0; page * limit < times.length; page++) {
          const { items: records } = await readPending(database, 0, { ...query, after });
          seen.push(...records.map(({ seq }) => seq));
          after = records.at(-1) ?? after;
        }
        expect((await readPending(database, 0, { ...query, after })).items).toEqual([]);
        const expected = times.map((at, n) => ({ at, seq: n + 1 })).sort((a, b) =>
          a.at - b.at || a.seq - b.seq
        );
        expect(seen).toEqual(expected.map(({ seq }) => seq));
        await database.close();
      }),
      { numRuns: 50 },
    );
  });
});

describe("readDeadLetters", () => {
  const failedWith = (...errors: string[]) => errors.map((error, n) => ({ attempt: n + 1, at: n, error }));
  const openLetters = () =>
    databaseWith([
      queuedMessage(1, { status: "dead", actor: "thing/a", failures: failedWith("Error: disk full") }),
      queuedMessage(2, {
        status: "dead",
        actor: "thing/a/b",
        command: "take",
        failures: failedWith("TypeError: x"),
      }),
      queuedMessage(3, {
        status: "dead",
        actor: "thing-2/a",
        failures: failedWith("Error: disk full", "no"),
      }),
      queuedMessage(4, {
        status: "dead",
        actor: "thin/a",
        command: "take",
        failures: failedWith("no", "100% %_'"),
      }),
      queuedMessage(5, {
        status: "dead",
        actor: "thing/a",
        handledAt: 5,
        failures: failedWith("Error: disk full"),
      }),
      queuedMessage(6, { status: "retrying", actor: "thing/a", failures: failedWith("Error: disk full") }),
      queuedMessage(7, { status: "dead", actor: "thing/a" }),
    ]);

  test.each<[string, DeadLetterFilter, number[]]>([
    ["no filter: all that nobody has dealt with", {}, [1, 2, 3, 4, 7]],
    ["a type, and not those whose names begin alike", { type: "thing" }, [1, 2, 7]],
    ["a type that is unknown", { type: "thing/a" }, [2]],
    ["an actor, by its whole name", { actor: "thing/a" }, [1, 7]],
    ["a command", { command: "take" }, [2, 4]],
    ["text of the last error, not of those before", { error: "disk full" }, [1]],
    ["letters of the last error as they are, not as a pattern", { error: "% %_'" }, [4]],
    ["upper and lower case apart", { error: "DISK" }, []],
    ["all of several filters", { type: "thing", command: "add", error: "disk" }, [1]],
  ])("filters by %s", async (_, filter, expected) => {
    const letters = await readDeadLetters(await openLetters(), 0, { ...filter, after: 0, ...all });
    expect(letters.items.map(({ seq }) => seq)).toEqual(expected);
  });

  test("gives everything once, page by page, in order of admission", async () => {
    const database = await openLetters();
    const page = async (after: number, limit: number) =>
      (await readDeadLetters(database, 0, { after, ...all, limit })).items.map(({ seq }) => seq);
    expect([await page(0, 2), await page(2, 2), await page(4, 2), await page(7, 2)]).toEqual([
      [1, 2],
      [3, 4],
      [7],
      [],
    ]);
  });
});

describe("looking messages up", () => {
  const openLookups = () =>
    databaseWith([
      queuedMessage(1, { id: "x", actor: "thing/a" }),
      queuedMessage(2, { id: "x", actor: "thing/b" }),
      queuedMessage(3, { id: "y", actor: "thing/a" }),
    ]);
  const seqs = (records: { seq: number }[]) => records.map(({ seq }) => seq).sort();

  // Would catch the reply to one actor's message being given to another actor's of the same id.
  test("finds a message by id and actor together", async () => {
    const database = await openLookups();
    const wanted = [["x", "thing/b"], ["y", "thing/b"], ["y", "thing/a"], ["z", "thing/a"]] as const;
    const [rows = []] = await database.batch([selectMessages(wanted)], "read");
    expect(seqs(messagesOf(0, rows))).toEqual([2, 3]);
    expect(await database.execute(selectMessages([]))).toEqual([]);
  });

  test("finds all messages with one id, and all with one correlation id up to a limit", async () => {
    const database = await openLookups();
    expect(seqs(await readMessagesById(database, 0, "x"))).toEqual([1, 2]);
    expect(await readMessagesById(database, 0, "z")).toEqual([]);
    const correlated = (limit: number) =>
      readMessagesOfCorrelation(database, 0, { correlationId: "c-x", limit });
    expect((await correlated(9)).map(({ seq }) => seq)).toEqual([1, 2]);
    expect((await correlated(1)).map(({ seq }) => seq)).toEqual([1]);
  });

  test("says which shard a message was read from", async () => {
    const database = await openLookups();
    expect(await readMessagesById(database, 3, "y")).toMatchObject([{ shard: 3, id: "y", input: { n: 3 } }]);
  });
});

test("countPrunable counts what was handled before a time, up to a limit", async () => {
  const handledAt = [10, 20, null, 30];
  const database = await databaseWith(handledAt.map((at, n) => queuedMessage(n + 1, { handledAt: at })));
  const counts = [[10, 9], [11, 9], [31, 9], [31, 2]] as const;
  expect(await Promise.all(counts.map(([before, limit]) => countPrunable(database, before, limit)))).toEqual(
    [0, 1, 3, 2],
  );
});
