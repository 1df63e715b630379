import type { FolioError } from "../core/errors.ts";
import type { MessageRecord } from "../core/message.ts";
import type { ArchivedRow } from "../store/archive.ts";
import type { CheckpointRow } from "../store/checkpoints.ts";
import type { Commit } from "../store/commit.ts";
import type { EventRow } from "../store/events.ts";
import { type BuriedRow, messageRow } from "../store/messages.ts";
import type { OutboxRow } from "../store/outbox.ts";
import type { SnapshotRow } from "../store/snapshots.ts";
import { type Timer, timerRow } from "../store/timers.ts";
import type { WebhookSecretsRow } from "../store/webhooks.ts";
import type { Entry } from "./mailbox.ts";

/** Who is told what became of a commit. */
export interface Release {
  durable(): void;
  lost(error: FolioError): void;
}

/** A change that is alone in its commit: which of the commit's releases are its own, and who is told of a refusal. */
export interface OnlyChange {
  readonly first: number;
  readonly end: number;
  readonly refused: ((error: FolioError) => void) | undefined;
}

/** A commit while turns still join it. */
export class OpenCommit {
  readonly events: EventRow[] = [];
  /** Messages whose rows are written as they are when the commit is sealed. */
  readonly entries = new Set<Entry>();
  readonly outbox: OutboxRow[] = [];
  readonly relayed: number[] = [];
  readonly snapshots: SnapshotRow[] = [];
  readonly checkpoints: CheckpointRow[] = [];
  /** Messages that become dead letters without their rows being written anew. */
  readonly buried: BuriedRow[] = [];
  /** Timers as they are after this commit, by `timerKey`; undefined where there is none any more. */
  readonly timers = new Map<string, { actor: string; name: string; timer: Timer | undefined }>();
  readonly webhookSecrets: WebhookSecretsRow[] = [];
  readonly archived: ArchivedRow[] = [];
  prune: Commit["prune"] = null;
  readonly releases: Release[] = [];
  turns = 0;
  bytes = 0;
  /** What is kept or refused as one (`Unsent.change`): so many. */
  changes = 0;
  /** The first change. */
  only: OnlyChange | undefined;
  /** Cut off so that its change is alone. */
  isSingle = false;
  #cutOff: MessageRecord[] | undefined;

  get hasRows(): boolean {
    return this.events.length > 0 || this.entries.size > 0 || this.outbox.length > 0 ||
      this.relayed.length > 0 || this.snapshots.length > 0 || this.checkpoints.length > 0 ||
      this.timers.size > 0 || this.buried.length > 0 || this.webhookSecrets.length > 0 ||
      this.archived.length > 0 ||
      this.prune !== null;
  }

  /** Nothing joins any more: what comes of its messages before it is sent belongs to the commits behind it. */
  cutOff(shard: number): void {
    this.#cutOff = Array.from(this.entries, (entry) => {
      const record = entry.toRecord(shard);
      return { ...record, failures: [...record.failures] };
    });
  }

  /** As the engine takes it. */
  seal(place: Pick<Commit, "index" | "epoch" | "id" | "at">, shard: number): Commit {
    const timers = [...this.timers.values()];
    return {
      ...place,
      events: this.events,
      messages: this.#cutOff?.map((record) => messageRow(record)) ??
        Array.from(this.entries, (entry) => messageRow(entry.toRecord(shard), entry.inputJson)),
      outbox: this.outbox,
      relayed: this.relayed,
      snapshots: this.snapshots,
      timers: timers.flatMap(({ timer }) => timer ? [timerRow(timer)] : []),
      timersGone: timers.flatMap(({ actor, name, timer }) => timer ? [] : [[actor, name]]),
      checkpoints: this.checkpoints,
      ...(this.buried.length > 0 ? { buried: this.buried } : {}),
      ...(this.webhookSecrets.length > 0 ? { webhookSecrets: this.webhookSecrets } : {}),
      ...(this.archived.length > 0 ? { archived: this.archived } : {}),
      prune: this.prune,
    };
  }
}
