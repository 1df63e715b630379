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
  /** @param bytesMax Of one page. */
  constructor(
    private readonly shards: readonly Shard[],
    private readonly registry: Registry,
    private readonly bytesMax: number,
  ) {}

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
    const bytesMax = Math.floor(this.bytesMax / this.shards.length);
    const found: MessageRecord[] = [];
    for (const shard of this.shards.slice(Number(shardText))) {
      const after = shard.number === Number(shardText) ? Number(seqText) : 0;
      // Where there is no room left, it is only seen whether there are more.
      const bound = { limit: page.limit - found.length, bytesMax };
      const { database } = shard.store;
      const { items, hasMore } = await readDeadLetters(database, shard.number, {
        ...filter,
        after,
        ...bound,
      });
      found.push(...items);
      const last = found.at(-1);
      if (last && hasMore) return { deadLetters: found, next: `${last.shard}.${last.seq}` };
    }
    return { deadLetters: found, next: undefined };
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
    const isNew = (record: MessageRecord) =>
      !taken.has(entryKey(record)) && !passedOver.has(entryKey(record));
    let after: string | undefined;
    while (taken.size + passedOver.size < limit) {
      // The same page again while it has some: what has been redriven is not in it, unless it has failed again.
      const page = await this.list(filter, { after, limit: Math.min(LETTERS_PER_QUERY, limit) });
      const found = page.deadLetters.filter(isNew).slice(0, limit - taken.size - passedOver.size);
      if (found.length === 0) {
        if (page.next === undefined) return told(false);
        after = page.next;
        continue;
      }
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
    while (true) {
      const page = await this.list(filter, { after, limit: LETTERS_PER_QUERY });
      if (page.deadLetters.some(isNew)) return told(true);
      if (page.next === undefined) return told(false);
      after = page.next;
    }
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
