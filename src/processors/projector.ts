import { errorMessage } from "../core/errors.ts";
import type { RecordedEvent } from "../core/event.ts";
import { parseActorName } from "../core/message.ts";
import type { AnyProjection } from "../core/projection.ts";
import { formatToken, type Positions } from "../core/token.ts";
import type { LogGrowth } from "../runtime/log_wakeups.ts";
import type { EventFailure } from "../runtime/read_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Shard } from "../runtime/shard.ts";
import type { Database, Row, Statement } from "../store/database.ts";
import { type LogPart, readLog } from "../store/events.ts";
import { moveCheckpoint, readCheckpoints } from "../store/read_store.ts";
import { EventHandling, type Handled, isSqlFault } from "./event_handling.ts";
import type { Tables } from "./generation_tables.ts";
import { HandlerError } from "./handler_error.ts";

/** Events of one transaction. */
export const EVENTS_PER_BATCH = 1_000;
/** Positions looked through for them, so that rare events do not make one query long. */
const POSITIONS_PER_READ = 20_000;
/** How long events that are not for a projection may wait to be passed over. */
const PASS_OVER_DELAY_MS = 50;
export const RETRY_DELAY_MS = 1_000;

/** Who is told what a projector does. */
export interface ProjectorHooks {
  /** The positions have moved, or the projector has failed. */
  readonly changed?: () => void;
  /** A question about the tables, answered after each event, in the transaction of its writes. */
  readonly probe?: {
    readonly statement: Statement;
    take(event: RecordedEvent, rows: readonly Row[]): void;
  };
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
  failure: EventFailure | undefined;
  #positions: Map<number, number>;
  #isUnsure = false;
  readonly #keys: readonly string[];
  readonly #types: readonly string[];
  readonly #handling: EventHandling;
  #endings: (() => void)[] = [];
  #cancelRetry: () => void = () => {};
  #cancelLater: (() => void) | undefined;
  #run: Promise<void> | undefined;
  #isWanted = false;
  #isHeld = false;
  #isStopped = false;

  constructor(
    private readonly runtime: Runtime,
    private readonly database: Database,
    private readonly projection: AnyProjection,
    private readonly tables: Tables,
    checkpoints: Positions,
    private readonly hooks: ProjectorHooks = {},
  ) {
    this.#positions = this.#complete(checkpoints);
    this.#handling = new EventHandling(runtime.registry, projection, tables);
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
      shard.wakeups.committed.subscribe((growth) => this.#grown(growth))
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
    this.failure = error.toFailure(this.runtime.clock.now());
    this.runtime.log("error", "Projection has stopped", {
      projection: this.projection.name,
      ...this.failure.event,
      error: error.message,
    });
    this.hooks.changed?.();
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
    this.hooks.changed?.();
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

  #read(shard: Shard, after: number, upTo: number): Promise<LogPart> {
    const reading = readLog(shard.store.database, shard.number, {
      ...{ after, upTo: Math.min(upTo, after + POSITIONS_PER_READ), types: this.#types },
      ...{ limit: EVENTS_PER_BATCH, bytesMax: this.runtime.limits.pageBytesMax },
    });
    // Whether it failed is seen by whoever waits for it, if anybody still does.
    reading.catch(() => {});
    return reading;
  }

  async #apply(shard: Shard, { events, end }: LogPart): Promise<void> {
    const { handled, fault } = await this.#handling.handle(events);
    if (!fault) return await this.#writeAll(shard, handled, end);
    await this.#writeUntil(shard, handled, fault);
  }

  /** Writes what comes before an event, and stops at it. */
  async #writeUntil(shard: Shard, before: readonly Handled[], fault: HandlerError): Promise<never> {
    const { position } = fault.event;
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
    const { probe } = this.hooks;
    const probed: number[] = [];
    for (const { writes } of handled) {
      statements.push(...writes);
      if (probe) probed.push(statements.push(probe.statement) - 1);
    }
    const of = { projection: this.projection.name, generation: this.generation, shard: shard.number };
    statements.push(moveCheckpoint(of, this.#position(shard), to));
    let results: Row[][];
    try {
      results = await this.database.batch(statements, "write");
    } catch (error) {
      this.#isUnsure = !isSqlFault(error);
      throw error;
    }
    for (const [index, { event }] of handled.entries()) {
      probe?.take(event, results[probed[index] ?? -1] ?? []);
    }
    this.#positions.set(shard.number, to);
    const ids = () => handled.map(({ event }) => event.messageId);
    this.runtime.observer?.projected?.(this.projection.name, ids(), startedAt);
    this.hooks.changed?.();
  }
}
