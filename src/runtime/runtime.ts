import { defaultLimits, type Limits } from "../config.ts";
import { type Clock, SteadyClock, systemClock } from "../core/clock.ts";
import type { CommandRequest } from "../core/command.ts";
import type { RecordedEvent } from "../core/event.ts";
import { errorMessage, FolioError } from "../core/errors.ts";
import { createIds, type Ids } from "../core/ids.ts";
import { type Log, silentLog } from "../core/log.ts";
import type { Observer } from "../core/observer.ts";
import type { MessageRecord } from "../core/message.ts";
import { Signal } from "../core/signal.ts";
import { shardOf } from "../core/shard_of.ts";
import { formatToken, parseToken, type Positions } from "../core/token.ts";
import { DatabaseError } from "../store/database.ts";
import { readStream, type StreamQuery } from "../store/events.ts";
import type { ShardStore } from "../store/shard_store.ts";
import type { Accepted, Answer, Answered } from "./caller.ts";
import { type LogPage, type LogQuery, readLogPage } from "./log_reader.ts";
import { Commands, copyOfRequest, type SubmitOptions } from "./commands.ts";
import { type ComingUp, readComingUp } from "./coming_up.ts";
import { DeadLetters } from "./dead_letters.ts";
import { readPast, type Until } from "./history.ts";
import { readMessage } from "./message_reader.ts";
import { type AnyModule, Registry } from "./registry.ts";
import { Sagas } from "./sagas.ts";
import { Shard } from "./shard.ts";
import type { World } from "./world.ts";
import { Schedules } from "./schedules.ts";
import { readTrace, type Trace } from "./trace.ts";

/** What `ask` gives: the reply, or the actor's no. */
export type AskResult<Reply, Rejection> =
  & Answered
  & { readonly version: number; readonly position: number; readonly token: string }
  & ({ readonly ok: true; readonly reply: Reply } | { readonly ok: false; readonly rejection: Rejection });

export interface RuntimeOptions {
  readonly modules: readonly AnyModule[];
  /** Folio's own modules. */
  readonly builtIn?: readonly AnyModule[] | undefined;
  /** All shards of one store, in order. */
  readonly stores: readonly ShardStore[];
  readonly clock?: Clock | undefined;
  readonly ids?: Ids | undefined;
  readonly limits?: Partial<Limits> | undefined;
  readonly log?: Log | undefined;
  /** Told what happens, for metrics and traces. */
  readonly observer?: Observer | undefined;
}

/**
 * All shards of this process, and the way to them: what is sent goes through `Commands`, what is read is in the memory
 * or on the disk of a shard, or of several.
 */
export class Runtime {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Log;
  readonly observer: Observer | undefined;
  readonly shards: readonly Shard[];
  readonly deadLetters: DeadLetters;
  readonly schedules: Schedules;
  readonly sagas: Sagas;
  /** Told when draining begins, so that what never ends by itself is ended. */
  readonly draining = new Signal();
  readonly #ids: Ids;
  #isOvertaken = false;
  readonly #commands: Commands;

  private constructor(shards: readonly Shard[], world: World) {
    this.shards = shards;
    this.registry = world.registry;
    this.deadLetters = new DeadLetters(shards, world.registry, world.limits.pageBytesMax);
    this.schedules = new Schedules(this);
    this.sagas = new Sagas(this);
    this.clock = world.clock;
    this.limits = world.limits;
    this.log = world.log;
    this.observer = world.observer;
    this.#ids = world.ids;
    this.#commands = new Commands(world, (actor) => this.shardOf(actor));
  }

  /** Takes the shards over and loads their mailboxes. */
  static async start(options: RuntimeOptions): Promise<Runtime> {
    const clock = new SteadyClock(options.clock ?? systemClock);
    const world: World = {
      clock,
      ids: options.ids ?? createIds(clock),
      limits: { ...defaultLimits, ...options.limits },
      log: options.log ?? silentLog,
      observer: options.observer,
      registry: new Registry(options.modules, options.builtIn),
      shardOf: (actor) => shardOf(actor, options.stores.length),
    };
    const shards: Shard[] = [];
    try {
      for (const store of options.stores) shards.push(await Shard.start(store, world));
    } catch (error) {
      await Promise.allSettled(shards.map((shard) => shard.close()));
      throw error;
    }
    return new Runtime(shards, world);
  }

