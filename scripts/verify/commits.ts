import { defaultLimits } from "../../src/config.ts";
import type { Commit } from "../../src/store/commit.ts";
import { type Findings, parsed } from "./findings.ts";
import type { CheckedShard } from "./streams.ts";

/** The newest commits of a shard, oldest first. */
export type Kept = ReadonlyMap<number, readonly Commit[]>;

/** The file is whole, says what it is, and its commits follow each other. @returns Those that are kept. */
export async function checkFile(shard: CheckedShard, findings: Findings): Promise<readonly Commit[]> {
  const { database, name } = shard;
  const damage = (await database.execute({ sql: "PRAGMA integrity_check(5)" })).map(([text]) => String(text));
  if (damage.join() !== "ok") {
    for (const text of damage) findings.add("file", name, text.replaceAll("\n", " "));
  }
  const meta = new Map(
    (await database.execute({ sql: "SELECT key, value FROM meta" })).map(([k, v]) => [k, v]),
  );
  const epoch = Number(meta.get("epoch"));
  if (!Number.isSafeInteger(epoch) || epoch < 0) {
    findings.add("meta", name, `its epoch is ${meta.get("epoch")}`);
  }
  const rows = await database.execute({ sql: "SELECT idx, epoch, id, at, body FROM commits ORDER BY idx" });
  const commits: Commit[] = [];
  for (const [index, [idx, itsEpoch, id, at, body]] of rows.entries()) {
    findings.count("commits kept");
    const where = `commit ${idx} of ${name}`;
    const commit = parsed(body)?.value as Commit | undefined;
    const before = commits.at(-1);
    if (
      !commit || commit.index !== idx || commit.id !== id || commit.epoch !== itsEpoch || commit.at !== at
    ) {
      findings.add("commits", where, "its body is not that of its row");
      continue;
    }
    if (index > 0 && before && before.index !== commit.index - 1) {
      findings.add("commits", where, `it comes after ${before.index}`);
    }
    if (before && before.epoch > commit.epoch) findings.add("commits", where, "its epoch goes back");
    if (commit.epoch > epoch) {
      findings.add("commits", where, `its epoch ${commit.epoch} is not of this store, ${epoch}`);
    }
    commits.push(commit);
  }
  return commits;
}

/** What the kept commits say they have written is what the tables hold. */
export async function checkApplied(
  shard: CheckedShard,
  commits: readonly Commit[],
  findings: Findings,
): Promise<void> {
  const seen = new Set<string>();
  let prunedBefore = -Infinity;
  for (const commit of commits.toReversed()) {
    const where = `commit ${commit.index} of ${shard.name}`;
    prunedBefore = Math.max(prunedBefore, commit.prune?.handledBefore ?? -Infinity);
    if (commit.events.length > 0) {
      const rows = await shard.database.execute({
        sql: `SELECT position, actor, version, type, schema_version, payload, at, message_id, correlation_id,
            causation_id FROM events WHERE position IN (SELECT value FROM json_each(?)) ORDER BY position`,
        args: [JSON.stringify(commit.events.map(([position]) => position))],
      });
      const held = new Map(rows.map((row) => [row[0], JSON.stringify(row)]));
      for (const event of commit.events) {
        if (held.get(event[0]) !== JSON.stringify(event)) {
          findings.add("commits", where, `its event at position ${event[0]} is another one in the log`);
        }
      }
    }
    for (const message of commit.messages) {
      const key = `${message[1]} ${message[2]}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const row = await messageRow(shard, message[1], message[2]);
      const wasPruned = message[15] !== null && message[15] < prunedBefore;
      if (!row && !wasPruned) findings.add("commits", where, `its message ${key} is not there`);
      if (row && (row[0] !== message[0] || row[1] !== message[10] || row[2] !== message[16])) {
        findings.add("commits", where, `its message ${key} is ${row[1]} in the mailbox, not ${message[10]}`);
      }
    }
  }
}

async function messageRow(shard: CheckedShard, id: string, actor: string) {
  const [row] = await shard.database.execute({
    sql: `SELECT seq, status, outcome FROM messages WHERE id = ? AND actor = ?`,
    args: [id, actor],
  });
  return row;
}

/**
 * What was sent to another shard, as far as the commits kept tell: it waits in the outbox, or has arrived. What
 * has arrived and was handled is forgotten after its retention.
 */
export async function checkBetween(
  shards: readonly CheckedShard[],
  kept: Kept,
  findings: Findings,
): Promise<void> {
  for (const shard of shards) {
    const commits = kept.get(shard.number) ?? [];
    const relayed = new Set(commits.flatMap((commit) => commit.relayed));
    const waiting = new Set(
      (await shard.database.execute({ sql: "SELECT seq FROM outbox" })).map(([seq]) => Number(seq)),
    );
    for (const commit of commits) {
      for (const [seq, target, text] of commit.outbox) {
        findings.count("messages between shards");
        if (waiting.has(seq)) continue;
        const { id, actor } = JSON.parse(text) as { id: string; actor: string };
        const where = `message ${id} to ${actor}`;
        if (!relayed.has(seq)) {
          findings.add("between shards", where, `it has left ${shard.name}, and never arrived`);
        }
        const receiver = shards[target];
        if (!receiver) findings.add("between shards", where, `there is no shard ${target}`);
        else if (!await messageRow(receiver, id, actor) && !isForgotten(commit.at, kept.get(target) ?? [])) {
          findings.add(
            "between shards",
            where,
            `${shard.name} has sent it, and ${receiver.name} does not have it`,
          );
        }
      }
    }
  }
}

/** Whether what was sent at a time may have been handled and forgotten since. */
function isForgotten(sentAt: number, commits: readonly Commit[]): boolean {
  if (commits.some(({ prune }) => prune && prune.handledBefore > sentAt)) return true;
  const newest = commits.at(-1)?.at ?? 0;
  return newest > sentAt + defaultLimits.handledRetentionMs;
}
