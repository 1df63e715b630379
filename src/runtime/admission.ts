import { activityNameOf } from "../core/activity.ts";
import { errorMessage, FolioError } from "../core/errors.ts";
import { type Message, type MessageRecord, parseActorName } from "../core/message.ts";
import type { ShardStore } from "../store/shard_store.ts";
import type { Activation } from "./activation.ts";
import { Backlog } from "./backlog.ts";
import type { Committer } from "./committer.ts";
import type { Directory } from "./directory.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { Loader } from "./loader.ts";
import { Entry, type Waiter } from "./mailbox.ts";
import { answerFrom, answerTwin, LostWithOthers, Pending } from "./pending.ts";
import type { Recorder } from "./recorder.ts";
import type { Serving } from "./serving.ts";
import type { Work } from "./work.ts";
import type { World } from "./world.ts";

/** How a message is admitted. */
export interface AdmitOptions {
  /** Kept from now on, and retried when it fails; otherwise it lives as long as its caller waits. */
  readonly durable: boolean;
  /** Its id came from outside and may come again. */
  readonly named: boolean;
  readonly parsedInput?: unknown;
}

/** What admission needs of its shard. */
export interface AdmissionOwner {
  readonly world: World;
  readonly store: ShardStore;
  readonly committer: Committer;
  readonly directory: Directory;
  readonly serving: Serving;
  readonly recorder: Recorder;
  readonly dispatcher: Dispatcher;
  readonly work: Work;
}

/** What was lost with others, and who waits for it. */
interface Aside {
  readonly entry: Entry;
  readonly waiters: Waiter[];
}

const LOAD_AGAIN_DELAY_MS = 1_000;
const ONE_MORE = { ofActor: 1, ofShard: 1 };

/**
 * Lets messages into the memory of a shard, and knows which are there. Is there room? Was a message of this id
 * handled before, or is one pending? Is it to be handled now?
 *
 * Invariants:
 * 1. A message that is durable or named stands in `pending` from its arrival until its outcome is on disk, so
 *    that a second one with its id is noticed however early it comes.
 * 2. Messages stand in their actor's mailbox in the order in which they were admitted, also while it is being
 *    looked up whether they are duplicates.
 * 3. Who waits for a message is told when it is dropped. What is lost only with others that the store refuses is
 *    set aside with those who wait, and admitted again in the order of arrival, unless its place is lost.
 */
export class Admission {
  readonly pending = new Pending();
  #depth = 0;
  #arrivals = 0;
  #aside: Aside[] = [];
  /** Messages that the store has just refused to take. */
  #refused: Entry[] = [];
  #loader: Loader;
  #backlog: Backlog;

  constructor(private readonly owner: AdmissionOwner) {
    this.#loader = this.#newLoader();
    this.#backlog = this.#newBacklog();
  }

  /** Messages in mailboxes, and activities that wait or run. */
  get depth(): number {
    return this.#depth;
  }

  /** Why an actor takes no more messages, with so many for all of the shard; undefined where it does. */
  whyFull(actor: string, more = ONE_MORE): FolioError | undefined {
    const { world, store, directory } = this.owner;
    const { shardDepthMax } = world.limits;
    if (this.#depth + this.#backlog.held + more.ofShard > shardDepthMax) {
      return new FolioError("shard-full", `Shard ${store.shard} is full: ${shardDepthMax} messages wait`, {
        shard: store.shard,
        depthMax: shardDepthMax,
      });
    }
    const activation = directory.get(actor);
    const definition = activation?.actor ?? world.registry.actors.get(parseActorName(actor).type);
    const depthMax = definition?.mailboxDepthMax ?? world.limits.mailboxDepthMax;
    const depth = activation?.mailbox.length ?? 0;
    if (depth + more.ofActor <= depthMax) return undefined;
    return new FolioError("mailbox-full", `Mailbox of ${actor} is full: ${depthMax} messages wait`, {
      actor,
      depthMax,
    });
  }

