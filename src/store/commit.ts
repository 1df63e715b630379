import { type ArchivedRow, moveToArchive } from "./archive.ts";
import { type CheckpointRow, upsertCheckpoints } from "./checkpoints.ts";
import type { Statement } from "./database.ts";
import { type EventRow, insertEvents } from "./events.ts";
import { type BuriedRow, buryMessages, type MessageRow, pruneMessages, upsertMessages } from "./messages.ts";
import { deleteOutbox, insertOutbox, type OutboxRow } from "./outbox.ts";
import { type SnapshotRow, upsertSnapshots } from "./snapshots.ts";
import { deleteTimers, type TimerKey, type TimerRow, upsertTimers } from "./timers.ts";
import { changeWebhookSecrets, type WebhookSecretsRow } from "./webhooks.ts";

/**
 * All that many turns of one shard change, as one plain JSON value: it can be applied here, or shipped and
 * applied elsewhere. Clock, ids and chance are in it, so that applying it is deterministic.
 */
export interface Commit {
  /** Place in the shard's order of commits: the one before plus one. */
  readonly index: number;
  /** Which holder of the shard made it. */
  readonly epoch: number;
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly events: readonly EventRow[];
  /** Messages as they are after this commit. */
  readonly messages: readonly MessageRow[];
  /** Messages that become dead letters, where the store takes nothing else of them. */
  readonly buried?: readonly BuriedRow[] | undefined;
  readonly outbox: readonly OutboxRow[];
  /** Outbox entries that have arrived. */
  readonly relayed: readonly number[];
  readonly snapshots: readonly SnapshotRow[];
  /** Timers that are set, or set anew. */
  readonly timers: readonly TimerRow[];
  /** Timers that have fired or were cancelled. */
  readonly timersGone: readonly TimerKey[];
  /** How far reactors have come. */
  readonly checkpoints: readonly CheckpointRow[];
  /** Secrets of webhooks, where any are kept or forgotten. */
  readonly webhookSecrets?: readonly WebhookSecretsRow[] | undefined;
  /** Actors whose events, up to a version, are in the archive, where they were copied before this commit was made. */
  readonly archived?: readonly ArchivedRow[] | undefined;
  /** Forget up to `limit` messages handled before a time. */
  readonly prune: { readonly handledBefore: number; readonly limit: number } | null;
}

/** The statements that carry out a commit. */
export function apply(commit: Commit): Statement[] {
  const statements: Statement[] = [
    ...insertEvents(commit.events),
    ...upsertMessages(commit.messages),
    ...(commit.buried ? [buryMessages(commit.buried)] : []),
    ...insertOutbox(commit.outbox),
  ];
  if (commit.relayed.length > 0) statements.push(deleteOutbox(commit.relayed));
  statements.push(...upsertSnapshots(commit.snapshots), ...upsertTimers(commit.timers));
  if (commit.timersGone.length > 0) statements.push(deleteTimers(commit.timersGone));
  statements.push(...upsertCheckpoints(commit.checkpoints));
  if (commit.webhookSecrets) statements.push(...changeWebhookSecrets(commit.webhookSecrets));
  if (commit.archived) statements.push(...moveToArchive(commit.archived));
  if (commit.prune) statements.push(pruneMessages(commit.prune.handledBefore, commit.prune.limit));
  return statements;
}
