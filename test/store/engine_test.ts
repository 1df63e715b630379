import { describe, expect, test } from "vitest";
import type { Commit } from "../../src/store/commit.ts";
import { commitsKept } from "../../src/store/commits.ts";
import { FencedError, LocalEngine, type ShardEngine, UnavailableError } from "../../src/store/engine.ts";
import { RefusedError } from "../../src/store/refusal.ts";
import { commitOf, databaseKinds, dump, eventRow, openStore, queuedMessage } from "./databases.ts";

async function collect(commits: AsyncIterable<Commit>): Promise<Commit[]> {
  return await Array.fromAsync(commits);
}

async function appendAll(engine: ShardEngine, from: number, to: number): Promise<void> {
  for (let index = from; index <= to; index++) await engine.append(index - 1, commitOf(index));
}

describe.each(databaseKinds)("the engine on a database $kind", (kind) => {
  const openEngine = async () => {
    const store = await openStore(kind);
    return { ...store, head: await store.engine.acquire() };
  };

  test("starts before the first commit, in the first epoch", async () => {
    const { engine, head } = await openEngine();
    expect(head).toEqual({ index: 0, id: "", epoch: 1, position: 0, messageSeq: 0, outboxSeq: 0, at: 0 });
    expect(await engine.head()).toEqual(head);
  });

  test("appends a commit, gives its index, and moves the head to it", async () => {
    const { engine } = await openEngine();
    const first = commitOf(1, {
      at: 5_000,
      events: [eventRow(1), eventRow(2)],
      messages: [queuedMessage(7)],
      outbox: [[3, 1, "{}"]],
    });
    expect(await engine.append(0, first)).toBe(1);
    expect(await engine.append(1, commitOf(2, { at: 6_000 }))).toBe(2);
    const head = { index: 2, id: "commit-2", epoch: 1, position: 2, messageSeq: 7, outboxSeq: 3, at: 6_000 };
    expect(await engine.head()).toEqual(head);
    expect(await engine.acquire()).toEqual({ ...head, epoch: 2 });
  });

  // Would catch two committers of one epoch, or one that repeats itself: the log would hold a turn twice.
  test.each([0, 1, 3, 100])(
    "refuses a commit that expects index %i where 2 is the newest",
    async (expected) => {
      const { engine, database } = await openEngine();
      await appendAll(engine, 1, 2);
      const before = await dump(database);
      const commit = commitOf(expected + 1, {
        id: "late",
        events: [eventRow(1)],
        messages: [queuedMessage(1)],
      });
      await expect(engine.append(expected, commit)).rejects.toThrow(FencedError);
      expect(await dump(database)).toEqual(before);
    },
  );

  test("lets one of two commits with the same index through, and fences the other", async () => {
    const { engine, database } = await openEngine();
    const outcomes = await Promise.allSettled([
      engine.append(0, commitOf(1, { id: "one", events: [eventRow(1, { type: "One" })] })),
      engine.append(0, commitOf(1, { id: "other", events: [eventRow(1, { type: "Other" })] })),
    ]);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const refused = outcomes.find((outcome) => outcome.status === "rejected");
    expect(refused?.reason).toBeInstanceOf(FencedError);
    const { id } = await engine.head();
    const [[type] = []] = await database.execute({ sql: `SELECT type FROM events` });
    expect([id, type]).toEqual(outcomes[0].status === "fulfilled" ? ["one", "One"] : ["other", "Other"]);
  });

  // Would catch a shard that stops serving because a server was asked twice for a commit.
  test("a commit that is asked for once more counts as taken, even when the next one has been", async () => {
    const { engine } = await openEngine();
    await appendAll(engine, 1, 2);
    expect(await engine.append(1, commitOf(2))).toBe(2);
    expect(await engine.append(0, commitOf(1))).toBe(1);
    await expect(engine.append(0, { ...commitOf(1), id: "another" })).rejects.toThrow(FencedError);
    expect((await engine.head()).index).toBe(2);
  });

  // Would catch the fencing being a check beforehand: a process that was paused would write over its successor.
  test("fences the earlier holder of a shard that has been acquired again", async () => {
    const { engine: earlier, database } = await openEngine();
    await appendAll(earlier, 1, 1);
    const later = new LocalEngine(database);
    expect((await later.acquire()).epoch).toBe(2);
    const before = await dump(database);
    const stale = commitOf(2, {
      events: [eventRow(1)],
      messages: [queuedMessage(1)],
      outbox: [[1, 1, "{}"]],
    });
    await expect(earlier.append(1, stale)).rejects.toThrow(FencedError);
    expect(await dump(database)).toEqual(before);

    expect(await later.append(1, { ...stale, epoch: 2 })).toBe(2);
    await expect(earlier.append(2, commitOf(3))).rejects.toThrow(FencedError);
    expect((await earlier.head()).index).toBe(2);
  });

  // Would catch a commit that lands after its callers were told that it was lost.
  test("keeps a commit from landing late, once its holder has recovered", async () => {
    const { engine } = await openEngine();
    await appendAll(engine, 1, 1);
    const { id } = await engine.head();
    expect(await engine.recover()).toMatchObject({ index: 1, id, epoch: 2 });
    await expect(engine.append(1, commitOf(2))).rejects.toThrow(FencedError);
    expect(await engine.recover()).toMatchObject({ index: 1, epoch: 3 });
    expect(await engine.append(1, commitOf(2, { epoch: 3 }))).toBe(2);
  });

  // Would catch a caller who is told that another process has the shard, and whose command was done.
  test("tells a holder that was overtaken whether the commit it asks about is there", async () => {
    const { engine, database } = await openEngine();
    const { id } = commitOf(1);
    await engine.append(0, commitOf(1));
    const other = new LocalEngine(database);
    const { epoch } = await other.acquire();
    await other.append(1, { ...commitOf(2), epoch });
    const landed = async (...lost: { index: number; id: string }[]) => {
      const error: unknown = await engine.recover(lost).catch((error) => error);
      return error instanceof FencedError ? error.landed : undefined;
    };
    expect(await landed({ index: 1, id })).toBe(1);
    expect(await landed({ index: 1, id: "other" })).toBe(0);
    expect(await landed({ index: 3, id })).toBe(0);
    expect(await landed({ index: 1, id }, { index: 2, id: "mine" })).toBe(1);
    expect(await landed()).toBe(0);
    // The same commit once more: it is there already.
    expect(await engine.append(0, commitOf(1))).toBe(1);
  });

  // Would catch two processes that take the shard from each other for ever.
  test("does not give a shard back to a holder that recovers after another has taken it", async () => {
    const { engine, database } = await openEngine();
    const later = new LocalEngine(database);
    const { epoch } = await later.acquire();
    await expect(engine.recover()).rejects.toThrow(FencedError);
    expect(await later.head()).toMatchObject({ epoch });
    expect(await later.append(0, commitOf(1, { epoch }))).toBe(1);
  });

  // Would catch a gap in the order of commits, which no reader could ever get past.
  test.each([-1, 0, 1, 3, 4])("refuses a commit with index %i behind index 1", async (index) => {
    const { engine, database } = await openEngine();
    await appendAll(engine, 1, 1);
    const before = await dump(database);
    await expect(engine.append(1, commitOf(index, { id: "misplaced" }))).rejects.toThrow(RangeError);
    expect(await dump(database)).toEqual(before);
  });

  test("fences an epoch that has not come yet", async () => {
    const { engine } = await openEngine();
    await expect(engine.append(0, commitOf(1, { epoch: 2 }))).rejects.toThrow(FencedError);
    expect((await engine.head()).index).toBe(0);
  });

  // Would catch a commit that is half applied: events in the log whose message is handled once more.
  test("leaves nothing of a commit of which one statement fails, and goes on", async () => {
    const { engine, database } = await openEngine();
    await engine.append(0, commitOf(1, { events: [eventRow(1)], messages: [queuedMessage(1)] }));
    const before = await dump(database);
    const whole: Partial<Commit> = {
      events: [eventRow(2)],
      messages: [queuedMessage(1, { status: "done", handledAt: 9 }), queuedMessage(2)],
      outbox: [[1, 1, "{}"]],
      snapshots: [["thing/a", 2, "f", "{}"]],
    };
    const spoiled: Partial<Commit>[] = [
      { ...whole, events: [eventRow(2), eventRow(1)] },
      { ...whole, events: [eventRow(2), eventRow(3, { version: 2 })] },
      { ...whole, messages: [queuedMessage(2), queuedMessage(2, { id: "same seq" })] },
      { ...whole, messages: [queuedMessage(2), queuedMessage(3, { status: "running" })] },
      { ...whole, outbox: [[1, 1, "{}"], [1, 1, "{}"]] },
      { ...whole, snapshots: [["thing/a", 2, "f", "{}"], ["thing/b", 1.5, "f", "{}"]] },
    ];
    for (const changes of spoiled) {
      await expect(engine.append(1, commitOf(2, changes))).rejects.toThrow(RefusedError);
      expect(await dump(database)).toEqual(before);
    }
    expect(await engine.append(1, commitOf(2, whole))).toBe(2);
    expect((await engine.head()).position).toBe(2);
  });

  test("says that the store is unavailable when its database is closed", async () => {
    const { engine, database } = await openEngine();
    await database.close();
    await expect(engine.append(0, commitOf(1))).rejects.toThrow(UnavailableError);
  });

  test("reads commits back as they were appended, from any index on", async () => {
    const { engine } = await openEngine();
    const commits = Array.from({ length: 150 }, (_, n) => commitOf(n + 1, { events: [eventRow(n + 1)] }));
    for (const commit of commits) await engine.append(commit.index - 1, commit);
    expect(await collect(engine.read(1))).toEqual(commits);
    expect(await collect(engine.read(65))).toEqual(commits.slice(64));
    expect(await collect(engine.read(150))).toEqual(commits.slice(149));
    expect(await collect(engine.read(151))).toEqual([]);
  });

  // Would catch a follower that takes a gap for the whole, and has lost what was in it.
  test("refuses to read what has been dropped", async () => {
    const { engine } = await openEngine();
    await appendAll(engine, 1, commitsKept + 64);
    await expect(collect(engine.read(1))).rejects.toThrow(RangeError);
    await expect(collect(engine.read(64))).rejects.toThrow(
      "Cannot read commits from 64: the oldest one kept is 65",
    );
    const kept = await collect(engine.read(65));
    expect(kept.map(({ index }) => index)).toEqual(Array.from({ length: commitsKept }, (_, n) => n + 65));
  });
});

