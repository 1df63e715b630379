import { errorMessage } from "../core/errors.ts";
import { type RecordedEvent, upcast } from "../core/event.ts";
import { parseActorName } from "../core/message.ts";
import type { AnyProjection, SqlArgument } from "../core/projection.ts";
import type { SourceEvent } from "../core/subscription.ts";
import { formatToken, type Positions } from "../core/token.ts";
import type { ProjectionFailure } from "../runtime/read_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { LogGrowth, Shard } from "../runtime/shard.ts";
import { type Database, DatabaseError, type Statement } from "../store/database.ts";
import { readLog } from "../store/events.ts";
import { moveCheckpoint, readCheckpoints } from "../store/read_store.ts";
import { ForbiddenSqlError, type SqlGuard } from "../store/sql_guard.ts";
import { renameTables } from "../store/sql_names.ts";

/** Events of one transaction. */
export const EVENTS_PER_BATCH = 1_000;
/** Positions looked through for them, so that rare events do not make one query long. */
const POSITIONS_PER_READ = 20_000;
/** SQL texts remembered: more than a projection has, unless it puts values into them. */
const SQL_TEXTS_MAX = 1_000;
/** How long events that are not for a projection may wait to be passed over. */
const PASS_OVER_DELAY_MS = 50;
export const RETRY_DELAY_MS = 1_000;

/** One set of tables, and the names of what is in it. */
export interface Tables {
  readonly generation: number;
  /** Names that the projection's SQL uses for its tables and indexes, in lower case. */
  readonly names: ReadonlySet<string>;
  /** Knows what SQL may do with them. */
  readonly guard: SqlGuard;
}

/** What the handler of one event wants written. */
interface Handled {
  readonly event: RecordedEvent;
  readonly writes: { readonly sql: string; readonly args: readonly SqlArgument[] }[];
}

/** A part of a shard's log. */
interface Page {
  readonly events: readonly RecordedEvent[];
  /** The last position looked at. */
  readonly end: number;
}

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
 * 4. What is in memory of the checkpoints is never ahead of the disk. When a transaction's answer is lost,
 *    they are read again before anything else is written.
 */
export class Projector {
  failure: ProjectionFailure | undefined;
  #positions: Map<number, number>;
  #isUnsure = false;
  readonly #keys: readonly string[];
  readonly #types: readonly string[];
  readonly #sql = new Map<string, string>();
  #endings: (() => void)[] = [];
  #cancelRetry: () => void = () => {};
  #cancelLater: (() => void) | undefined;
  #run: Promise<void> | undefined;
  #isWanted = false;
  #isHeld = false;
  #isStopped = false;

  /** @param changed Told when the positions have moved, and when the projector has failed. */
  constructor(
    private readonly runtime: Runtime,
    private readonly database: Database,
    private readonly projection: AnyProjection,
    private readonly tables: Tables,
    checkpoints: Positions,
    private readonly changed: () => void = () => {},
  ) {
    this.#positions = this.#complete(checkpoints);
    this.#keys = [...projection.on.keys()];
    this.#types = [...new Set(this.#keys.map((key) => parseActorName(key).key))];
  }

  get generation(): number {
    return this.tables.generation;
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
    return this.runtime.shards.reduce(
      (lag, shard) => lag + Math.max(0, shard.durablePosition - this.#position(shard)),
      0,
    );
  }

  /** Follows the logs from where it is. */
  start(): void {
    if (this.#isStopped) return;
    this.#endings = this.runtime.shards.map((shard) =>
      shard.committed.subscribe((growth) => this.#grown(growth))
    );
    this.#wake();
  }

  /** Resolves when no batch is on its way any more, and none will be. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRetry();
    this.#cancelLater?.();
    for (const end of this.#endings) end();
    await this.#run;
  }

  /** Stands still until it is released. Resolves when no batch is on its way any more. */
  async hold(): Promise<void> {
    this.#isHeld = true;
    await this.#run;
  }

  release(): void {
    this.#isHeld = false;
    this.#wake();
  }

  /**
   * Handles what is on disk now, or up to the positions given. Each shard up to there and no further, however
   * fast it grows, so that none waits for another.
   *
   * @throws {DatabaseError} When a store fails; what a handler does wrong becomes `failure`.
   */
  async runOnce(upTo: Positions = this.runtime.positions()): Promise<void> {
    try {
      if (this.#isUnsure) await this.#readPositions();
      for (const shard of this.runtime.shards) await this.#catchUp(shard, upTo.get(shard.number) ?? 0);
      this.failure = undefined;
    } catch (error) {
      if (!(error instanceof HandlerError)) throw error;
      this.#fail(error);
    }
  }

  /** Looks at once at what is on disk: somebody waits for it. */
  hurry(): void {
    if (this.lagEvents > 0) this.#wake();
  }

  #grown({ types }: LogGrowth): void {
    if (this.#keys.some((key) => types.has(key))) return this.#wake();
    // What is not for us is passed over, many commits in one go: each would cost a look and a checkpoint.
    this.#cancelLater ??= this.runtime.clock.after(PASS_OVER_DELAY_MS, () => {
      this.#cancelLater = undefined;
      this.#wake();
    });
  }

  #wake(): void {
    this.#isWanted = true;
    this.#run ??= this.#loop();
  }

