import fc from "fast-check";
import { expect, test } from "vitest";
import { invalidKeyReason } from "../../src/core/message.ts";
import { apply } from "../../src/store/commit.ts";
import { readStream } from "../../src/store/events.ts";
import { messageRow, readMessagesById } from "../../src/store/messages.ts";
import { readOutbox } from "../../src/store/outbox.ts";
import { selectSnapshots, snapshotOf } from "../../src/store/snapshots.ts";
import { commitOf, dump, eventRow, openStore, queuedMessage } from "./databases.ts";

test("a commit that changes nothing is no statement, and one that changes everything is a few", () => {
  expect(apply(commitOf(1))).toEqual([]);
  const statements = apply(commitOf(1, {
    events: Array.from({ length: 64 }, (_, n) => eventRow(n + 1)),
    messages: Array.from({ length: 16 }, (_, n) => queuedMessage(n + 1)),
    outbox: [[1, 1, "{}"]],
    relayed: [1, 2, 3],
    snapshots: Array.from({ length: 4 }, (_, n) => [`thing/${n}`, 1, "f", "{}"]),
    prune: { handledBefore: 1, limit: 1 },
  }));
  expect(statements).toHaveLength(6);
});

test("a commit with every kind of row changes exactly those rows", async () => {
  const { engine, database } = await openStore();
  await engine.acquire();
  const queued = queuedMessage(1);
  const older = queuedMessage(2, { status: "done", handledAt: 5 });
  const newer = queuedMessage(3, { status: "done", handledAt: 6 });
  await engine.append(
    0,
    commitOf(1, {
      events: [eventRow(1)],
      messages: [queued, older, newer],
      outbox: [[1, 1, `{"n":1}`], [2, 2, `{"n":2}`]],
      snapshots: [["thing/a", 1, "old", `{"n":1}`], ["thing/b", 9, "old", "9"]],
    }),
  );
  const handled = queuedMessage(1, { status: "done", attempts: 1, handledAt: 50 });
  const added = queuedMessage(4);
  await engine.append(
    1,
    commitOf(2, {
      events: [eventRow(2), eventRow(3, { actor: "thing/b", version: 1 })],
      messages: [handled, added],
      outbox: [[3, 1, `{"n":3}`]],
      relayed: [1, 7],
      snapshots: [["thing/a", 2, "new", `{"n":2}`], ["thing/c", 1, "new", "1"]],
      prune: { handledBefore: 50, limit: 1 },
    }),
  );
  expect(await dump(database)).toMatchObject({
    events: [eventRow(1), eventRow(2), eventRow(3, { actor: "thing/b", version: 1 })],
    messages: [handled, newer, added],
    outbox: [[2, 2, `{"n":2}`], [3, 1, `{"n":3}`]],
    snapshots: [
      ["thing/a", 2, "new", `{"n":2}`],
      ["thing/b", 9, "old", "9"],
      ["thing/c", 1, "new", "1"],
    ],
  });
});

