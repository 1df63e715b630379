import { defaultLimits } from "../../src/config.ts";
import type { Commit } from "../../src/store/commit.ts";
import { commitsKept } from "../../src/store/commits.ts";
import { messageRow } from "./applied.ts";
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
  const [first, newest] = [Number(rows[0]?.[0] ?? 0), Number(rows.at(-1)?.[0] ?? 0)];
  if (first > Math.max(1, newest - commitsKept + 1)) {
    findings.add("commits", `commit ${first} of ${name}`, `none before it is kept, and ${commitsKept} are`);
  }
  await checkEnd(shard, commits, findings);
  return commits;
}

/** The log ends where the newest commit with events has left it. */
async function checkEnd(
  { database, name }: CheckedShard,
  commits: readonly Commit[],
  findings: Findings,
): Promise<void> {
  const [row] = await database.execute({ sql: "SELECT coalesce(max(position), 0) FROM events" });
  const last = Number(row?.[0]);
  if (commits.length === 0 && last > 0) {
    findings.add("commits", name, "none is kept, and there are events");
  }
  const written = commits.findLast(({ events }) => events.length > 0)?.events.at(-1)?.[0];
  if (written !== undefined && written < last) {
    findings.add("commits", name, `they end at position ${written}, and the log goes on to ${last}`);
  }
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
