import { FolioError } from "../core/errors.ts";
import type { MessageRecord } from "../core/message.ts";
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
    const deadLetters: MessageRecord[] = [];
    for (const shard of this.shards.slice(Number(shardText))) {
      const after = shard.number === Number(shardText) ? Number(seqText) : 0;
      const limit = page.limit - deadLetters.length;
      deadLetters.push(
        ...await readDeadLetters(shard.store.database, shard.number, { ...filter, after, limit }),
      );
      if (deadLetters.length === page.limit) break;
    }
    const last = deadLetters.at(-1);
    return {
      deadLetters,
      next: last && deadLetters.length === page.limit ? `${last.shard}.${last.seq}` : undefined,
    };
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
   * @throws {FolioError} As `get` does; `invalid-input`, `mailbox-full`, `message-in-progress`.
   */
  async redrive(
    id: string,
    edit: { actor?: string | undefined; input?: unknown } = {},
  ): Promise<MessageRecord> {
    const record = await this.get(id, edit.actor);
    if (edit.input !== undefined) {
      this.registry.parseMessage({ ...record, input: edit.input });
    }
    await this.#shardOf(record).redrive(record, edit.input);
    return record;
  }

  /**
   * Puts all dead letters of a filter back, up to `limit`, stopping at the first that is refused.
   *
   * @returns How many, and whether some are left.
   */
  async redriveAll(filter: DeadLetterFilter, limit: number): Promise<{ redriven: number; hasMore: boolean }> {
    const taken = new Set<string>();
    while (taken.size < limit) {
      // From the start each time: what has been redriven is not in the list, unless it has failed again.
      const page = await this.list(filter, { limit: Math.min(LETTERS_PER_QUERY, limit) });
      const letters = page.deadLetters.filter((record) => !taken.has(entryKey(record))).slice(
        0,
        limit - taken.size,
      );
      if (letters.length === 0) return { redriven: taken.size, hasMore: page.next !== undefined };
      const outcomes = await Promise.allSettled(
        letters.map((record) => this.#shardOf(record).redrive(record, undefined)),
      );
      for (const [index, record] of letters.entries()) {
        if (outcomes[index]?.status === "fulfilled") taken.add(entryKey(record));
      }
      if (outcomes.some(({ status }) => status === "rejected")) {
        return { redriven: taken.size, hasMore: true };
      }
    }
    const { deadLetters } = await this.list(filter, { limit: limit + 1 });
    return { redriven: taken.size, hasMore: deadLetters.some((record) => !taken.has(entryKey(record))) };
  }

  /** Takes a dead letter off the list; it is forgotten after its retention. */
  async discard(id: string, actor?: string): Promise<void> {
    const record = await this.get(id, actor);
    await this.#shardOf(record).discard(record);
  }

  #shardOf(record: MessageRecord): Shard {
    const shard = this.shards[record.shard];
    if (!shard) throw new RangeError(`There is no shard ${record.shard}`);
    return shard;
  }
}
