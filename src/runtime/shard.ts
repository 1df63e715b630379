import { errorMessage, type FolioError } from "../core/errors.ts";
import type { Message, MessageRecord } from "../core/message.ts";
import type { ArchivedRow } from "../store/archive.ts";
import type { Commit } from "../store/commit.ts";
import type { Head } from "../store/engine.ts";
import { countOutbox } from "../store/outbox.ts";
import type { ShardStore } from "../store/shard_store.ts";
import { Admission, type AdmitOptions } from "./admission.ts";
import { Committer } from "./committer.ts";
import { Directory } from "./directory.ts";
import { Dispatcher } from "./dispatcher.ts";
import { LogWakeups } from "./log_wakeups.ts";
import type { Entry, Waiter } from "./mailbox.ts";
import type { OpenCommit } from "./open_commit.ts";
import { Outgoing, type ReactorAnswer } from "./outgoing.ts";
import { LostWithOthers } from "./pending.ts";
import { type QueueReading, readQueues } from "./queues.ts";
import { Recorder } from "./recorder.ts";
import { Redriving } from "./redriving.ts";
import { Refusals } from "./refusals.ts";
import { draining, Serving } from "./serving.ts";
import { type ReadState, StateReader } from "./state_reader.ts";
import { Timers } from "./timers.ts";
import { Work } from "./work.ts";
import type { World } from "./world.ts";

const RELOAD_DELAY_MS = 1_000;

/**
 * A fixed slice of all actors: makes the parts, connects them, and is what the rest of the process sees of them.
 * The way of a message: `Admission` into its mailbox, `Dispatcher` for its turn, `Committer` to the disk and back.
 *
 * What lives only in memory is with `Admission` (messages, actors), `Timers` and `Work`; `Recorder` and `Outgoing`
 * count on from the head.
 *
 * Invariants:
 * 1. When a commit is lost, all memory is dropped and loaded again: nothing is mended in place.
 * 2. What joins a commit from outside of turns does so only while the shard is serving.
 */
export class Shard {
  readonly number: number;
  /** Activities that wait for a worker, or are with one. */
  readonly work: Work;
  /** Told when its log or its outbox has grown. */
  readonly wakeups = new LogWakeups();
  readonly #serving: Serving;
  readonly #directory: Directory;
  readonly #admission: Admission;
  readonly #committer: Committer;
  readonly #dispatcher: Dispatcher;
  readonly #recorder: Recorder;
  readonly #outgoing: Outgoing;
  readonly #redriving: Redriving;
  readonly #refusals: Refusals;
  readonly #states: StateReader;
  #timers: Timers;
  #reloading: Promise<void> = Promise.resolve();
  #cancelSweep: () => void = () => {};

