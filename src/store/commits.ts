import type { Commit } from "./commit.ts";
import type { Statement } from "./database.ts";

/**
 * The shard's order of commits. The newest bodies are kept for whoever follows the shard; older ones have
 * been applied here, and are dropped.
 */
export const createCommits = [
  `CREATE TABLE commits (
    idx INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL
  ) STRICT`,
];

/** Bodies of commits that are kept, at the least. */
export const commitsKept = 256;
/** Bodies dropped in one go. */
const commitsDropped = 64;

/**
 * The compare-and-set that opens every commit: succeeds only for the next index and the present epoch.
 * Otherwise `epoch` comes out as NULL, which the table refuses, and with it the whole transaction.
 */
export function insertCommit(commit: Commit, expected: number, chain: string | null = null): Statement {
  return {
    sql: `INSERT INTO commits VALUES (
      ?1, (SELECT value FROM meta WHERE key = 'epoch' AND value = ?2
           AND (SELECT coalesce(max(idx), 0) FROM commits) = ?3), ?4, ?5, ?6, ?7)`,
    args: [commit.index, commit.epoch, expected, commit.id, commit.at, JSON.stringify(commit), chain],
  };
}

/** How SQLite names the failed compare-and-set. */
export const fencedMessage = "NOT NULL constraint failed: commits.epoch";

/** Now and then, drops the bodies that nobody needs any more; each statement of a commit has its price. */
export function dropOldCommits(index: number): Statement[] {
  if (index % commitsDropped !== 0) return [];
  return [{ sql: `DELETE FROM commits WHERE idx <= ?`, args: [index - commitsKept] }];
}
