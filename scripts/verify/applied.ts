import type { SqlValue } from "../../src/store/database.ts";
import type { Commit } from "../../src/store/commit.ts";
import { webhookCheckpoint } from "../../src/store/webhooks.ts";
import type { Findings } from "./findings.ts";
import type { CheckedShard } from "./streams.ts";

/**
 * What the kept commits say they have written is what the tables hold.
 *
 * @param commits Oldest first.
 */
export async function checkApplied(
  shard: CheckedShard,
  commits: readonly Commit[],
  findings: Findings,
): Promise<void> {
  const newestFirst = commits.toReversed();
  await checkEvents(shard, newestFirst, findings);
  await checkMessages(shard, newestFirst, findings);
  await checkTimers(shard, newestFirst, findings);
  await checkOutbox(shard, newestFirst, findings);
  await checkCheckpoints(shard, newestFirst, findings);
}

/** Position in the mailbox, status and outcome of a message; undefined where there is none. */
export async function messageRow(shard: CheckedShard, id: string, actor: string) {
  const [row] = await shard.database.execute({
    sql: `SELECT seq, status, outcome FROM messages WHERE id = ? AND actor = ?`,
    args: [id, actor],
  });
  return row;
}

async function checkEvents(shard: CheckedShard, commits: readonly Commit[], findings: Findings) {
  for (const commit of commits) {
    if (commit.events.length === 0) continue;
    const rows = await shard.database.execute({
      sql: `SELECT position, actor, version, type, schema_version, payload, at, message_id, correlation_id,
          causation_id FROM events WHERE position IN (SELECT value FROM json_each(?)) ORDER BY position`,
      args: [JSON.stringify(commit.events.map(([position]) => position))],
    });
    const held = new Map(rows.map((row) => [row[0], JSON.stringify(row)]));
    for (const event of commit.events) {
      if (held.get(event[0]) === JSON.stringify(event)) continue;
      findings.add(
        "commits",
        placeOf(shard, commit),
        `its event at position ${event[0]} is another one in the log`,
      );
    }
  }
}

async function checkMessages(shard: CheckedShard, commits: readonly Commit[], findings: Findings) {
  const seen = new Set<string>();
  let prunedBefore = -Infinity;
  for (const commit of commits) {
    const where = placeOf(shard, commit);
    prunedBefore = Math.max(prunedBefore, commit.prune?.handledBefore ?? -Infinity);
    // In the order opposite to that in which a commit is applied.
    for (const [id, actor] of commit.buried ?? []) {
      const key = `${id} ${actor}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const [, status] = await messageRow(shard, id, actor) ?? [];
      if (status === "dead") continue;
      findings.add("commits", where, `its message ${key} is ${status ?? "nowhere"} in the mailbox, not dead`);
    }
    for (const message of commit.messages) {
      const key = `${message[1]} ${message[2]}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const row = await messageRow(shard, message[1], message[2]);
      const wasPruned = message[15] !== null && message[15] < prunedBefore;
      if (!row && !wasPruned) findings.add("commits", where, `its message ${key} is not there`);
      if (row && (row[0] !== message[0] || row[1] !== message[10])) {
        findings.add("commits", where, `its message ${key} is ${row[1]} in the mailbox, not ${message[10]}`);
      } else if (row && row[2] !== message[16]) {
        findings.add("commits", where, `its message ${key} has another outcome in the mailbox`);
      }
    }
  }
}

async function checkTimers(shard: CheckedShard, commits: readonly Commit[], findings: Findings) {
  const seen = new Set<string>();
  for (const commit of commits) {
    const where = placeOf(shard, commit);
    const isNews = (actor: string, name: string) => seen.size < seen.add(`${actor}\n${name}`).size;
    const held = (actor: string, name: string) =>
      one(shard, `SELECT id, due_at, message FROM timers WHERE actor = ? AND name = ?`, actor, name);
    // In the order opposite to that in which a commit is applied.
    for (const [actor, name] of commit.timersGone) {
      if (!isNews(actor, name) || !await held(actor, name)) continue;
      findings.add("commits", where, `it has ended the timer ${name} of ${actor}, which is still there`);
    }
    for (const [actor, name, ...timer] of commit.timers) {
      if (!isNews(actor, name)) continue;
      const row = await held(actor, name);
      if (!row) findings.add("commits", where, `its timer ${name} of ${actor} is not there`);
      else if (JSON.stringify(row) !== JSON.stringify(timer)) {
        findings.add("commits", where, `its timer ${name} of ${actor} is another one`);
      }
    }
  }
}

/** Of what is missing, `checkBetween` finds out whether it has arrived. */
async function checkOutbox(shard: CheckedShard, commits: readonly Commit[], findings: Findings) {
  const seen = new Set<number>();
  for (const commit of commits) {
    const where = placeOf(shard, commit);
    const isNews = (seq: number) => seen.size < seen.add(seq).size;
    const held = (seq: number) => one(shard, `SELECT shard, message FROM outbox WHERE seq = ?`, seq);
    for (const seq of commit.relayed) {
      if (isNews(seq) && await held(seq)) {
        findings.add("commits", where, `it has let go of outbox ${seq}, which is still there`);
      }
    }
    for (const [seq, ...message] of commit.outbox) {
      const row = isNews(seq) ? await held(seq) : undefined;
      if (row && JSON.stringify(row) !== JSON.stringify(message)) {
        findings.add("commits", where, `its outbox ${seq} is another message`);
      }
    }
  }
}

async function checkCheckpoints(shard: CheckedShard, commits: readonly Commit[], findings: Findings) {
  const seen = new Set<string>();
  for (const commit of commits) {
    for (const [webhook, secrets] of commit.webhookSecrets ?? []) {
      if (secrets === null) seen.add(webhookCheckpoint(webhook));
    }
    for (const [reactor, position] of commit.checkpoints) {
      if (seen.has(reactor)) continue;
      seen.add(reactor);
      const [held = "nowhere"] =
        await one(shard, `SELECT position FROM checkpoints WHERE reactor = ?`, reactor) ??
          [];
      if (held === position) continue;
      findings.add(
        "commits",
        placeOf(shard, commit),
        `its reactor ${reactor} is at ${held}, not ${position}`,
      );
    }
  }
}

async function one({ database }: CheckedShard, sql: string, ...args: SqlValue[]) {
  const [row] = await database.execute({ sql, args });
  return row;
}

function placeOf({ name }: CheckedShard, { index }: Commit): string {
  return `commit ${index} of ${name}`;
}
