import type { AnyProjection, SqlArgument } from "../core/projection.ts";
import type { SourceEvent } from "../core/subscription.ts";
import { errorMessage } from "../core/errors.ts";
import { type RecordedEvent } from "../core/event.ts";
import { parseActorName } from "../core/message.ts";
import { formatToken, type Positions } from "../core/token.ts";
import type { ProjectionFailure } from "../runtime/read_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Shard } from "../runtime/shard.ts";
import type { Database, Statement } from "../store/database.ts";
import { readLog } from "../store/events.ts";
import { moveCheckpoint } from "../store/read_store.ts";
import { renameTables } from "../store/sql_names.ts";

/** Events of one transaction. */
const EVENTS_PER_BATCH = 500;
/** Positions looked through for them, so that rare events do not make one query long. */
const POSITIONS_PER_READ = 20_000;
const RETRY_DELAY_MS = 1_000;

/** A handler that threw, or SQL that failed, at an event. */
class HandlerError extends Error {
  override readonly name = "HandlerError";

  constructor(readonly event: RecordedEvent, override readonly cause: unknown) {
    super(errorMessage(cause));
  }
}

/**
 * Fills one generation of a projection's tables from the logs of all shards.
 *
 * Invariants:
 * 1. The rows of a batch of events and the checkpoint behind them are one transaction: each event changes the
 *    rows exactly once, whatever crashes.
 * 2. Each shard's events are handled in the shard's order.
 * 3. A handler that fails stops the projector at its event; what came before is kept, and serves on.
 */
export class Projector {
  failure: ProjectionFailure | undefined;
  readonly #positions: Map<number, number>;
  readonly #types: readonly string[];
  readonly #sql = new Map<string, string>();
  #waiting: { token: Positions; resolve: () => void }[] = [];
  #endings: (() => void)[] = [];
  #run: Promise<void> | undefined;
  #isWanted = false;
  #isStopped = false;

  constructor(
    private readonly runtime: Runtime,
    private readonly database: Database,
    private readonly projection: AnyProjection,
    readonly generation: number,
    private readonly names: ReadonlySet<string>,
    checkpoints: Positions,
  ) {
    this.#positions = new Map(runtime.shards.map(({ number }) => [number, checkpoints.get(number) ?? 0]));
    this.#types = [...new Set([...projection.on.keys()].map((key) => parseActorName(key).key))];
  }

  /** How far it has come. */
  get positions(): Positions {
    return this.#positions;
  }

