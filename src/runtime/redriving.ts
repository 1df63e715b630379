import { FolioError } from "../core/errors.ts";
import type { MessageRecord } from "../core/message.ts";
import { readMessagesById } from "../store/messages.ts";
import type { ShardStore } from "../store/shard_store.ts";
import type { Admission } from "./admission.ts";
import type { Committer } from "./committer.ts";
import { Entry } from "./mailbox.ts";
import { inProgress } from "./pending.ts";
import type { Recorder } from "./recorder.ts";
import type { Refusals } from "./refusals.ts";
import type { Serving } from "./serving.ts";
import type { World } from "./world.ts";

/** What redriving needs of its shard. */
export interface RedrivingOwner {
  readonly world: World;
  readonly store: ShardStore;
  readonly committer: Committer;
  readonly recorder: Recorder;
  readonly refusals: Refusals;
  readonly serving: Serving;
  readonly admission: Admission;
}

/** Takes dead letters up again: puts them back, or ends them. */
export class Redriving {
  constructor(private readonly owner: RedrivingOwner) {}

  /**
   * Puts a dead letter back into its mailbox, at the end, with its attempts forgotten.
   *
   * @param input An edited input, already checked; undefined for the one it has.
   * @throws {FolioError} `message-in-progress` when somebody else is at it; or as `submit` does.
   */
  async redrive(record: MessageRecord, input: unknown): Promise<void> {
    const { world, admission, recorder, committer } = this.owner;
    const at = world.clock.now();
    const edited = input === undefined ? {} : { input };
    const entry = await this.#reserve(record, { ...edited, deliverAt: at, nextAttemptAt: null });
    const full = admission.whyFull(record.actor);
    if (full) {
      admission.pending.delete(entry);
      throw full;
    }
    if (input !== undefined && entry.originalInput === undefined) entry.originalInput = record.input;
    entry.status = "queued";
    entry.attempts = 0;
    entry.seq = 0;
    entry.failures.push({
      attempt: 0,
      at,
      error: input === undefined ? "redriven" : "redriven with edited input",
    });
    this.owner.refusals.forget(entry);
    const stored = committer.change(() => {
      recorder.store(entry);
      return committer.flushed();
    });
    admission.enqueue(entry);
    await stored;
  }

  /** Marks a dead letter as dealt with: it leaves the list, and is forgotten after its retention. */
  async discard(record: MessageRecord): Promise<void> {
    const entry = await this.#reserve(record, {});
    entry.handledAt = this.owner.world.clock.now();
    entry.failures.push({ attempt: 0, at: entry.handledAt, error: "discarded" });
    const { recorder, committer } = this.owner;
    await committer.change(() => {
      recorder.store(entry);
      return committer.flushed();
    });
    this.owner.admission.pending.delete(entry);
  }

  /** Takes a dead letter, so that nobody else does anything about it meanwhile. */
  async #reserve(record: MessageRecord, changes: Partial<MessageRecord>): Promise<Entry> {
    const { store, serving, admission: { pending } } = this.owner;
    serving.check();
    const place = Entry.fromRecord(record);
    if (!pending.remember(place)) throw inProgress(record.id);
    try {
      // The record may be older than what has been done about it since.
      const found = await readMessagesById(store.database, store.shard, record.id);
      const now = found.find(({ actor }) => actor === record.actor);
      if (now?.status !== "dead" || now.handledAt !== null) {
        throw new FolioError("unknown-message", `Message ${record.id} is no dead letter`, { id: record.id });
      }
      serving.check();
      if (pending.get(record) !== place) throw serving.unavailable();
      const entry = Entry.fromRecord({ ...now, ...changes });
      pending.set(entry);
      return entry;
    } catch (error) {
      pending.delete(place);
      throw error instanceof FolioError ? error : serving.unavailable(error);
    }
  }
}
