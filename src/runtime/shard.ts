import { errorMessage, FolioError } from "../core/errors.ts";
import type { RecordedEvent } from "../core/event.ts";
import { Journal } from "../core/journal.ts";
import { activityNameOf } from "../core/activity.ts";
import { type Message, type MessageRecord, parseActorName } from "../core/message.ts";
import { Signal } from "../core/signal.ts";
import type { ArchivedRow } from "../store/archive.ts";
import type { Commit } from "../store/commit.ts";
import type { Head } from "../store/engine.ts";
import type { EventRow } from "../store/events.ts";
import { countOutbox } from "../store/outbox.ts";
import type { ShardStore } from "../store/shard_store.ts";
import type { Activation } from "./activation.ts";
import { Backlog } from "./backlog.ts";
import { Committer, notOwner } from "./committer.ts";
import { Directory } from "./directory.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Loader } from "./loader.ts";
import { Entry, type Waiter } from "./mailbox.ts";
import { answerFrom, answerTwin, Pending } from "./pending.ts";
import { Outgoing } from "./outgoing.ts";
import { Recorder } from "./recorder.ts";
import { Redriving } from "./redriving.ts";
import { type QueueReading, readQueues } from "./queues.ts";
import { Timers } from "./timers.ts";
import type { Send } from "./turn.ts";
import { Work } from "./work.ts";
import type { World } from "./world.ts";

/** How a message is admitted. */
export interface SubmitOptions {
  /** Kept from now on, and retried when it fails; otherwise it lives as long as its caller waits. */
  readonly durable: boolean;
  /** Its id came from outside and may come again. */
  readonly named: boolean;
  readonly parsedInput?: unknown;
}

/** What a commit has added to the shard's log. */
export interface LogGrowth {
  /** Position before it. */
  readonly after: number;
  readonly upTo: number;
  /** `actor-type/Event` of all that came. */
  readonly types: ReadonlySet<string>;
}

/** What a reactor sends about one event. */
export interface ReactorAnswer {
  readonly event: RecordedEvent;
  readonly sends: readonly Send[];
}

const RELOAD_DELAY_MS = 1_000;
const ONE_MORE = { ofActor: 1, ofShard: 1 };

/**
 * A fixed slice of all actors: admits messages, remembers which are pending, and holds the parts together.
 * The way of a message: `submit` here, `Dispatcher` for its turn, `Committer` to the disk and back.
 *
 * Invariants:
 * 1. A message that is durable or named stands in `#pending` from its arrival until its outcome is on disk,
 *    so that a second one with its id is noticed however early it comes.
 * 2. Messages stand in their actor's mailbox in the order of `submit`, also while it is being looked up
 *    whether they are duplicates.
 * 3. When a commit is lost, all memory is dropped and loaded again: nothing is mended in place.
 */
export class Shard {
  /** Told after each commit that added events. */
  readonly committed = new Signal<LogGrowth>();
  /** Told when messages for other shards are on disk. */
  readonly outboxFilled = new Signal();
  readonly number: number;
  /** Activities that wait for a worker, or are with one. */
  readonly work: Work;

  #state: "starting" | "open" | "recovering" | "fenced" | "closed" = "starting";
  #isDraining = false;
  readonly #directory: Directory;
  readonly #pending = new Pending();
  readonly #watched = new Map<string, Signal>();
  readonly #committer: Committer;
  readonly #dispatcher: Dispatcher;
  readonly #recorder: Recorder;
  readonly #outgoing: Outgoing;
  #loader: Loader;
  readonly #redriving: Redriving;
  #backlog: Backlog;
  #timers: Timers;
  #depth = 0;
  #cancelSweep: () => void = () => {};

