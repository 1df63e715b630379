import { FolioError } from "../core/errors.ts";
import { type MessageRecord, parseActorName } from "../core/message.ts";
import { StepContext } from "../core/saga_actor.ts";
import { type DeadLetterFilter, readDeadLetters } from "../store/messages.ts";
import { entryKey } from "./loader.ts";
import { readMessage } from "./message_reader.ts";
import type { Registry } from "./registry.ts";
import type { Shard } from "./shard.ts";

/** A page of dead letters, shard by shard in order of admission. */
export interface DeadLetterPage {
  readonly deadLetters: readonly MessageRecord[];
  /** `after` of the next page; undefined on the last one. */
  readonly next: string | undefined;
}

const LETTERS_PER_QUERY = 100;

/** What can be done about messages that used up their attempts. */
export class DeadLetters {
  constructor(private readonly shards: readonly Shard[], private readonly registry: Registry) {}

  /**
   * @param page `after`: the `next` of the page before.
   * @throws {FolioError} `malformed` when `after` is none.
   */
  async list(
    filter: DeadLetterFilter,
    page: { after?: string | undefined; limit: number },
  ): Promise<DeadLetterPage> {
    const [shardText, seqText] = /^(\d{1,3})\.(\d{1,15})$/.exec(page.after ?? "0.0")?.slice(1) ?? [];
    if (shardText === undefined) {
      throw new FolioError("malformed", "Cannot read `after`: it was not made by this list", {
        name: "after",
      });
    }
    const found: MessageRecord[] = [];
    for (const shard of this.shards.slice(Number(shardText))) {
      const after = shard.number === Number(shardText) ? Number(seqText) : 0;
      // One more than is shown tells whether there are more.
      const limit = page.limit + 1 - found.length;
      found.push(...await readDeadLetters(shard.store.database, shard.number, { ...filter, after, limit }));
      if (found.length > page.limit) break;
    }
    const deadLetters = found.slice(0, page.limit);
    const last = deadLetters.at(-1);
    return { deadLetters, next: last && found.length > page.limit ? `${last.shard}.${last.seq}` : undefined };
  }

  /** @throws {FolioError} `unknown-message`, `ambiguous-message`. */
  async get(id: string, actor?: string): Promise<MessageRecord> {
    const record = await readMessage(this.shards, id, actor);
    if (record.status === "dead" && record.handledAt === null) return record;
    throw new FolioError("unknown-message", `Message ${id} is no dead letter`, { id });
  }

  /**
   * Puts a dead letter back into its mailbox.
   *
   * @param edit `input`: what to send instead of the input it has; checked against the command's schema.
   * `isForced`: also where a saga has gone on without it, and will not take back what it does.
   * @throws {FolioError} As `get` does; `saga-gone-on`, `invalid-input`, `mailbox-full`, `message-in-progress`.
   */
  async redrive(
    id: string,
    edit: { actor?: string | undefined; input?: unknown; isForced?: boolean | undefined } = {},
  ): Promise<MessageRecord> {
    const record = await this.get(id, edit.actor);
    const saga = edit.isForced ? undefined : this.#sagaWithout(record);
    if (saga) {
      throw new FolioError(
        "saga-gone-on",
        `Saga ${saga.saga}/${saga.id} has gone on without this, and would not take back what it does: ` +
          "only by force",
        saga,
      );
    }
    if (edit.input !== undefined) {
      this.registry.parseMessage({ ...record, input: edit.input });
    }
    await this.#shardOf(record).redrive(record, edit.input);
    return record;
  }

  /**
   * Puts all dead letters of a filter back, up to `limit`, stopping at the first that is refused.
   *
   * @param options `isForced`: also those that a saga has gone on without; otherwise they are passed over.
   * @returns How many, how many were passed over, and whether some are left.
   */
  async redriveAll(
    filter: DeadLetterFilter,
    limit: number,
    { isForced = false } = {},
  ): Promise<{ redriven: number; passedOver?: number; hasMore: boolean }> {
    const taken = new Set<string>();
    const passedOver = new Set<string>();
    const told = (hasMore: boolean) => ({
      redriven: taken.size,
      ...(passedOver.size > 0 ? { passedOver: passedOver.size } : {}),
      hasMore,
    });
    while (taken.size + passedOver.size < limit) {
      // From the start each time: what has been redriven is not in the list, unless it has failed again.
      const page = await this.list(filter, { limit: Math.min(LETTERS_PER_QUERY, limit) + passedOver.size });
      const found = page.deadLetters.filter((record) =>
        !taken.has(entryKey(record)) && !passedOver.has(entryKey(record))
      ).slice(0, limit - taken.size - passedOver.size);
      if (found.length === 0) return told(page.next !== undefined);
      const isLeft = (record: MessageRecord) => !isForced && this.#sagaWithout(record) !== undefined;
      for (const record of found.filter(isLeft)) passedOver.add(entryKey(record));
      const letters = found.filter((record) => !isLeft(record));
      const outcomes = await Promise.allSettled(
        letters.map((record) => this.#shardOf(record).redrive(record, undefined)),
      );
      for (const [index, record] of letters.entries()) {
        if (outcomes[index]?.status === "fulfilled") taken.add(entryKey(record));
      }
      if (outcomes.some(({ status }) => status === "rejected")) {
        return told(true);
      }
    }
    const { deadLetters } = await this.list(filter, { limit: limit + 1 });
    return told(
      deadLetters.some((record) => !taken.has(entryKey(record)) && !passedOver.has(entryKey(record))),
    );
  }

  /** Takes a dead letter off the list; it is forgotten after its retention. */
  async discard(id: string, actor?: string): Promise<void> {
    const record = await this.get(id, actor);
    await this.#shardOf(record).discard(record);
  }

  /**
   * The saga that has a message for one of its steps. That it has become a dead letter has failed the step, so that the
   * saga has gone on without it. A compensation's is waited for instead.
   */
  #sagaWithout({ replyTo }: MessageRecord): { saga: string; id: string } | undefined {
    if (!replyTo) return undefined;
    const { type: saga, key: id } = parseActorName(replyTo.actor);
    const step = StepContext.safeParse(replyTo.context).data;
    return this.registry.sagas.has(saga) && step && !step.isUndo ? { saga, id } : undefined;
  }

  #shardOf(record: MessageRecord): Shard {
    const shard = this.shards[record.shard];
    if (!shard) throw new RangeError(`There is no shard ${record.shard}`);
    return shard;
  }
}