  /** Whether commands are taken, and this process is not to be replaced. */
  get isReady(): boolean {
    return !this.isDraining && !this.#isOvertaken && this.shards.every((shard) => shard.isServing);
  }

  /**
   * Another process has taken over what follows the log: projections stand still here. It may have died before it
   * had the shards, so that commands are still taken; whoever looks after this process is told that it is not ready.
   */
  overtaken(): void {
    if (this.#isOvertaken) return;
    this.#isOvertaken = true;
    this.log("error", "Another process has taken the read database over: this one is to be replaced");
  }

  get isDraining(): boolean {
    return this.#commands.isClosed;
  }

  /** The shard that an actor lives in. */
  shardOf(actor: string): Shard {
    const shard = this.shards[shardOf(actor, this.shards.length)];
    if (!shard) throw new RangeError(`Runtime has no shards`);
    return shard;
  }

  /**
   * Sends a command and waits for its answer. A rejection is an answer too.
   *
   * @throws {FolioError} `message-in-progress` after `requestWaitMsMax`: the message is kept, and will be
   * handled; and whatever `submit` throws.
   *
   * @example
   * ```ts
   * import { createRuntime } from "folio";
   * import { account } from "../../actors/account.ts";
   *
   * await using runtime = await createRuntime({ modules: [account], data: ":memory:" });
   * await runtime.ask(account.ref("alice").open({ owner: "Alice" }));
   * const result = await runtime.ask(account.ref("alice").withdraw({ amount: 5 }));
   * if (!result.ok) console.log(result.rejection.code); // "insufficient-funds"
   * ```
   */
  async ask<Reply, Rejection>(
    request: CommandRequest<Reply, Rejection>,
    options: Omit<SubmitOptions, "waitMs" | "deliverAt"> = {},
  ): Promise<AskResult<Reply, Rejection>> {
    const copy = this.copyOf(request);
    const answer = await this.submit(copy, { ...options, waitMs: this.limits.requestWaitMsMax });
    if (answer.status === "accepted") {
      const id = answer.messageId;
      throw new FolioError("message-in-progress", `Message ${id} has not been handled yet, but it will be`, {
        id,
      });
    }
    const { messageId, correlationId, actor, shard, version, position, token } = answer;
    const common = { messageId, correlationId, actor, shard, version, position, token };
    // What a handler returns has the type that its command was inferred with.
    if (answer.status === "done") return { ...common, ok: true, reply: answer.reply as Reply };
    const rejection = { code: answer.rejection, details: answer.details } as Rejection;
    return { ...common, ok: false, rejection };
  }

  /**
   * Sends a command. Resolves once it is on disk; nobody waits for its reply.
   *
   * @throws {FolioError} As `submit` does.
   */
  async send(request: CommandRequest, options: Omit<SubmitOptions, "waitMs"> = {}): Promise<Accepted> {
    const { messageId, correlationId, actor, shard } = await this.submit(this.copyOf(request), {
      ...options,
      waitMs: 0,
    });
    return { status: "accepted", messageId, correlationId, actor, shard };
  }

  /**
   * Sends a command: what `ask`, `send` and HTTP have in common.
   *
   * @throws {FolioError} `unknown-actor-type`, `unknown-command`, `malformed`, `invalid-input`,
   * `version-mismatch`, `message-in-progress`, `message-mismatch`, `mailbox-full`, `shard-full`,
   * `handler-failed`, `invariant-broken`, `draining`, `not-owner`, `store-unavailable`.
   */
  submit(request: CommandRequest, options: SubmitOptions): Promise<Answer> {
    return this.#commands.submit(request, options);
  }

  /**
   * The present state of an actor; version 0 if it has no events.
   *
   * @throws {FolioError} `unknown-actor-type`, `malformed`, `handler-failed` when its log cannot be read.
   */
  state(type: string, key: string): Promise<{ state: unknown; version: number }> {
    this.registry.actor(type, key);
    const actor = `${type}/${key}`;
    return this.shardOf(actor).read(actor);
  }

  /** The state of an actor at a past version or time; undefined when it had no events then. */
  async past(
    type: string,
    key: string,
    until: Until,
  ): Promise<{ state: unknown; version: number } | undefined> {
    const actor = this.registry.actor(type, key);
    const name = `${type}/${key}`;
    try {
      return await readPast(this.shardOf(name), actor, name, until, this.limits.pageBytesMax);
    } catch (cause) {
      if (cause instanceof DatabaseError) throw cause;
      throw new FolioError("handler-failed", errorMessage(cause), { actor: name }, { cause });
    }
  }

  /**
   * Events of one actor after a version, oldest first: up to `limit`, and as many as `pageBytesMax` has room
   * for. `hasMore` says whether there are more behind them, or before them where the newest are asked for.
   */
  async stream(
    type: string,
    key: string,
    page: Omit<StreamQuery, "actor" | "bytesMax"> & { bytesMax?: number },
  ): Promise<{ events: RecordedEvent[]; hasMore: boolean }> {
    this.registry.actor(type, key);
    const actor = `${type}/${key}`;
    const shard = this.shardOf(actor);
    const query = { actor, ...page, bytesMax: this.#pageBytes(page) };
    const { items, hasMore } = await readStream(shard.store.database, shard.number, query);
    return { events: items.map((event) => this.registry.present(event)), hasMore };
  }

  #pageBytes({ bytesMax = Infinity }: { bytesMax?: number | undefined }): number {
    return Math.min(bytesMax, this.limits.pageBytesMax);
  }

  /**
   * What is known of a message.
   *
   * @param actor Tells which, where several actors were sent the same id.
   * @throws {FolioError} `unknown-message`, `ambiguous-message`.
   */
  message(id: string, actor?: string): Promise<MessageRecord> {
    return readMessage(this.shards, id, actor);
  }

  /** What timers and delayed messages will bring, soonest first; those of one actor, where it is named. */
  timers(page: { actor?: string | undefined; limit: number }): Promise<ComingUp[]> {
    const { pageBytesMax: bytesMax } = this.limits;
    return readComingUp(this.shards, { ...page, bytesMax, now: this.clock.now() });
  }

  /** One page of the log across actors. */
  async readLog(query: LogQuery): Promise<LogPage> {
    const bounds = { scanMax: this.limits.pageScanMax, bytesMax: this.#pageBytes(query) };
    const page = await readLogPage(this.shards, query, bounds);
    return { ...page, events: page.events.map((event) => this.registry.present(event)) };
  }

  /** A new message id, for who wants to know it before the message is sent. */
  newId(): string {
    return this.#ids.next();
  }

  /** A number in [0, 1), from the same source as all chance. */
  random(): number {
    return this.#ids.random();
  }

  /** The positions that everything on disk has now. */
  positions(): Positions {
    return new Map(this.shards.map((shard) => [shard.number, shard.durablePosition]));
  }

  trace(correlationId: string): Promise<Trace> {
    const sources = this.shards.map(({ number, store: { database } }) => ({ number, database }));
    const { traceNodesMax: nodesMax, pageBytesMax: bytesMax } = this.limits;
    return readTrace(sources, correlationId, { nodesMax, bytesMax });
  }

  parseToken(text: string): Positions {
    return parseToken(text, this.shards.length);
  }

  formatToken(positions: Positions): string {
    return formatToken(positions);
  }

  /**
   * Takes no new commands; resolves when those with a caller have been answered and all that has been handled
   * is on disk.
   */
  async drain(): Promise<void> {
    this.#commands.close();
    this.draining.emit();
    await this.#commands.told();
    await Promise.all(this.shards.map((shard) => shard.drain()));
  }

  /** Ends all work and closes the store. Whoever still waits is told `draining`. */
  async stop(): Promise<void> {
    this.#commands.close();
    await Promise.all(this.shards.map((shard) => shard.close()));
  }

  /**
   * A request from within this process, as it would have come from outside: JSON, bounded, and nobody else's.
   *
   * @throws {FolioError} `invalid-input`, `payload-too-large`.
   */
  copyOf(request: CommandRequest): CommandRequest {
    return copyOfRequest(request, this.limits.payloadBytesMax);
  }
}
