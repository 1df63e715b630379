import { activityType } from "../core/activity.ts";
import type { CommandRequest } from "../core/command.ts";
import { type Duration, parseDuration } from "../core/duration.ts";
import { errorMessage, FolioError } from "../core/errors.ts";
import type { RecordedEvent } from "../core/event.ts";
import { invalidKeyReason, parseActorName } from "../core/message.ts";
import type { Reactor } from "../core/reactor.ts";
import type { ProjectionFailure, ReactorStatus } from "../runtime/read_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { LogGrowth, ReactorAnswer, Shard } from "../runtime/shard.ts";
import type { Send } from "../runtime/turn.ts";
import { readCheckpoint } from "../store/checkpoints.ts";
import { readLog } from "../store/events.ts";

/** Events answered in one commit. */
const EVENTS_PER_COMMIT = 100;
/** Positions looked through for them. */
const POSITIONS_PER_READ = 20_000;
const RETRY_DELAY_MS = 1_000;

/** A handler that threw at an event. */
class HandlerError extends Error {
  override readonly name = "HandlerError";

  constructor(readonly event: RecordedEvent, override readonly cause: unknown) {
    super(errorMessage(cause));
  }
}

/**
 * Follows the log of one shard for one reactor.
 *
 * Invariants:
 * 1. What is sent about events and the checkpoint behind them are one commit of the shard that the events are
 *    in: each event is answered once.
 * 2. Messages find room or wait: a full mailbox holds the reactor back, and nothing is skipped.
 */
class ReactorFollower {
  failure: ProjectionFailure | undefined;
  position = 0;
  /** Position of the checkpoint on disk. */
  #stored = 0;
  #isOpen = false;
  #isWanted = false;
  #isStopped = false;
  #run: Promise<void> | undefined;
  #cancelRetry: () => void = () => {};
  #unsubscribe: () => void = () => {};
  readonly #keys: readonly string[];
  readonly #types: readonly string[];

  constructor(
    private readonly runtime: Runtime,
    private readonly reactor: Reactor,
    private readonly shard: Shard,
  ) {
    this.#keys = [...reactor.on.keys()];
    this.#types = [...new Set(this.#keys.map((key) => parseActorName(key).key))];
  }

  get lagEvents(): number {
    return this.shard.durablePosition - this.position;
  }

  start(): void {
    this.#unsubscribe = this.shard.committed.subscribe((growth) => this.#grown(growth));
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#cancelRetry();
    await this.#run;
  }

  #grown(growth: LogGrowth): void {
    const isCaughtUp = this.#isOpen && !this.#run && !this.failure && this.position === growth.after;
    const isForUs = this.#keys.some((key) => growth.types.has(key));
    // What is not for us costs no look at the disk, and a checkpoint only now and then.
    if (isCaughtUp && !isForUs && this.#isFresh(growth.upTo)) this.position = growth.upTo;
    else this.#wake();
  }

