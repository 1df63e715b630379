/**
 * Applying commits is deterministic: any database that is given the same commits holds the same rows, namely
 * those that a few lines of plain JavaScript say it must hold.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Commit } from "../../src/store/commit.ts";
import { commitsKept } from "../../src/store/commits.ts";
import type { EventRow } from "../../src/store/events.ts";
import { LocalEngine } from "../../src/store/engine.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import type { MessageRow } from "../../src/store/messages.ts";
import type { OutboxRow } from "../../src/store/outbox.ts";
import { openShardStore } from "../../src/store/shard_store.ts";
import type { SnapshotRow } from "../../src/store/snapshots.ts";
import { commitOf, dump, eventRow, queuedMessage } from "./databases.ts";

const actors = ["thing/a", "thing/b", "other/a"];

/** What the rows of one commit are made of, before they are put in their places. */
const plan = fc.record({
  events: fc.array(fc.nat(actors.length - 1), { maxLength: 4 }),
  messages: fc.array(
    fc.record({
      id: fc.nat(6),
      actor: fc.nat(actors.length - 1),
      status: fc.constantFrom<MessageRow[10][]>("queued", "retrying", "done", "rejected", "dead"),
      handledAt: fc.option(fc.nat(4)),
      isMoved: fc.boolean(),
    }),
    { maxLength: 5 },
  ),
  outbox: fc.nat(3),
  relayed: fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 3 }),
  snapshots: fc.array(fc.tuple(fc.nat(actors.length - 1), fc.nat(9)), { maxLength: 2 }),
  prune: fc.option(fc.record({ handledBefore: fc.nat(5), limit: fc.integer({ min: 1, max: 3 }) })),
});
type Plan = typeof plan extends fc.Arbitrary<infer Value> ? Value : never;

const actorOf = (index: number) => actors[index] ?? "thing/a";

/** The tables of a shard, as plain maps by primary key. */
class Model {
  readonly events: EventRow[] = [];
  readonly messages = new Map<string, MessageRow>();
  readonly outbox = new Map<number, OutboxRow>();
  readonly snapshots = new Map<string, SnapshotRow>();
  readonly commits: Commit[] = [];
  #messageSeq = 0;
  #outboxSeq = 0;

  /** A commit that fits behind those before it. */
  commit(plan: Plan): Commit {
    const events = plan.events.map((actor, n) => {
      const earlier = this.events.filter((row) => row[1] === actorOf(actor)).length;
      const inThis = plan.events.slice(0, n).filter((other) => other === actor).length;
      const version = earlier + inThis + 1;
      return eventRow(this.events.length + n + 1, { actor: actorOf(actor), version });
    });
    const seqs = new Map([...this.messages].map(([key, row]) => [key, row[0]]));
    const messages = plan.messages.map(({ id, actor, status, handledAt, isMoved }) => {
      const key = `m${id} ${actorOf(actor)}`;
      const known = isMoved ? undefined : seqs.get(key);
      const seq = known ?? ++this.#messageSeq;
      seqs.set(key, seq);
      return queuedMessage(seq, {
        id: `m${id}`,
        actor: actorOf(actor),
        command: `c${seq}`,
        status,
        handledAt,
      });
    });
    const outbox = Array.from({ length: plan.outbox }, (): OutboxRow => [++this.#outboxSeq, 1, "{}"]);
    const snapshots = plan.snapshots.map((
      [actor, version],
    ): SnapshotRow => [actorOf(actor), version, "f", "{}"]);
    const { relayed, prune } = plan;
    return commitOf(this.commits.length + 1, { events, messages, outbox, relayed, snapshots, prune });
  }

  apply(commit: Commit): void {
    this.commits.push(commit);
    this.events.push(...commit.events);
    for (const row of commit.messages) {
      const key = `${row[1]} ${row[2]}`;
      const before = this.messages.get(key);
      // The command and the causes are of the first time; the rest is of the last.
      this.messages.set(key, before ? row.with(3, before[3]) as MessageRow : row);
    }
    for (const row of commit.outbox) this.outbox.set(row[0], row);
    for (const seq of commit.relayed) this.outbox.delete(seq);
    for (const row of commit.snapshots) this.snapshots.set(row[0], row);
    if (commit.prune) {
      const { handledBefore, limit } = commit.prune;
      [...this.messages]
        .filter(([, row]) => row[15] !== null && row[15] < handledBefore)
        .sort(([, a], [, b]) => Number(a[15]) - Number(b[15]) || a[0] - b[0])
        .slice(0, limit)
        .forEach(([key]) => this.messages.delete(key));
    }
  }

  dump(): Record<string, unknown[]> {
    const bySeq = <Row extends readonly [seq: number, ...unknown[]]>(rows: Map<unknown, Row>) =>
      [...rows.values()].sort((a, b) => a[0] - b[0]);
    return {
      commits: this.commits.slice(-commitsKept).map((commit) => [
        ...[commit.index, commit.epoch, commit.id, commit.at, JSON.stringify(commit), null],
      ]),
      events: this.events,
      messages: bySeq(this.messages),
      outbox: bySeq(this.outbox),
      snapshots: [...this.snapshots].sort(([a], [b]) => a < b ? -1 : 1).map(([, row]) => row),
    };
  }
}

async function openShard() {
  const database = openLibsqlDatabase({ url: "file::memory:" });
  await openShardStore(database, { name: "test.db", shard: 0, shards: 1, isFile: false });
  const engine = new LocalEngine(database);
  await engine.acquire();
  return { database, engine };
}

// Would catch SQL that reads a clock or makes a random number, or rows whose order decides what they become.
test("databases that are given the same commits hold the same rows, those of the model", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { maxLength: 12 }), async (plans) => {
      const model = new Model();
      const leader = await openShard();
      for (const [n, plan] of plans.entries()) {
        const commit = model.commit(plan);
        await leader.engine.append(n, commit);
        model.apply(commit);
      }
      const expected = model.dump();
      expect(await dump(leader.database)).toMatchObject(expected);

      const follower = await openShard();
      for await (const commit of leader.engine.read(1)) {
        await follower.engine.append(commit.index - 1, commit);
      }
      expect(await dump(follower.database)).toEqual(await dump(leader.database));
      await Promise.all([leader.database.close(), follower.database.close()]);
    }),
    { numRuns: 100 },
  );
});