  private constructor(
    readonly store: ShardStore,
    private readonly world: World,
    head: Head,
    outboxDepth: number,
  ) {
    this.number = store.shard;
    this.#committer = new Committer(
      store.engine,
      {
        committed: (events, outbox) => this.#onCommitted(events, outbox),
        ready: () => {
          this.work.resume();
          this.#dispatcher.run();
        },
        fenced: (error) => this.#stopServing("fenced", error),
        lost: (newHead, why) => this.#reload(newHead, why),
      },
      { ...world, shard: this.number, now: () => this.#recorder.now() },
      head,
    );
    this.#directory = new Directory(world, this.#committer);
    this.#loader = this.#newLoader();
    this.#backlog = this.#newBacklog();
    this.#outgoing = new Outgoing(
      {
        world,
        shard: this.number,
        committer: this.#committer,
        canAdmit: (actor, more) => this.#whyFull(actor, more),
        admit: (message) => void this.#admit(message, { durable: true, named: false }),
      },
      head,
      outboxDepth,
    );
    this.#timers = this.#newTimers();
    const timers = () => this.#timers;
    const recorder = this.#recorder = new Recorder(
      {
        world,
        shard: this.number,
        committer: this.#committer,
        outgoing: this.#outgoing,
        get timers() {
          return timers();
        },
        settled: (entry) => this.#pending.delete(entry),
        left: () => this.#depth--,
      },
      head,
    );
    this.#dispatcher = new Dispatcher({
      world,
      shard: this.number,
      committer: this.#committer,
      outgoing: this.#outgoing,
      recorder,
      load: (activation) => this.#loader.load(activation),
      settled: (entry) => this.#pending.delete(entry),
      left: () => this.#depth--,
    });
    this.work = new Work({ committer: this.#committer, recorder });
    this.#redriving = new Redriving({
      world,
      store,
      committer: this.#committer,
      recorder,
      pending: this.#pending,
      checkServing: () => this.#checkServing(),
      whyFull: (actor) => this.#whyFull(actor, ONE_MORE),
      unavailable: (cause) => this.#unavailable(cause),
      enqueue: (entry) => this.#enqueue(entry),
    });
  }

  /**
   * Takes a shard over and loads its mailboxes.
   *
   * @throws {DatabaseError} When the store cannot be read.
   */
  static async start(store: ShardStore, world: World): Promise<Shard> {
    const head = await store.engine.acquire();
    world.clock.atLeast(head.at);
    const shard = new Shard(store, world, head, await countOutbox(store.database));
    await shard.#loadPending();
    // What was pending has had its turns meanwhile, whose commit may have been lost or fenced.
    if (shard.#state === "starting") shard.#state = "open";
    shard.#dispatcher.run();
    shard.#cancelSweep = shard.#directory.startSweeping();
    return shard;
  }

  get isServing(): boolean {
    return this.#state === "open" && !this.#isDraining && this.#committer.isAccepting;
  }

  /** Messages waiting in memory. */
  get depth(): number {
    return this.#depth;
  }

  /** Actors in memory. */
  get activations(): number {
    return this.#directory.size;
  }

  /** What waits here, by the type of those it is for. */
  queues(): Map<string, QueueReading> {
    return readQueues(this.#directory.values(), this.work.entries);
  }

  /** Position of the newest event on disk. */
  get durablePosition(): number {
    return this.#recorder.durablePosition;
  }

  /**
   * Puts a message into its actor's mailbox. A durable one with a `deliverAt` to come waits for it first.
   *
   * @returns The entry, for `promote`.
   * @throws {FolioError} `mailbox-full`, `shard-full`, `draining`, `not-owner`, `store-unavailable`.
   */
  submit(message: Message, options: SubmitOptions, waiter?: Waiter): Entry {
    this.#checkServing();
    const full = this.#whyFull(message.actor, ONE_MORE);
    if (full) this.world.observer?.refused?.(message, full.code);
    if (full) throw full;
    return this.#admit(message, options, waiter);
  }

  #admit(message: Message, options: SubmitOptions, waiter?: Waiter): Entry {
    const isKept = options.named || options.durable;
    const twin = isKept ? this.#pending.get(message) : undefined;
    if (twin) {
      if (waiter) answerTwin(twin, message, waiter);
      return twin;
    }
    const isDelayed = message.deliverAt > Math.max(message.enqueuedAt, this.world.clock.now());
    // Mailboxes are read back in the order of this time, which must not go back when the clock does.
    const deliverAt = isDelayed ? message.deliverAt : Math.max(message.deliverAt, this.#recorder.now());
    const admitted = deliverAt === message.deliverAt ? message : { ...message, deliverAt };
    const entry = new Entry(admitted, options.durable, options.named, options.parsedInput);
    entry.delayed = isDelayed;
    this.world.observer?.admitted?.(admitted);
    if (waiter) entry.waiters.push(waiter);
    if (isKept) this.#pending.set(entry);
    if (options.named) {
      entry.ready = false;
      this.#loader.find(entry);
    } else if (options.durable) this.#recorder.store(entry);
    if (!entry.delayed) this.#enqueue(entry);
    else if (entry.ready) this.#backlog.delay(entry);
    return entry;
  }

  /** Makes a waiting message durable, so that its caller may leave. No-op once its turn has run. */
  promote(entry: Entry): void {
    if (entry.durable || entry.outcome) return;
    entry.durable = true;
    this.#pending.set(entry);
    if (entry.ready) this.#recorder.store(entry);
  }

  /** The actor's present state, once all of it is on disk. */
  async read(actor: string): Promise<{ state: unknown; version: number; stopped?: string | undefined }> {
    this.#checkServing();
    const activation = this.#directory.activate(actor);
    // At once, since the next turn changes the state of a saga in place.
    const look = () => {
      const { state, version, stopped, dirtyCommit, loadError } = activation;
      return {
        state: state instanceof Journal ? state.toJSON() : state,
        version,
        stopped,
        dirtyCommit,
        loadError,
      };
    };
    const isAtRest = activation.phase === "live" || activation.phase === "held";
    const { dirtyCommit, loadError, ...seen } = isAtRest
      ? look()
      : await new Promise<ReturnType<typeof look>>((resolve, reject) => {
        activation.readers.push({ resolve: () => resolve(look()), reject });
        if (activation.phase === "cold") this.#loader.load(activation);
      });
    if (loadError) {
      throw new FolioError("handler-failed", errorMessage(loadError), { actor }, { cause: loadError });
    }
    // It may have been overtaken since: then the state is nobody's to know.
    if (this.#state === "fenced") throw notOwner(this.number);
    if (dirtyCommit > this.#committer.durableIndex) await this.#committer.flushed();
    else await this.#committer.confirmed();
    return seen;
  }

  /** Tells `listener` when events of an actor are on disk. @returns A function that ends it. */
  watch(actor: string, listener: () => void): () => void {
    const signal = this.#watched.get(actor) ?? new Signal();
    this.#watched.set(actor, signal);
    const unsubscribe = signal.subscribe(listener);
    return () => {
      unsubscribe();
      if (signal.isEmpty && this.#watched.get(actor) === signal) this.#watched.delete(actor);
    };
  }

  /** Messages of an id that are in memory, each as it is now. */
  pendingById(id: string): MessageRecord[] {
    return this.#pending.byId(id).map((entry) => {
      const record = entry.toRecord(this.number);
      const isSettled = record.handledAt !== null || record.status === "dead";
      // What its turn has decided is nobody's to know before it is on disk.
      return isSettled ? { ...record, status: "running", handledAt: null, outcome: null } : record;
    });
  }

  /** Puts a dead letter back. @throws {FolioError} As `Redriving.redrive` does. */
  redrive(record: MessageRecord, input: unknown): Promise<void> {
    return this.#redriving.redrive(record, input);
  }

  /** Ends a dead letter. */
  discard(record: MessageRecord): Promise<void> {
    return this.#redriving.discard(record);
  }

  /** Forgets outbox entries that have arrived. */
  relayed(seqs: readonly number[]): Promise<void> {
    this.#checkServing();
    this.#committer.open.relayed.push(...seqs);
    this.#outgoing.arrived(seqs.length);
    return this.#committer.flushed();
  }

  /**
   * Sends what a reactor wants sent about events, and moves its checkpoint on, in one commit.
   *
   * @param answers In the order of their events.
   * @throws {FolioError} `mailbox-full`, `shard-full`: nothing was sent; or as `submit` does.
   */
  react(reactor: string, position: number, answers: readonly ReactorAnswer[]): Promise<void> {
    this.#checkServing();
    const full = this.#outgoing.whyNoRoom(answers.flatMap(({ sends }) => sends));
    if (full) throw full;
    const at = this.#recorder.now();
    for (const { event, sends } of answers) {
      const cause = { id: event.messageId, correlationId: event.correlationId, traceparent: null };
      for (const [index, send] of sends.entries()) {
        // The same however often the event is read: it tells where the message comes from, too.
        const id = `${reactor}.${event.shard}.${event.position}.${index}`;
        this.#outgoing.send({ ...send, id }, cause, at);
      }
    }
    this.#committer.open.checkpoints.push([reactor, position]);
    return this.#committer.flushed();
  }

  /** Keeps the secrets of a webhook (JSON text); null forgets them, and how far the webhook has come. */
  keepWebhookSecrets(webhook: string, secrets: string | null): Promise<void> {
    this.#checkServing();
    this.#committer.open.webhookSecrets.push([webhook, secrets]);
    return this.#committer.flushed();
  }

  /** Forgets messages handled before a time. */
  prune(what: NonNullable<Commit["prune"]>): Promise<void> {
    this.#checkServing();
    this.#committer.open.prune = what;
    return this.#committer.flushed();
  }

  /** Lets go of events that have been copied into the archive. */
  archive(rows: readonly ArchivedRow[]): Promise<void> {
    this.#checkServing();
    this.#committer.open.archived.push(...rows);
    return this.#committer.flushed();
  }

  /** Takes no new messages from outside. Resolves when what has been handled so far is on disk. */
  async drain(): Promise<void> {
    if (this.#state === "open" || this.#state === "recovering") this.#isDraining = true;
    // Whether it is lost is told to those who wait for it; here it is only over.
    await this.#committer.flushed().catch(() => {});
  }

  /** Ends all work. What was acknowledged is on disk; whoever still waits is told to come again. */
  async close(): Promise<void> {
    this.#dispatcher.stop();
    await this.#committer.idle();
    this.#stopServing("closed", draining());
    await this.store.close();
  }

  #checkServing(): void {
    if (this.#state === "fenced") throw notOwner(this.number);
    if (this.#isDraining || this.#state === "closed") throw draining();
    if (!this.isServing) throw this.#unavailable();
  }

  #unavailable(cause?: unknown): FolioError {
    const why = cause === undefined ? "" : `: ${errorMessage(cause)}`;
    return new FolioError("store-unavailable", `Shard ${this.number} cannot reach its store${why}`, {
      shard: this.number,
    });
  }

  #whyFull(actor: string, more: { ofActor: number; ofShard: number }): FolioError | undefined {
    const { shardDepthMax } = this.world.limits;
    if (this.#depth + this.#backlog.held + more.ofShard > shardDepthMax) {
      return new FolioError("shard-full", `Shard ${this.number} is full: ${shardDepthMax} messages wait`, {
        shard: this.number,
        depthMax: shardDepthMax,
      });
    }
    const activation = this.#directory.get(actor);
    const definition = activation?.actor ?? this.world.registry.actors.get(parseActorName(actor).type);
    const depthMax = definition?.mailboxDepthMax ?? this.world.limits.mailboxDepthMax;
    const depth = activation?.mailbox.length ?? 0;
    if (depth + more.ofActor <= depthMax) return undefined;
    return new FolioError("mailbox-full", `Mailbox of ${actor} is full: ${depthMax} messages wait`, {
      actor,
      depthMax,
    });
  }

  #enqueue(entry: Entry): void {
    if (activityNameOf(entry.message.actor) !== undefined) {
      this.#depth++;
      return this.work.add(entry);
    }
    const activation = this.#directory.activate(entry.message.actor);
    activation.mailbox.push(entry);
    this.#depth++;
    this.#dispatcher.schedule(activation);
  }

  #newBacklog(): Backlog {
    return new Backlog({
      world: this.world,
      store: this.store,
      committer: this.#committer,
      pending: this.#pending,
      enqueue: (entry) => this.#enqueue(entry),
    });
  }

  #newTimers(): Timers {
    return new Timers({
      world: this.world,
      store: this.store,
      committer: this.#committer,
      outgoing: this.#outgoing,
      now: () => this.#recorder.now(),
      failed: (error) => this.world.log("error", "Timers cannot be read", { error: errorMessage(error) }),
    });
  }

  #newLoader(): Loader {
    return new Loader(this.store, {
      loaded: (activation) => {
        for (const reader of activation.readers.splice(0)) reader.resolve();
        this.#dispatcher.begin(activation);
      },
      found: (entry, earlier) => this.#found(entry, earlier),
      failed: (error, activations, entries) => this.#loadFailed(error, activations, entries),
    });
  }

  /** An entry whose id came from outside has been looked up. */
  #found(entry: Entry, earlier: MessageRecord | undefined): void {
    if (entry.isAbandoned) return;
    entry.ready = true;
    if (!earlier) {
      if (entry.durable) this.#recorder.store(entry);
      if (entry.delayed) this.#backlog.delay(entry);
    } else {
      this.#pending.delete(entry);
      this.#unqueue(entry);
      for (const waiter of entry.waiters.splice(0)) answerFrom(earlier, entry.message, waiter);
    }
    this.#dispatcher.schedule(this.#directory.activate(entry.message.actor));
  }

  #unqueue(entry: Entry): void {
    if (this.#directory.get(entry.message.actor)?.mailbox.remove(entry)) this.#depth--;
  }

  #loadFailed(error: unknown, activations: readonly Activation[], entries: readonly Entry[]): void {
    const unavailable = this.#unavailable(error);
    this.world.log("error", "Store cannot be read", { shard: this.number, error: errorMessage(error) });
    for (const entry of entries) {
      // Those behind it of the same actor, too: they would be handled before it, when it comes again.
      const mailbox = this.#directory.get(entry.message.actor)?.mailbox.toArray() ?? [];
      for (const other of mailbox) if (!other.ready) this.#abandon(other, unavailable);
      this.#abandon(entry, unavailable);
      // What stood behind them may be handled now.
      const activation = this.#directory.get(entry.message.actor);
      if (activation) this.#dispatcher.schedule(activation);
    }
    for (const activation of activations) {
      activation.phase = "cold";
      for (const reader of activation.readers.splice(0)) reader.reject(unavailable);
      for (const entry of activation.mailbox.toArray()) if (!entry.durable) this.#abandon(entry, unavailable);
      if (activation.mailbox.length > 0) {
        this.world.clock.after(RELOAD_DELAY_MS, () => this.#dispatcher.schedule(activation));
      }
    }
  }

  /** Drops a message that is not on disk, and says so to whoever waits. */
  #abandon(entry: Entry, error: FolioError): void {
    entry.isAbandoned = true;
    this.#pending.delete(entry);
    this.#unqueue(entry);
    for (const waiter of entry.waiters.splice(0)) waiter.failed(error);
  }

  #onCommitted(events: readonly EventRow[], outbox: number): void {
    const after = this.durablePosition;
    this.#recorder.committed(events.length);
    if (events.length > 0 && !this.committed.isEmpty) {
      const types = new Set<string>();
      let [prefix, seen] = ["", ""];
      for (const [, actor, , type] of events) {
        if (type === seen && actor.startsWith(prefix)) continue; // as nearly all are
        [prefix, seen] = [actor.slice(0, actor.indexOf("/") + 1), type];
        types.add(prefix + type);
      }
      this.committed.emit({ after, upTo: this.durablePosition, types });
    }
    if (this.#watched.size > 0) {
      for (const [, actor] of events) this.#watched.get(actor)?.emit();
    }
    if (outbox > 0) this.outboxFilled.emit();
  }

  /** Drops all memory, telling whoever waits. */
  #forget(error: FolioError): void {
    this.#loader.stop();
    this.#backlog.stop();
    this.#timers.stop();
    this.work.clear(this.#state !== "recovering");
    for (const entry of this.#pending.values()) {
      for (const waiter of entry.waiters.splice(0)) waiter.failed(error);
    }
    for (const activation of this.#directory.values()) {
      for (const reader of activation.readers.splice(0)) reader.reject(error);
      // Emptied, because timers that were set for it still fire, and must find nothing to do.
      for (let entry = activation.mailbox.shift(); entry; entry = activation.mailbox.shift()) {
        for (const waiter of entry.waiters.splice(0)) waiter.failed(error);
      }
    }
    this.#pending.clear();
    this.#directory.clear();
    this.#depth = 0;
  }

  #beginAnew(): void {
    this.#forget(this.#unavailable());
    this.#loader = this.#newLoader();
    this.#backlog = this.#newBacklog();
    this.#timers = this.#newTimers();
  }

  async #reload(head: Head, why: string): Promise<void> {
    if (this.#state === "open" || this.#state === "starting") this.#state = "recovering";
    this.#beginAnew();
    while (this.#state === "recovering") {
      try {
        this.#outgoing.reset(head, await countOutbox(this.store.database));
        this.#recorder.reset(head);
        this.#dispatcher.reset();
        await this.#loadPending();
        break;
      } catch (error) {
        this.world.log("error", "Store cannot be read", { shard: this.number, error: errorMessage(error) });
        await new Promise<void>((resolve) => this.world.clock.after(RELOAD_DELAY_MS, resolve));
        // What was loaded before it failed would count as loaded, and is in nobody's hands.
        this.#beginAnew();
      }
    }
    if (this.#state === "recovering") this.#state = "open";
    this.world.log("warn", "Shard was loaded again after a lost commit", { shard: this.number, why });
  }

  #stopServing(state: "fenced" | "closed", error: FolioError): void {
    this.#state = state;
    this.#cancelSweep();
    this.#forget(error);
    if (state === "closed") this.#committer.close(error);
    else this.world.log("error", error.message, { shard: this.number });
  }

  /** Fills the mailboxes, and holds what is due soon. */
  async #loadPending(): Promise<void> {
    const timers = this.#timers;
    await this.#backlog.load(this.#recorder.now());
    await timers.start();
  }
}

function draining(): FolioError {
  return new FolioError("draining", "This process is stopping", {});
}
