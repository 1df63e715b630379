import { errorMessage, FolioError } from "../core/errors.ts";
import type { RecordedEvent } from "../core/event.ts";
import type { Reactor } from "../core/reactor.ts";
import type { LogGrowth } from "../runtime/log_wakeups.ts";
import type { ReactorAnswer } from "../runtime/outgoing.ts";
import type { EventFailure } from "../runtime/read_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Shard } from "../runtime/shard.ts";
import { readCheckpoint } from "../store/checkpoints.ts";
import { HandlerError } from "./handler_error.ts";
import { POSITIONS_PER_READ, ReactorHandling } from "./reactor_handling.ts";

/** Events answered in one commit. */
const EVENTS_PER_COMMIT = 100;
const RETRY_DELAY_MS = 1_000;

/** How a follower differs from that of a module's reactor. */
export interface FollowerOptions {
  /** Under which name it remembers how far it has come (its reactor's); ids of what it sends begin with it. */
  readonly checkpoint?: string | undefined;
  /** Position after which it starts where it has no checkpoint yet; its reactor says so otherwise. */
  readonly startAfter?: number | undefined;
  /** Where it ends; left out, it follows the log for ever. */
  readonly upTo?: number | undefined;
  /** Asked before each commit; where there is no room, it waits. */
  readonly hasRoom?: (() => boolean) | undefined;
}

/**
 * Follows the log of one shard for one reactor.
 *
 * Invariants:
 * 1. What is sent about events and the checkpoint behind them are one commit of the shard that the events are
 *    in: each event is answered once.
 * 2. Messages find room or wait: a full mailbox holds the reactor back, and nothing is skipped.
 */
export class ReactorFollower {
  failure: EventFailure | undefined;
  position: number;
  readonly checkpoint: string;
  readonly #upTo: number;
  /** Position of the checkpoint on disk. */
  #stored = 0;
  #isOpen = false;
  /** The store has refused what is sent about several events: one of them is to blame. */
  #isSingling = false;
  #isWanted = false;
  #isStopped = false;
  #run: Promise<void> | undefined;
  #cancelRetry: () => void = () => {};
  #unsubscribe: () => void = () => {};
  readonly #handling: ReactorHandling;
  readonly #opened = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();

  constructor(
    private readonly runtime: Runtime,
    private readonly reactor: Reactor,
    private readonly shard: Shard,
    private readonly options: FollowerOptions = {},
  ) {
    this.position = options.startAfter ?? 0;
    this.checkpoint = options.checkpoint ?? reactor.name;
    this.#upTo = options.upTo ?? Infinity;
    this.#handling = new ReactorHandling(runtime, reactor);
  }

