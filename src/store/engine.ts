import { type ChainHead, formatHead, nextLink, noChain, parseHead } from "./chain.ts";
import { apply, type Commit } from "./commit.ts";
import { dropOldCommits, fencedMessage, insertCommit } from "./commits.ts";
import { type Database, DatabaseError, type Row, type Statement } from "./database.ts";
import { isRefusal, RefusedError } from "./refusal.ts";

/** Where a shard's order of commits has got to, and the counters that go on from there. */
export interface Head {
  /** Index and id of the newest commit; 0 and "" before the first. */
  readonly index: number;
  readonly id: string;
  readonly epoch: number;
  /** Position of the newest event. */
  readonly position: number;
  /** Newest mailbox order. */
  readonly messageSeq: number;
  readonly outboxSeq: number;
  /** Time of the newest commit. */
  readonly at: number;
}

/** Another holder has taken the shard over: nothing was written, and nothing will be. */
export class FencedError extends Error {
  override readonly name = "FencedError";

  /** @param landed Of `recover`: how many of the commits that were asked about are on disk all the same. */
  constructor(message: string, options?: ErrorOptions, readonly landed = 0) {
    super(message, options);
  }
}

/** The store did not answer as it should. Whether the commit was written is not known. */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
}

/** One shard's durable order of commits. */
export interface ShardEngine {
  /** Whether another process may take the shard while this one holds it: then what is in memory may be old. */
  readonly isShared: boolean;
  /** Takes the shard: from now on every earlier holder is fenced. */
  acquire(): Promise<Head>;
  /** Where the shard is now, whoever holds it. */
  head(): Promise<Head>;
  /**
   * After an unknown outcome: takes a new epoch if the shard is still ours, so that a commit that is still on
   * its way somewhere cannot land any more, and tells where the shard is. Safe to repeat.
   *
   * @param lost The commits whose outcomes are unknown, in their order.
   * @throws {FencedError} When another holder has taken it.
   */
  recover(lost?: readonly Pick<Commit, "index" | "id">[]): Promise<Head>;
  /**
   * Adds a commit behind index `expected`, and applies it to the shard's database. May be called before the
   * one before it has resolved: commits are taken in the order of the calls.
   *
   * @returns The commit's index, once it is durable.
   * @throws {FencedError} When `expected` is not the newest index or the commit's epoch not the present one.
   * @throws {RefusedError} When the store takes no commit with what is in this one.
   * @throws {UnavailableError} When the outcome is unknown; `recover()` tells.
   * @throws {RangeError} When the commit's index is not `expected` plus one.
   */
  append(expected: number, commit: Commit): Promise<number>;
  /**
   * Commits from index `from` on, contiguous, up to the newest; with `follow`, goes on as they are made.
   *
   * @throws {RangeError} When `from` is older than what is kept.
   */
  read(from: number, options?: { follow?: boolean; signal?: AbortSignal }): AsyncIterable<Commit>;
}

const headQuery = `SELECT
  (SELECT coalesce(max(idx), 0) FROM commits),
  coalesce((SELECT id FROM commits ORDER BY idx DESC LIMIT 1), ''),
  (SELECT value FROM meta WHERE key = 'epoch'),
  (SELECT coalesce(max(position), 0) FROM main.events),
  (SELECT coalesce(max(seq), 0) FROM messages),
  (SELECT coalesce(max(seq), 0) FROM outbox),
  coalesce((SELECT at FROM commits ORDER BY idx DESC LIMIT 1), 0),
  (SELECT chain FROM commits ORDER BY idx DESC LIMIT 1)`;

function unavailable(cause: unknown): UnavailableError {
  return new UnavailableError(cause instanceof Error ? cause.message : String(cause), { cause });
}

function refused(cause: unknown): RefusedError {
  return new RefusedError(cause instanceof Error ? cause.message : String(cause), { cause });
}

const commitsPerRead = 64;

/** The engine of one machine: the shard's own libSQL database keeps the order and holds the result. */
export class LocalEngine implements ShardEngine {
  readonly #database: Database;
  /** Tells this holder's epochs from those of others. */
  readonly #holder = crypto.randomUUID();
  /** The newest epoch that it was told of as its own. */
  #epoch = 0;
  #appended = Promise.withResolvers<void>();
  readonly #isChained: boolean;
  /** Where the hash chain is after the commit of an index. */
  #chain: { readonly index: number; readonly head: ChainHead } = { index: -1, head: noChain };

  readonly isShared: boolean;

  /**
   * @param options `chain`: whether commits go on with the hash chain over the log (false). `isShared`: whether
   * another process may take the shard while this one holds it (false).
   */
  constructor(
    database: Database,
    options: { readonly chain?: boolean | undefined; readonly isShared?: boolean | undefined } = {},
  ) {
    this.#database = database;
    this.#isChained = options.chain ?? false;
    this.isShared = options.isShared ?? false;
  }