// Would catch retention forgetting what has not been handled, or a reply that is still wanted.
test("pruning forgets what was handled before a time, the oldest first, and no more than it is told", async () => {
  const { engine, database } = await openStore();
  await engine.acquire();
  const handledAt = [30, 10, null, 20, 10, 40, null];
  const messages = handledAt.map((at, n) =>
    queuedMessage(n + 1, { status: at ? "done" : "queued", handledAt: at })
  );
  await engine.append(0, commitOf(1, { messages }));
  const seqsAfter = async (index: number, handledBefore: number, limit: number) => {
    await engine.append(index - 1, commitOf(index, { prune: { handledBefore, limit } }));
    return (await database.execute({ sql: `SELECT seq FROM messages ORDER BY seq` })).map(([seq]) => seq);
  };
  expect(await seqsAfter(2, 10, 100)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(await seqsAfter(3, 40, 1)).toEqual([1, 3, 4, 5, 6, 7]);
  expect(await seqsAfter(4, 40, 2)).toEqual([1, 3, 6, 7]);
  expect(await seqsAfter(5, 40, 100)).toEqual([3, 6, 7]);
});

test("secrets of webhooks are kept, changed and forgotten, with the checkpoint of theirs and no other", async () => {
  const { engine, database } = await openStore();
  await engine.acquire();
  await engine.append(
    0,
    commitOf(1, {
      webhookSecrets: [["a", "[1]"], ["b", "[2]"], ["c", "[3]"]],
      checkpoints: [["webhook:a", 1], ["webhook:b", 2], ["b", 3]],
    }),
  );
  await engine.append(1, commitOf(2, { webhookSecrets: [["a", "[4]"], ["b", null], ["nobody", null]] }));
  expect(await dump(database)).toMatchObject({
    webhook_secrets: [["a", "[4]"], ["c", "[3]"]],
    checkpoints: [["b", 3], ["webhook:a", 1]],
  });
});

// Would catch a redriven message losing the history of its first life.
test("a message that is there keeps who sent it, and takes on the rest", async () => {
  const { engine, database } = await openStore();
  await engine.acquire();
  const first = {
    ...{
      shard: 0,
      seq: 1,
      id: "m",
      actor: "thing/a",
      command: "add",
      input: { n: 1 },
      originalInput: undefined,
    },
    ...{
      correlationId: "c",
      causationId: "p",
      traceparent: "t",
      expectedVersion: "3",
      enqueuedAt: 10,
      deliverAt: 20,
      expiresAt: 60,
      replyTo: { actor: "thing/b", done: "told", failed: null, context: { step: 1 } },
    },
    ...{
      status: "queued" as const,
      attempts: 0,
      nextAttemptAt: null,
      handledAt: null,
      outcome: null,
      failures: [],
    },
  };
  await engine.append(0, commitOf(1, { messages: [messageRow(first)] }));
  expect(await readMessagesById(database, 0, "m")).toEqual([first]);
  const second = {
    ...first,
    ...{
      seq: 9,
      input: { n: 2 },
      originalInput: { n: 1 },
      deliverAt: 30,
      status: "rejected" as const,
      attempts: 4,
    },
    ...{ nextAttemptAt: 40, handledAt: 50, failures: [{ attempt: 1, at: 21, error: "Error: no" }] },
    outcome: {
      status: "rejected" as const,
      rejection: "full",
      details: { limit: 1 },
      version: 2,
      position: 0,
    },
  };
  await engine.append(1, commitOf(2, { messages: [messageRow(second)] }));
  expect(await readMessagesById(database, 0, "m")).toEqual([second]);
});

const MAX = Number.MAX_SAFE_INTEGER;

const value = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.constantFrom(
      "\0",
      "a\0b",
      "\\u0000",
      "😀",
      "\ud83d",
      "'\"`",
      "\u2028",
      "\ufeff",
      "-- ",
      "?1",
      "$[#-1]",
    ),
    fc.constantFrom(MAX, -MAX, 0.1, 1e300, 5e-324, true, null, []),
    fc.array(tie("json"), { maxLength: 3 }),
    fc.dictionary(fc.string({ unit: "binary", maxLength: 8 }), tie("json"), { maxKeys: 3 }),
  ),
})).json;
const key = fc.string({ unit: "binary", minLength: 1, maxLength: 20 }).filter((text) =>
  !invalidKeyReason(text)
);

// Would catch SQL or its JSON functions changing text on its way: a NUL that ends it, an escape undone twice.
test("what a commit holds comes out of its tables as it went in", async () => {
  await fc.assert(
    fc.asyncProperty(value, key, async (json, key) => {
      const { engine, database } = await openStore();
      await engine.acquire();
      const actor = `thing/${key}`;
      const failures = [{ attempt: 1, at: MAX, error: JSON.stringify(json) }];
      const commit = commitOf(1, {
        events: [eventRow(MAX, { actor, version: MAX, payload: json, at: MAX })],
        messages: [queuedMessage(MAX, { id: "m", actor, input: json, failures, deliverAt: MAX })],
        outbox: [[MAX, 1, JSON.stringify({ actor, input: json })]],
        snapshots: [[actor, MAX, key, JSON.stringify(json)]],
      });
      await engine.append(0, commit);
      const expected: unknown = JSON.parse(JSON.stringify(json));
      const [event] = await readStream(database, 0, { actor, after: 0, limit: 2 });
      expect(event).toMatchObject({ actor, position: MAX, version: MAX, at: MAX });
      expect(event?.payload).toEqual(expected);
      const [message] = await readMessagesById(database, 0, "m");
      expect(message).toMatchObject({ actor, seq: MAX, deliverAt: MAX, failures });
      expect(message?.input).toEqual(expected);
      const [sent] = await readOutbox(database, { shard: 1, after: 0, limit: 2 });
      expect(sent).toEqual({ seq: MAX, message: { actor, input: expected } });
      const [snapshot = []] = await database.execute(selectSnapshots([[actor, 0, key]]));
      expect(snapshotOf(snapshot)).toEqual({ actor, version: MAX, state: expected });
      expect(await engine.head()).toMatchObject({ position: MAX, messageSeq: MAX, outboxSeq: MAX });
      expect(await Array.fromAsync(engine.read(1))).toEqual([commit]);
      await database.close();
    }),
    { numRuns: 100 },
  );
});