  async #loop(): Promise<void> {
    // Only from here on is `#run` set.
    await undefined;
    while (this.#isWanted && !this.#isStopped && !this.#isHeld && !this.failure) {
      this.#isWanted = false;
      try {
        await this.runOnce();
      } catch (error) {
        this.runtime.log("warn", "Projection cannot go on yet", {
          projection: this.projection.name,
          positions: formatToken(this.#positions),
          error: errorMessage(error),
        });
        if (!this.#isStopped) {
          this.#cancelRetry = this.runtime.clock.after(RETRY_DELAY_MS, () => this.#wake());
        }
      }
    }
    // In the same breath as the check above: a wake in between would be lost.
    this.#run = undefined;
  }

  #fail(error: HandlerError): void {
    const { shard, position, type, actor } = error.event;
    const event = { shard, position, type, actor };
    this.failure = { error: error.message, event, at: this.runtime.clock.now() };
    const { name } = this.projection;
    this.runtime.log("error", "Projection has stopped", { projection: name, ...event, error: error.message });
    this.changed();
  }

  #position(shard: Shard): number {
    return this.#positions.get(shard.number) ?? 0;
  }

  #complete(checkpoints: Positions): Map<number, number> {
    return new Map(this.runtime.shards.map(({ number }) => [number, checkpoints.get(number) ?? 0]));
  }

  async #readPositions(): Promise<void> {
    const checkpoints = await readCheckpoints(this.database, this.projection.name, this.generation);
    this.#positions = this.#complete(checkpoints);
    this.#isUnsure = false;
    this.changed();
  }

  async #catchUp(shard: Shard, upTo: number): Promise<void> {
    let next = this.#read(shard, this.#position(shard), upTo);
    while (!this.#isStopped && !this.#isHeld && this.#position(shard) < upTo) {
      const page = await next;
      // The next page is read while this one is written.
      if (page.end < upTo) next = this.#read(shard, page.end, upTo);
      await this.#apply(shard, page);
    }
  }

  #read(shard: Shard, after: number, upTo: number): Promise<Page> {
    const until = Math.min(upTo, after + POSITIONS_PER_READ);
    const reading = this.#readPage(shard, after, until);
    // Whether it failed is seen by whoever waits for it, if anybody still does.
    reading.catch(() => {});
    return reading;
  }

  async #readPage(shard: Shard, after: number, upTo: number): Promise<Page> {
    if (after >= upTo) return { events: [], end: upTo };
    const events = await readLog(shard.store.database, shard.number, {
      after,
      upTo,
      limit: EVENTS_PER_BATCH,
      types: this.#types,
    });
    return { events, end: events.length === EVENTS_PER_BATCH ? events.at(-1)?.position ?? upTo : upTo };
  }

  async #apply(shard: Shard, { events, end }: Page): Promise<void> {
    const { handled, failed } = this.#handle(events);
    const forbidden = await this.#checkSql(handled);
    const fault = forbidden ?? failed;
    if (!fault) return await this.#writeAll(shard, handled, end);
    await this.#writeUntil(shard, handled, fault);
  }

  /** Writes what comes before an event, and stops at it. */
  async #writeUntil(shard: Shard, handled: readonly Handled[], fault: HandlerError): Promise<never> {
    const { position } = fault.event;
    const before = handled.filter(({ event }) => event.position < position);
    if (position - 1 > this.#position(shard)) await this.#writeAll(shard, before, position - 1);
    throw fault;
  }

  /** Writes in one transaction; when that fails, in halves, until the event at fault stands alone. */
  async #writeAll(shard: Shard, handled: readonly Handled[], end: number): Promise<void> {
    try {
      await this.#write(shard, handled, end);
    } catch (error) {
      const [first] = handled;
      if (!first || !isSqlFault(error)) throw error;
      if (handled.length === 1) await this.#writeUntil(shard, [], new HandlerError(first.event, error));
      const half = handled.slice(0, handled.length >> 1);
      await this.#writeAll(shard, half, half.at(-1)?.event.position ?? end);
      await this.#writeAll(shard, handled.slice(half.length), end);
    }
  }

  async #write(shard: Shard, handled: readonly Handled[], to: number): Promise<void> {
    const startedAt = this.runtime.clock.now();
    const statements: Statement[] = [];
    for (const { writes } of handled) statements.push(...writes);
    const of = { projection: this.projection.name, generation: this.generation, shard: shard.number };
    statements.push(moveCheckpoint(of, this.#position(shard), to));
    try {
      await this.database.batch(statements, "write");
    } catch (error) {
      this.#isUnsure = !isSqlFault(error);
      throw error;
    }
    this.#positions.set(shard.number, to);
    const ids = () => handled.map(({ event }) => event.messageId);
    this.runtime.observer?.projected?.(this.projection.name, ids(), startedAt);
    this.changed();
  }

  /** What the handlers want written, up to the first that fails. */
  #handle(events: readonly RecordedEvent[]): { handled: Handled[]; failed: HandlerError | undefined } {
    const handled: Handled[] = [];
    for (const event of events) {
      const { type, key } = parseActorName(event.actor);
      const handler = this.projection.on.get(`${type}/${event.type}`);
      if (!handler) continue;
      const writes: Handled["writes"] = [];
      let isOver = false;
      try {
        const returned: unknown = handler((sql, args = []) => {
          if (isOver) throw new TypeError("Cannot write: the handler has returned");
          checkArguments(args);
          writes.push({ sql: this.#rename(sql), args });
        }, this.#projected(event, type, key));
        if (isThenable(returned)) {
          // What becomes of it is nobody's business any more, and must not end the process.
          returned.then(undefined, () => {});
          throw new TypeError("Handler must be synchronous, but it returned a promise");
        }
      } catch (error) {
        return { handled, failed: new HandlerError(event, error) };
      } finally {
        isOver = true;
      }
      handled.push({ event, writes });
    }
    return { handled, failed: undefined };
  }

  #projected(event: RecordedEvent, actorType: string, key: string): SourceEvent {
    const { actor, version, type, shard, position, at, messageId, correlationId } = event;
    const definition = this.runtime.registry.actors.get(actorType)?.events.get(type);
    // Other readers are shown what cannot be read as it is; here it would become wrong rows.
    const payload = definition ? upcast(definition, event.schemaVersion, event.payload) : event.payload;
    return { payload, actor, key, version, type, shard, position, at, messageId, correlationId };
  }

  #rename(sql: string): string {
    const known = this.#sql.get(sql);
    if (known !== undefined) return known;
    const renamed = renameTables(sql, this.tables.names, this.generation);
    if (this.#sql.size >= SQL_TEXTS_MAX) this.#sql.clear();
    this.#sql.set(sql, renamed);
    return renamed;
  }

  /** @returns The first event whose SQL will not do. */
  async #checkSql(handled: readonly Handled[]): Promise<HandlerError | undefined> {
    for (const { event, writes } of handled) {
      for (const { sql, args } of writes) {
        try {
          const checking = this.tables.guard.check("write", sql, args);
          if (checking) await checking;
        } catch (error) {
          if (!(error instanceof ForbiddenSqlError) && !isSqlFault(error)) throw error;
          return new HandlerError(event, error);
        }
      }
    }
    return undefined;
  }
}

/** What SQL can hold. Types say so too, but a payload may be anything that JSON is. */
function checkArguments(args: readonly unknown[]): void {
  for (const value of args) {
    if (value === null || typeof value === "string" || Number.isFinite(value)) continue;
    throw new TypeError(`Cannot write ${String(value)}: only texts, finite numbers and null can be stored`);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === "object" && "then" in value && typeof value.then === "function";
}

/** Whether it is the statement that is at fault, and not the store. */
export function isSqlFault(error: unknown): boolean {
  return error instanceof DatabaseError &&
    /^(SQLITE_(ERROR|CONSTRAINT|MISMATCH|RANGE|TOOBIG)|SQL_)/.test(error.code) &&
    // Somebody else has moved the checkpoint: it has to be read again.
    !error.message.includes("checkpoints.position");
}