  #wake(): void {
    this.#isWanted = true;
    this.#run ??= this.#loop().finally(() => this.#run = undefined);
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
          reactor: this.reactor.name,
          shard: this.shard.number,
          error: errorMessage(error),
        });
        if (!this.#isStopped) {
          this.#cancelRetry = this.runtime.clock.after(RETRY_DELAY_MS, () => this.#wake());
        }
      }
    }
  }

  #fail(error: HandlerError): void {
    const { shard, position, type, actor } = error.event;
    this.failure = {
      error: error.message,
      event: { shard, position, type, actor },
      at: this.runtime.clock.now(),
    };
    this.runtime.log("error", "Reactor has stopped", {
      reactor: this.reactor.name,
      ...this.failure.event,
      error: error.message,
    });
  }

  async #open(): Promise<void> {
    const { name, startFrom } = this.reactor;
    const stored = await readCheckpoint(this.shard.store.database, name);
    if (stored === undefined) {
      this.position = startFrom === "now" ? this.shard.durablePosition : 0;
      // Where it starts must not move when it starts again before the first event.
      await this.shard.react(name, this.position, []);
    } else this.position = stored;
    this.#stored = this.position;
    this.#isOpen = true;
  }

  async #catchUp(): Promise<void> {
    if (!this.#isOpen) await this.#open();
    while (!this.#isStopped && this.position < this.shard.durablePosition) {
      const upTo = Math.min(this.shard.durablePosition, this.position + POSITIONS_PER_READ);
      const events = await readLog(this.shard.store.database, this.shard.number, {
        after: this.position,
        upTo,
        limit: EVENTS_PER_COMMIT,
        types: this.#types,
      });
      const end = events.length === EVENTS_PER_COMMIT ? events.at(-1)?.position ?? upTo : upTo;
      await this.#answer(events, end);
    }
  }

  async #answer(events: readonly RecordedEvent[], end: number): Promise<void> {
    const answers: ReactorAnswer[] = [];
    for (const event of events) {
      let sends: Send[];
      try {
        sends = this.#sends(event);
      } catch (error) {
        const failed = new HandlerError(event, error);
        await this.#commit(answers, event.position - 1);
        throw failed;
      }
      if (sends.length > 0) answers.push({ event, sends });
    }
    await this.#commit(answers, end);
  }

  /** Together if there is room for all; otherwise one event after the other, as far as there is. */
  async #commit(answers: readonly ReactorAnswer[], end: number): Promise<void> {
    if (end <= this.position) return;
    // Events that ask for nothing do not cost a commit each: after a crash they are read once more.
    if (answers.length === 0 && this.#isFresh(end)) {
      this.position = end;
      return;
    }
    const { name } = this.reactor;
    try {
      await this.shard.react(name, end, answers);
    } catch (error) {
      if (!isFull(error) || answers.length === 0) throw error;
      for (const answer of answers) {
        await this.shard.react(name, answer.event.position, [answer]);
        this.position = answer.event.position;
      }
      await this.shard.react(name, end, []);
    }
    this.position = end;
    this.#stored = end;
  }

  #isFresh(end: number): boolean {
    return end - this.#stored < POSITIONS_PER_READ;
  }

  #sends(event: RecordedEvent): Send[] {
    const { type, key } = parseActorName(event.actor);
    const handler = this.reactor.on.get(`${type}/${event.type}`);
    if (!handler) return [];
    const sends: Send[] = [];
    const { payload, actor, version, shard, position, at, messageId, correlationId } = this.runtime.registry
      .present(
        event,
      );
    const { runtime } = this;
    const push = (request: CommandRequest, after: Duration | undefined) => {
      const delayMs = after === undefined ? 0 : parseDuration(after);
      if (delayMs === undefined) throw new TypeError(`Cannot send: not a duration, "${after}"`);
      if (sends.length >= runtime.limits.turnSendsMax) {
        throw new RangeError("Too many messages for one event");
      }
      sends.push({ request: runtime.copyOf(request), delayMs });
    };
    const returned: unknown = handler(
      {
        send: (request, { after } = {}) => {
          runtime.registry.parse(request);
          push(request, after);
        },
        perform: (activity, input, { key = "-", after } = {}) => {
          const badKey = invalidKeyReason(key);
          if (badKey) {
            throw new TypeError(`Cannot perform ${activity.name}: its key cannot be used, ${badKey}`);
          }
          runtime.registry.parseActivity(activity, input);
          push({ type: activityType(activity.name), key, command: "run", input }, after);
        },
      },
      { payload, actor, key, version, type: event.type, shard, position, at, messageId, correlationId },
    );
    if (returned instanceof Promise) {
      throw new TypeError("Handler must be synchronous, but it returned a promise");
    }
    return sends;
  }
}

/** Lets all reactors of the runtime's modules follow the logs. */
export class Reactors {
  readonly #followers = new Map<Reactor, ReactorFollower[]>();

  constructor(private readonly runtime: Runtime) {}

  start(): void {
    for (const reactor of this.runtime.registry.reactors.values()) {
      const followers = this.runtime.shards.map((shard) => new ReactorFollower(this.runtime, reactor, shard));
      this.#followers.set(reactor, followers);
      for (const follower of followers) follower.start();
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#followers.values()].flat().map((follower) => follower.stop()));
  }

  list(): ReactorStatus[] {
    return [...this.#followers].map(([{ name }, followers]) => {
      const failure = followers.find((follower) => follower.failure)?.failure;
      return {
        name,
        status: failure ? "failed" : "live",
        lagEvents: followers.reduce((lag, follower) => lag + Math.max(0, follower.lagEvents), 0),
        ...(failure ? { failure } : {}),
      };
    });
  }
}

function isFull(error: unknown): boolean {
  return FolioError.is(error, "mailbox-full") || FolioError.is(error, "shard-full");
}