  /** Takes a message whether there is room or not. @returns Its entry, or that of its twin. */
  admit(message: Message, options: AdmitOptions, waiter?: Waiter): Entry {
    const { world, recorder } = this.owner;
    const isKept = options.named || options.durable;
    const twin = isKept ? this.pending.get(message) : undefined;
    if (twin) {
      if (waiter) answerTwin(twin, message, waiter);
      return twin;
    }
    const isDelayed = message.deliverAt > Math.max(message.enqueuedAt, world.clock.now());
    // Mailboxes are read back in the order of this time, which must not go back when the clock does.
    const deliverAt = isDelayed ? message.deliverAt : Math.max(message.deliverAt, recorder.now());
    const admitted = deliverAt === message.deliverAt ? message : { ...message, deliverAt };
    const entry = new Entry(admitted, options.durable, options.named, options.parsedInput);
    entry.delayed = isDelayed;
    world.observer?.admitted?.(admitted);
    if (waiter) {
      entry.waiters.push(waiter);
      entry.arrival = ++this.#arrivals;
    }
    this.#take(entry);
    return entry;
  }

  #take(entry: Entry): void {
    this.owner.recorder.number(entry);
    if (entry.named || entry.durable) this.pending.set(entry);
    if (entry.named) {
      entry.ready = false;
      this.#loader.find(entry);
    } else if (entry.durable) this.owner.recorder.store(entry);
    if (!entry.delayed) this.enqueue(entry);
    else if (entry.ready) this.#backlog.delay(entry);
  }

  /** A message is lost. Where that was only with others, it is set aside; otherwise whoever waits is told. */
  lost(entry: Entry, error: FolioError): void {
    if (error instanceof LostWithOthers) this.#setAside(entry);
    else if (FolioError.is(error, "store-refused") && entry.durable && !entry.stored) {
      this.#refused.push(entry);
    }
    fail(entry, error);
  }

  /**
   * Before all is forgotten because of a change that the store refuses: sets aside what that is no reason to lose.
   *
   * @param why Who would not come in its order is told.
   */
  setAside(why: FolioError): void {
    for (const entry of this.pending.values()) this.#setAside(entry);
    for (const { mailbox } of this.owner.directory.values()) {
      for (const entry of mailbox.toArray()) this.#setAside(entry);
    }
    this.#keepOrder(why);
  }

  /**
   * Of what is set aside, lets go of what was sent before a message that is on disk, and of what was sent behind one
   * that the store does not take: whoever sent both may have the other one come again.
   */
  #keepOrder(why: FolioError): void {
    const stored = new Map<string, number>();
    for (const { message: { actor }, arrival, stored: isStored, delayed } of this.pending.values()) {
      if (isStored && !delayed) stored.set(actor, Math.max(arrival, stored.get(actor) ?? 0));
    }
    const refused = new Map(this.#refused.splice(0).map(({ message, arrival }) => [message.actor, arrival]));
    const isInOrder = ({ entry: { message: { actor }, arrival } }: Aside) =>
      arrival > (stored.get(actor) ?? 0) && arrival < (refused.get(actor) ?? Infinity);
    for (const { waiters } of this.#aside.filter((aside) => !isInOrder(aside))) {
      for (const waiter of waiters) waiter.failed(why);
    }
    this.#aside = this.#aside.filter(isInOrder);
  }

  /** Admits what was set aside, behind what was loaded from the disk. */
  admitAgain(): void {
    const aside = this.#aside.splice(0).sort((a, b) => a.entry.arrival - b.entry.arrival);
    for (const { entry, waiters } of aside) {
      entry.reset();
      entry.waiters.push(...waiters);
      this.#take(entry);
    }
  }

  /** Tells those who wait for what was set aside, and is not admitted again. */
  failAside(error: FolioError): void {
    for (const { waiters } of this.#aside.splice(0)) for (const waiter of waiters) waiter.failed(error);
  }

  #setAside(entry: Entry): void {
    // What is on disk, or is sent by a turn or a timer that is done again, comes again by itself.
    if (entry.stored || entry.arrival === 0 || entry.waiters.length === 0) return;
    entry.isAside = true;
    this.#aside.push({ entry, waiters: entry.waiters.splice(0) });
  }

  /** Makes a waiting message durable, so that its caller may leave. No-op once its turn has run. */
  promote(entry: Entry): void {
    if (entry.durable || entry.outcome) return;
    entry.durable = true;
    if (entry.isAside) return;
    this.pending.set(entry);
    if (entry.ready) this.owner.recorder.store(entry);
  }

  /** Puts a message that is due at the end of its mailbox, or among the shard's work. */
  enqueue(entry: Entry): void {
    this.#depth++;
    if (activityNameOf(entry.message.actor) !== undefined) return this.owner.work.add(entry);
    const activation = this.owner.directory.activate(entry.message.actor);
    activation.mailbox.push(entry);
    this.owner.dispatcher.schedule(activation);
  }

  /** A message has left its mailbox, or the work. */
  left(): void {
    this.#depth--;
  }

  /** Reads the state of a cold actor; then its turns begin. */
  load(activation: Activation): void {
    this.#loader.load(activation);
  }

  /** Fills mailboxes and work from the disk, and holds what is due soon. @param now What is due by then is due. */
  loadBacklog(now: number): Promise<void> {
    return this.#backlog.load(now);
  }

  /** Drops all messages and actors, telling whoever waits. What is being read for them comes to nothing. */
  forget(error: FolioError): void {
    this.#loader.stop();
    this.#backlog.stop();
    for (const entry of this.pending.values()) fail(entry, error);
    for (const activation of this.owner.directory.values()) {
      for (const reader of activation.readers.splice(0)) reader.reject(error);
      // Emptied, because timers that were set for it still fire, and must find nothing to do.
      for (let entry = activation.mailbox.shift(); entry; entry = activation.mailbox.shift()) {
        fail(entry, error);
      }
    }
    this.pending.clear();
    this.owner.directory.clear();
    this.#depth = 0;
  }

  /** Begins anew, after all was forgotten. */
  reset(): void {
    this.#loader = this.#newLoader();
    this.#backlog = this.#newBacklog();
  }

  #newBacklog(): Backlog {
    const { world, store, committer } = this.owner;
    const enqueue = (entry: Entry) => this.enqueue(entry);
    return new Backlog({ world, store, committer, pending: this.pending, enqueue });
  }

  #newLoader(): Loader {
    return new Loader(this.owner.store, this.owner.world.limits.pageBytesMax, {
      loaded: (activation) => {
        for (const reader of activation.readers.splice(0)) reader.resolve();
        this.owner.dispatcher.begin(activation);
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
      if (entry.durable) this.owner.recorder.store(entry);
      if (entry.delayed) this.#backlog.delay(entry);
    } else {
      this.#remove(entry);
      for (const waiter of entry.waiters.splice(0)) answerFrom(earlier, entry.message, waiter);
    }
    this.owner.dispatcher.schedule(this.owner.directory.activate(entry.message.actor));
  }

  #loadFailed(error: unknown, activations: readonly Activation[], entries: readonly Entry[]): void {
    const { world, store, directory, serving, dispatcher } = this.owner;
    const unavailable = serving.unavailable(error);
    world.log("error", "Store cannot be read", { shard: store.shard, error: errorMessage(error) });
    for (const entry of entries) {
      // Those behind it of the same actor, too: they would be handled before it, when it comes again.
      const mailbox = directory.get(entry.message.actor)?.mailbox.toArray() ?? [];
      for (const other of mailbox) if (!other.ready) this.#abandon(other, unavailable);
      this.#abandon(entry, unavailable);
      // What stood behind them may be handled now.
      const activation = directory.get(entry.message.actor);
      if (activation) dispatcher.schedule(activation);
    }
    for (const activation of activations) {
      activation.phase = "cold";
      for (const reader of activation.readers.splice(0)) reader.reject(unavailable);
      for (const entry of activation.mailbox.toArray()) if (!entry.durable) this.#abandon(entry, unavailable);
      if (activation.mailbox.length > 0) {
        world.clock.after(LOAD_AGAIN_DELAY_MS, () => dispatcher.schedule(activation));
      }
    }
  }

  /** Drops a message that is not on disk, and says so to whoever waits. */
  #abandon(entry: Entry, error: FolioError): void {
    entry.isAbandoned = true;
    this.#remove(entry);
    fail(entry, error);
  }

  #remove(entry: Entry): void {
    this.pending.delete(entry);
    if (this.owner.directory.get(entry.message.actor)?.mailbox.remove(entry)) this.#depth--;
  }
}

function fail(entry: Entry, error: FolioError): void {
  for (const waiter of entry.waiters.splice(0)) {
    // Its row is on disk, whatever becomes of its turn.
    if (entry.stored && !waiter.wantsOutcome) waiter.admitted();
    else waiter.failed(error);
  }
}