  get lagEvents(): number {
    return Math.max(0, this.#end - this.position);
  }

  /** Resolves when it knows where it is, or was stopped. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Resolves when it has come to its end, or was stopped. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  get #end(): number {
    return Math.min(this.shard.durablePosition, this.#upTo);
  }

  start(): void {
    if (this.#upTo === Infinity) {
      this.#unsubscribe = this.shard.wakeups.committed.subscribe((growth) => this.#grown(growth));
    }
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#cancelRetry();
    await this.#run;
    this.#opened.resolve();
    this.#done.resolve();
  }

  #grown(growth: LogGrowth): void {
    const isCaughtUp = this.#isOpen && !this.#run && !this.failure && this.position === growth.after;
    const isForUs = this.#handling.keys.some((key) => growth.types.has(key));
    // What is not for us costs no look at the disk, and a checkpoint only now and then.
    if (isCaughtUp && !isForUs && this.#isFresh(growth.upTo)) this.position = growth.upTo;
    else this.#wake();
  }

  #wake(): void {
    this.#isWanted = true;
    this.#run ??= this.#loop().finally(() => {
      this.#run = undefined;
      // Woken after the loop had ended, and before it was known to.
      if (this.#isWanted && !this.#isStopped && !this.failure) this.#wake();
    });
  }

  #wakeLater(): void {
    this.#cancelRetry();
    if (this.#isStopped) return;
    this.#cancelRetry = this.runtime.clock.after(RETRY_DELAY_MS, () => this.#wake());
  }

  async #loop(): Promise<void> {
    while (this.#isWanted && !this.#isStopped && !this.failure) {
      this.#isWanted = false;
      try {
        await this.#catchUp();
      } catch (error) {
        if (error instanceof HandlerError) return this.#fail(error);
        // The commit may have been lost, or not: the checkpoint on disk knows.
        this.#isOpen = false;
        this.runtime.log("warn", "Reactor cannot go on yet", {
          reactor: this.checkpoint,
          shard: this.shard.number,
          error: errorMessage(error),
        });
        this.#wakeLater();
      }
    }
  }

  #fail(error: HandlerError): void {
    this.failure = error.toFailure(this.runtime.clock.now());
    this.runtime.log("error", "Reactor has stopped", {
      reactor: this.checkpoint,
      ...this.failure.event,
      error: error.message,
    });
  }

  async #open(): Promise<void> {
    const { startFrom } = this.reactor;
    const name = this.checkpoint;
    const stored = await readCheckpoint(this.shard.store.database, name);
    if (stored === undefined) {
      const { startAfter = startFrom === "now" ? this.shard.durablePosition : 0 } = this.options;
      this.position = startAfter;
      // Where it starts must not move when it starts again before the first event.
      await this.shard.react(name, this.position, []);
    } else this.position = stored;
    this.#stored = this.position;
    this.#isOpen = true;
    this.#opened.resolve();
  }

  async #catchUp(): Promise<void> {
    if (!this.#isOpen) await this.#open();
    while (!this.#isStopped && this.position < this.#end) {
      if (this.options.hasRoom && !this.options.hasRoom()) return this.#wakeLater();
      const range = { after: this.position, upTo: this.#end, limit: EVENTS_PER_COMMIT };
      const { events, end } = await this.#handling.read(this.shard, range);
      await this.#answer(events, end);
    }
    if (this.position >= this.#upTo) this.#done.resolve();
  }

  async #answer(events: readonly RecordedEvent[], end: number): Promise<void> {
    let answers: ReactorAnswer[] = [];
    let total = 0;
    for (const event of events) {
      try {
        const { sends, bytes } = this.#handling.sendsFor(event);
        if (sends.length > 0) answers.push({ event, sends });
        total += bytes;
      } catch (error) {
        await this.#commit(answers, event.position - 1);
        throw error;
      }
      if (total < this.runtime.limits.commitBytesMax) continue;
      // No commit may become longer than one can be.
      await this.#commit(answers, event.position);
      [answers, total] = [[], 0];
    }
    await this.#commit(answers, end);
  }

  /** Together if there is room for all; otherwise one event after the other, as far as there is. */
  async #commit(answers: readonly ReactorAnswer[], end: number): Promise<void> {
    if (end <= this.position) return;
    // Events that ask for nothing do not cost a commit each: after a crash they are read once more.
    if (answers.length === 0 && this.#isFresh(end) && end < this.#upTo) {
      this.position = end;
      return;
    }
    try {
      if (this.#isSingling) await this.#commitSingly(answers, end);
      else await this.shard.react(this.checkpoint, end, answers);
    } catch (error) {
      // When the shard is loaded again, it comes again, and the one that is refused is found.
      if (FolioError.is(error, "store-refused")) this.#isSingling = true;
      if (!isFull(error) || answers.length === 0) throw error;
      await this.#commitSingly(answers, end);
    }
    this.#isSingling = false;
    this.position = end;
    this.#stored = end;
  }

  /** @throws {HandlerError} When the store refuses what one of them asks for. */
  async #commitSingly(answers: readonly ReactorAnswer[], end: number): Promise<void> {
    for (const answer of answers) {
      const { event } = answer;
      try {
        await this.shard.react(this.checkpoint, event.position, [answer]);
      } catch (error) {
        throw FolioError.is(error, "store-refused") ? new HandlerError(event, error) : error;
      }
      this.position = event.position;
    }
    await this.shard.react(this.checkpoint, end, []);
  }

  #isFresh(end: number): boolean {
    return end - this.#stored < POSITIONS_PER_READ;
  }
}

function isFull(error: unknown): boolean {
  return FolioError.is(error, "mailbox-full") || FolioError.is(error, "shard-full");
}