  async acquire(): Promise<Head> {
    const [, , rows] = await this.#database.batch([
      { sql: `UPDATE meta SET value = value + 1 WHERE key = 'epoch'` },
      {
        sql: `INSERT INTO meta VALUES ('holder', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1`,
        args: [this.#holder],
      },
      { sql: headQuery },
    ], "write");
    return this.#took(rows?.[0]);
  }

  async recover(lost: readonly Pick<Commit, "index" | "id">[] = []): Promise<Head> {
    const [, rows, holders, ids] = await this.#database.batch([
      {
        sql: `UPDATE meta SET value = value + 1
          WHERE key = 'epoch' AND ? = (SELECT value FROM meta WHERE key = 'holder')`,
        args: [this.#holder],
      },
      { sql: headQuery },
      { sql: `SELECT value FROM meta WHERE key = 'holder'` },
      {
        sql: `SELECT idx, id FROM commits WHERE idx >= ? ORDER BY idx LIMIT ?`,
        args: [lost[0]?.index ?? 0, lost.length],
      },
    ], "write");
    if (holders?.[0]?.[0] !== this.#holder) {
      const landed = lost.filter(({ index, id }) =>
        ids?.some(([idx, other]) => idx === index && other === id)
      );
      throw new FencedError("Another holder has taken the shard", {}, landed.length);
    }
    return this.#took(rows?.[0]);
  }

  async head(): Promise<Head> {
    return headOf((await this.#database.execute({ sql: headQuery }))[0]);
  }

  async append(expected: number, commit: Commit): Promise<number> {
    if (commit.index !== expected + 1) {
      throw new RangeError(`Cannot append behind commit ${expected}: the index is ${commit.index}`);
    }
    const before = this.#chain.index === expected ? this.#chain.head : await this.#readChain(expected);
    const statements = this.#statements(before, commit);
    try {
      await this.#database.batch(statements, "write");
    } catch (error) {
      const isFenced = error instanceof DatabaseError && error.message.includes(fencedMessage);
      if (!isFenced) throw isRefusal(error) ? refused(error) : unavailable(error);
      await this.#checkFenced(commit, error);
    }
    this.#appended.resolve();
    this.#appended = Promise.withResolvers();
    return commit.index;
  }

  /** @throws {RefusedError} When no statements can be made of it: its JSON is longer than a text can be. */
  #statements(before: ChainHead, commit: Commit): Statement[] {
    try {
      const chain = nextLink(before, commit.events, this.#isChained);
      // As if it were taken: the next one may be asked for before this one is. When it is not, `recover` tells.
      this.#chain = { index: commit.index, head: chain.head };
      return [
        insertCommit(commit, commit.index - 1, formatHead(chain.head)),
        ...apply(commit),
        ...chain.statements,
        ...dropOldCommits(commit.index),
      ];
    } catch (error) {
      throw refused(error);
    }
  }

  #took(row: Row | undefined): Head {
    const head = headOf(row);
    this.#epoch = head.epoch;
    this.#chain = { index: head.index, head: parseHead(row?.[7]) };
    return head;
  }

  /**
   * The chain's head after commit `index`. Only who was not told of that commit's end has to look; that no
   * other one has come meanwhile is for the commit's own comparison to find.
   */
  async #readChain(index: number): Promise<ChainHead> {
    try {
      const find = { sql: `SELECT chain FROM commits WHERE idx = ?`, args: [index] };
      const [row] = await this.#database.execute(find);
      return parseHead(row?.[0]);
    } catch (error) {
      throw unavailable(error);
    }
  }

  /**
   * A commit that is not the next one was not always overtaken by another holder. Over a network a request may
   * be made twice, and arrive at any time: the commit itself, or a recovery that was given up for lost.
   *
   * @throws {FencedError | UnavailableError} Unless the commit is there already.
   */
  async #checkFenced(commit: Commit, cause: unknown): Promise<void> {
    let rows: Row[];
    try {
      rows = await this.#database.execute({
        sql: `SELECT (SELECT id FROM commits WHERE idx = ?),
          (SELECT value FROM meta WHERE key = 'holder'), (SELECT value FROM meta WHERE key = 'epoch')`,
        args: [commit.index],
      });
    } catch (error) {
      throw unavailable(error);
    }
    const [id, holder, epoch] = rows[0] ?? [];
    // One after it may have been taken meanwhile.
    if (id === commit.id) return;
    if (holder === this.#holder && Number(epoch) > this.#epoch) throw unavailable(cause);
    throw new FencedError(
      `Commit ${commit.index} of epoch ${commit.epoch} is not the next one: another holder has gone on`,
      { cause },
    );
  }

  async *read(
    from: number,
    options: { follow?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<Commit> {
    let next = from;
    while (!options.signal?.aborted) {
      const appended = this.#appended.promise;
      const rows = await this.#database.execute({
        sql: `SELECT body FROM commits WHERE idx >= ? ORDER BY idx LIMIT ?`,
        args: [next, commitsPerRead],
      });
      for (const [body] of rows) {
        if (options.signal?.aborted) return;
        const commit: Commit = JSON.parse(String(body));
        if (commit.index !== next) {
          throw new RangeError(`Cannot read commits from ${next}: the oldest one kept is ${commit.index}`);
        }
        yield commit;
        next++;
      }
      if (rows.length === commitsPerRead) continue;
      // A signal that has fired already never tells its listeners again.
      if (!options.follow || options.signal?.aborted) return;
      const aborted = Promise.withResolvers<void>();
      const onAbort = () => aborted.resolve();
      options.signal?.addEventListener("abort", onAbort, { once: true });
      await Promise.race([appended, aborted.promise]);
      options.signal?.removeEventListener("abort", onAbort);
    }
  }
}

function headOf(row: Row | undefined): Head {
  if (!row) throw new UnavailableError("Shard database gave no head");
  const [index, id, epoch, position, messageSeq, outboxSeq, at] = row;
  return {
    index: Number(index),
    id: String(id),
    epoch: Number(epoch),
    position: Number(position),
    messageSeq: Number(messageSeq),
    outboxSeq: Number(outboxSeq),
    at: Number(at),
  };
}