  private constructor(
    readonly store: ShardStore,
    private readonly world: World,
    head: Head,
    outboxDepth: number,
  ) {
    const shard = this.number = store.shard;
    const committer = this.#committer = new Committer(
      store.engine,
      {
        committed: (events, outbox) => {
          const after = this.durablePosition;
          this.#recorder.committed(events.length);
          this.wakeups.wake(after, events, outbox);
        },
        ready: () => {
          this.work.resume();
          this.#dispatcher.run();
        },
        changed: () => this.#dispatcher.run(),
        fenced: (error) => this.#stopServing("fenced", error),
        lost: (newHead, why) => this.#reloading = this.#reload(newHead, why),
      },
      { ...world, shard, now: () => this.#recorder.now() },
      head,
    );
    const serving = this.#serving = new Serving(shard, committer);
    const directory = this.#directory = new Directory(world, committer);
    const outgoing = this.#outgoing = new Outgoing(
      {
        world,
        shard,
        committer,
        whyFull: (actor, more) => this.#admission.whyFull(actor, more),
        admit: (message) => void this.#admission.admit(message, { durable: true, named: false }),
      },
      head,
      outboxDepth,
    );
    const refusals = this.#refusals = new Refusals(world);
    const parts = { world, shard, committer, outgoing, refusals };
    const leaving = {
      settled: (entry: Entry) => {
        this.#admission.pending.delete(entry);
        refusals.forget(entry);
      },
      lost: (entry: Entry, error: FolioError) => this.#admission.lost(entry, error),
      left: () => this.#admission.left(),
    };
    this.#timers = this.#newTimers();
    const changeTimer: Timers["change"] = (...change) => this.#timers.change(...change);
    const recorder = this.#recorder = new Recorder({ ...parts, ...leaving, changeTimer }, head);
    const load: Admission["load"] = (activation) => this.#admission.load(activation);
    const dispatcher = this.#dispatcher = new Dispatcher({ ...parts, ...leaving, recorder, load });
    const work = this.work = new Work({ committer, recorder, refusals });
    const admission = this.#admission = new Admission(
      { world, store, committer, directory, serving, recorder, dispatcher, work },
    );
    this.#redriving = new Redriving(
      { world, store, committer, serving, recorder, refusals, admission },
    );
    this.#states = new StateReader({ shard, directory, committer, serving, load });
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
    try {
      await shard.#loadWaiting();
    } catch (error) {
      // What was begun meanwhile may have been lost: then all is loaded again.
      if (!shard.#serving.isRecovering) throw error;
      await shard.#reloading;
    }
    shard.#serving.started();
    shard.#dispatcher.run();
    shard.#cancelSweep = shard.#directory.startSweeping();
    return shard;
  }

  get isServing(): boolean {
    return this.#serving.isOn;
  }

  /** Messages waiting in memory. */
  get depth(): number {
    return this.#admission.depth;
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
   * @throws {FolioError} `mailbox-full`, `shard-full`, `draining`, `not-owner`, `store-unavailable`,
   * `store-refused`.
   */
  submit(message: Message, options: AdmitOptions, waiter?: Waiter): Entry {
    this.#serving.check();
    this.#refusals.checkAdmission(message);
    const full = this.#admission.whyFull(message.actor);
    if (full) this.world.observer?.refused?.(message, full.code);
    if (full) throw full;
    return this.#admission.admit(message, options, waiter);
  }

  /** Makes a waiting message durable, so that its caller may leave. No-op once its turn has run. */
  promote(entry: Entry): void {
    this.#admission.promote(entry);
  }

  /** The actor's present state, once all of it is on disk. @throws {FolioError} As `StateReader.read` does. */
  read(actor: string): Promise<ReadState> {
    return this.#states.read(actor);
  }

  /** Messages of an id that are in memory, each as it is now. */
  pendingById(id: string): MessageRecord[] {
    return this.#admission.pending.recordsOf(id, this.number);
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
    return this.#record((open) => {
      open.relayed.push(...seqs);
      this.#outgoing.arrived(seqs.length);
    });
  }

  /**
   * Sends what a reactor wants sent about events, and moves its checkpoint on, in one commit.
   *
   * @param answers In the order of their events.
   * @throws {FolioError} `mailbox-full`, `shard-full`: nothing was sent; or as `submit` does.
   */
  react(reactor: string, position: number, answers: readonly ReactorAnswer[]): Promise<void> {
    return this.#record((open) => {
      this.#outgoing.sendAnswers(reactor, answers, this.#recorder.now());
      open.checkpoints.push([reactor, position]);
    });
  }

  /** Keeps the secrets of a webhook (JSON text); null forgets them, and how far the webhook has come. */
  keepWebhookSecrets(webhook: string, secrets: string | null): Promise<void> {
    return this.#record((open) => void open.webhookSecrets.push([webhook, secrets]));
  }

  /** Forgets messages handled before a time. */
  prune(what: NonNullable<Commit["prune"]>): Promise<void> {
    return this.#record((open) => void (open.prune = what));
  }

  /** Lets go of events that have been copied into the archive. */
  archive(rows: readonly ArchivedRow[]): Promise<void> {
    return this.#record((open) => void open.archived.push(...rows));
  }

  /** Takes no new messages from outside. Resolves when what has been handled so far is on disk. */
  async drain(): Promise<void> {
    this.#serving.draining();
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

  /** Lets what a service has done join the open commit. Resolves when that is on disk. */
  #record(change: (open: OpenCommit) => void): Promise<void> {
    this.#serving.check();
    return this.#committer.change(() => {
      change(this.#committer.open);
      return this.#committer.flushed();
    });
  }

  #newTimers(): Timers {
    return new Timers({
      world: this.world,
      store: this.store,
      committer: this.#committer,
      outgoing: this.#outgoing,
      refusals: this.#refusals,
      now: () => this.#recorder.now(),
      failed: (error) => this.world.log("error", "Timers cannot be read", { error: errorMessage(error) }),
    });
  }

  /** Fills the mailboxes, and holds what is due soon. */
  async #loadWaiting(): Promise<void> {
    const timers = this.#timers;
    await this.#admission.loadBacklog(this.#recorder.now());
    await timers.start();
  }

  #beginAnew(): void {
    this.#forget(this.#serving.unavailable());
    this.#admission.reset();
    this.#timers = this.#newTimers();
  }

  async #reload(head: Head, why: FolioError): Promise<void> {
    this.#serving.recovering();
    if (why instanceof LostWithOthers) this.#admission.setAside(why);
    this.#beginAnew();
    while (this.#serving.isRecovering) {
      try {
        this.#outgoing.reset(head, await countOutbox(this.store.database));
        this.#recorder.reset(head);
        this.#dispatcher.reset();
        await this.#loadWaiting();
        break;
      } catch (error) {
        this.world.log("error", "Store cannot be read", { shard: this.number, error: errorMessage(error) });
        await new Promise<void>((resolve) => this.world.clock.after(RELOAD_DELAY_MS, resolve));
        // What was loaded before it failed would count as loaded, and is in nobody's hands.
        this.#beginAnew();
      }
    }
    this.#serving.recovered();
    this.#admission.admitAgain();
    const fields = { shard: this.number, why: why.message };
    this.world.log("warn", "Shard was loaded again after a lost commit", fields);
  }

  /** Drops all memory, telling whoever waits. */
  #forget(error: FolioError): void {
    this.#timers.stop();
    this.work.clear(!this.#serving.isRecovering);
    this.#admission.forget(error);
  }

  #stopServing(state: "fenced" | "closed", error: FolioError): void {
    this.#serving.stopped(state);
    this.#cancelSweep();
    this.#forget(error);
    this.#admission.failAside(error);
    if (state === "closed") this.#committer.close(error);
    else this.world.log("error", error.message, { shard: this.number });
  }
}