  /** Positions that it has come through, over all shards. */
  get eventsDone(): number {
    return [...this.#positions.values()].reduce((sum, position) => sum + position, 0);
  }

  /** Events on disk that it has not seen, over all shards. */
  get lagEvents(): number {
    return this.runtime.shards.reduce((lag, shard) => lag + shard.durablePosition - this.#position(shard), 0);
  }

  /** Follows the logs from where it is. */
  start(): void {
    this.#endings = this.runtime.shards.map((shard) => shard.committed.subscribe(() => this.#wake()));
    this.#wake();
  }

  /** Resolves when no batch is on its way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const end of this.#endings) end();
    await this.#run;
  }

  /** Handles everything that is on disk now. */
  async runOnce(): Promise<void> {
    try {
      for (const shard of this.runtime.shards) await this.#catchUp(shard);
      this.failure = undefined;
    } catch (error) {
      if (!(error instanceof HandlerError)) throw error;
      const { shard, position, type, actor } = error.event;
      this.failure = {
        error: error.message,
        event: { shard, position, type, actor },
        at: this.runtime.clock.now(),
      };
      this.runtime.log("error", "Projection has stopped", {
        projection: this.projection.name,
        ...this.failure.event,
        error: error.message,
      });
    }
  }

  /**
   * Resolves with true once everything that a token names has been seen, with false after `waitMs`.
   */
  seen(token: Positions, waitMs: number): Promise<boolean> {
    if (this.#hasSeen(token)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter = {
        token,
        resolve: () => {
          cancel();
          resolve(true);
        },
      };
      const cancel = this.runtime.clock.after(waitMs, () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        resolve(false);
      });
      this.#waiting.push(waiter);
    });
  }

  #wake(): void {
    this.#isWanted = true;
    this.#run ??= this.#loop().finally(() => this.#run = undefined);
  }

  async #loop(): Promise<void> {
    while (this.#isWanted && !this.#isStopped && !this.failure) {
      this.#isWanted = false;
      try {
        await this.runOnce();
      } catch (error) {
        this.runtime.log("warn", "Projection cannot go on yet", {
          projection: this.projection.name,
          positions: formatToken(this.#positions),
          error: errorMessage(error),
        });
        this.runtime.clock.after(RETRY_DELAY_MS, () => this.#wake());
      }
    }
  }

  #position(shard: Shard): number {
    return this.#positions.get(shard.number) ?? 0;
  }

  #hasSeen(token: Positions): boolean {
    return [...token].every(([shard, position]) => (this.#positions.get(shard) ?? 0) >= position);
  }

  async #catchUp(shard: Shard): Promise<void> {
    while (!this.#isStopped && this.#position(shard) < shard.durablePosition) {
      const after = this.#position(shard);
      const upTo = Math.min(shard.durablePosition, after + POSITIONS_PER_READ);
      const events = await readLog(shard.store.database, shard.number, {
        after,
        upTo,
        limit: EVENTS_PER_BATCH,
        types: this.#types,
      });
      const end = events.length === EVENTS_PER_BATCH ? events.at(-1)?.position ?? upTo : upTo;
      await this.#apply(shard, events, end);
    }
  }

  /** Applies events in one transaction; when that fails, in halves, until the event at fault stands alone. */
  async #apply(shard: Shard, events: readonly RecordedEvent[], end: number): Promise<void> {
    const from = this.#position(shard);
    const handled = this.#statements(events);
    if (handled.failed) {
      const before = handled.failed.event.position - 1;
      if (before > from) await this.#write(shard, handled.statements, from, before);
      throw handled.failed;
    }
    try {
      await this.#write(shard, handled.statements, from, end);
    } catch (error) {
      const [first] = events;
      if (!first || !isSqlFault(error)) throw error;
      if (events.length === 1) {
        if (first.position - 1 > from) await this.#write(shard, [], from, first.position - 1);
        throw new HandlerError(first, error);
      }
      const half = events.slice(0, events.length >> 1);
      await this.#apply(shard, half, half.at(-1)?.position ?? end);
      await this.#apply(shard, events.slice(half.length), end);
    }
  }

  async #write(shard: Shard, statements: readonly Statement[], from: number, to: number): Promise<void> {
    const of = { projection: this.projection.name, generation: this.generation, shard: shard.number };
    await this.database.batch([...statements, moveCheckpoint(of, from, to)], "write");
    this.#positions.set(shard.number, to);
    const seen = this.#waiting.filter(({ token }) => this.#hasSeen(token));
    if (seen.length === 0) return;
    this.#waiting = this.#waiting.filter((waiter) => !seen.includes(waiter));
    for (const { resolve } of seen) resolve();
  }

  /** What the handlers want written, up to the first that fails. */
  #statements(
    events: readonly RecordedEvent[],
  ): { statements: Statement[]; failed: HandlerError | undefined } {
    const statements: Statement[] = [];
    for (const event of events) {
      const { type, key } = parseActorName(event.actor);
      const handler = this.projection.on.get(`${type}/${event.type}`);
      if (!handler) continue;
      const written = statements.length;
      try {
        const write = (sql: string, args: readonly SqlArgument[] = []) => {
          statements.push({ sql: this.#rename(sql), args });
        };
        const returned: unknown = handler(write, projected(this.runtime.registry.present(event), key));
        if (returned instanceof Promise) {
          throw new TypeError("Handler must be synchronous, but it returned a promise");
        }
      } catch (error) {
        statements.length = written;
        return { statements, failed: new HandlerError(event, error) };
      }
    }
    return { statements, failed: undefined };
  }

  #rename(sql: string): string {
    const known = this.#sql.get(sql);
    if (known !== undefined) return known;
    const renamed = renameTables(sql, this.names, this.generation);
    // SQL made up of values would fill the cache without end; there is no use in keeping it.
    if (this.#sql.size < 1_000) this.#sql.set(sql, renamed);
    return renamed;
  }
}

/** Whether it is the statement that is at fault, and not the store. */
function isSqlFault(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(SQLITE_(ERROR|CONSTRAINT|MISMATCH|RANGE|TOOBIG)|UNKNOWN)/.test(code) &&
    !String(error).includes("checkpoints.position");
}

function projected(event: RecordedEvent, key: string): SourceEvent {
  const { payload, actor, version, type, shard, position, at, messageId, correlationId } = event;
  return { payload, actor, key, version, type, shard, position, at, messageId, correlationId };
}