describe("a follower", () => {
  const openFollowed = async () => {
    const { engine } = await openStore();
    await engine.acquire();
    const controller = new AbortController();
    const follow = (from: number) => engine.read(from, { follow: true, signal: controller.signal });
    return { engine, controller, follow };
  };

  test("gets what is there, then each commit as it is made, and ends when told to", async () => {
    const { engine, controller, follow } = await openFollowed();
    await appendAll(engine, 1, 2);
    const commits = follow(1)[Symbol.asyncIterator]();
    const nextIndex = async () => (await commits.next()).value?.index;
    expect([await nextIndex(), await nextIndex()]).toEqual([1, 2]);
    for (let index = 3; index <= 5; index++) {
      const waiting = nextIndex();
      await appendAll(engine, index, index);
      expect(await waiting).toBe(index);
    }
    const waiting = commits.next();
    controller.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  test("misses nothing of what is made while it is busy", async () => {
    const { engine, controller, follow } = await openFollowed();
    const seen: number[] = [];
    const following = (async () => {
      for await (const commit of follow(1)) {
        seen.push(commit.index);
        if (commit.index % 10 === 1) await appendAll(engine, commit.index + 1, commit.index + 10);
        if (commit.index === 101) controller.abort();
      }
    })();
    await appendAll(engine, 1, 1);
    await following;
    expect(seen).toEqual(Array.from({ length: 101 }, (_, n) => n + 1));
  });

  test("waits for an index that is still to come", async () => {
    const { engine, follow } = await openFollowed();
    const first = follow(3)[Symbol.asyncIterator]().next();
    await appendAll(engine, 1, 3);
    expect((await first).value?.index).toBe(3);
  });

  // Would catch a listener being put on a signal that has already fired: the follower would wait for a commit
  // that never comes, and the process not end.
  test("ends when it is told to while it works on a commit, without another commit", async () => {
    const { engine, controller, follow } = await openFollowed();
    await appendAll(engine, 1, 2);
    const seen: number[] = [];
    for await (const commit of follow(1)) {
      seen.push(commit.index);
      if (commit.index === 2) controller.abort();
    }
    expect(seen).toEqual([1, 2]);
  });

  test("that is told to end before it begins gets nothing", async () => {
    const { engine, controller, follow } = await openFollowed();
    await appendAll(engine, 1, 2);
    controller.abort();
    expect(await collect(follow(1))).toEqual([]);
  });
});
