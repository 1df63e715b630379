import { backoffMs } from "../core/backoff.ts";
import { errorMessage, FolioError } from "../core/errors.ts";
import { Journal } from "../core/journal.ts";
import type { AnySaga } from "../core/saga.ts";
import { aboutMessage } from "../core/log.ts";
import type { Outcome, Told } from "../core/message.ts";
import type { Head } from "../store/engine.ts";
import type { Activation } from "./activation.ts";
import type { Committer } from "./committer.ts";
import type { Entry } from "./mailbox.ts";
import type { Outgoing } from "./outgoing.ts";
import { rolledBack, SagaTurn, type SagaTurnResult } from "./saga_turn.ts";
import { runTurn, type TurnInput, type TurnResult, type TurnWorld } from "./turn.ts";
import type { World } from "./shard.ts";
import type { Timers } from "./timers.ts";

/** What the dispatcher needs of its shard. */
export interface DispatcherOwner {
  readonly world: World;
  readonly shard: number;
  readonly committer: Committer;
  readonly outgoing: Outgoing;
  readonly timers: Timers;
  activation(actor: string): Activation;
  load(activation: Activation): void;
  /** A message's outcome is on disk, or it is gone. */
  settled(entry: Entry): void;
  /** A message has left its mailbox. */
  left(): void;
}

const ERROR_CHARS_MAX = 2_000;

/**
 * Takes messages out of mailboxes, one turn after the other, and lets what each turn changes join the open
 * commit.
 *
 * Invariants:
 * 1. One actor has one turn at a time, in mailbox order; actors take turns.
 * 2. A turn that fails changes nothing, and takes no position.
 * 3. A message leaves its mailbox only when it is done, rejected or dead.
 * 4. The times that turns see never decrease within a shard.
 */
export class Dispatcher {
  #ready: Activation[] = [];
  #running = false;
  #stopped = false;
  #position: number;
  #messageSeq: number;
  #durablePosition: number;
  readonly #turnWorld: { -readonly [K in keyof TurnWorld]: TurnWorld[K] };

  constructor(private readonly owner: DispatcherOwner, head: Head) {
    const { ids, limits, registry } = owner.world;
    this.#turnWorld = {
      now: 0,
      ids,
      limits,
      checkRequest: (request) => void registry.parse(request),
      checkActivity: (activity, input) => void registry.parseActivity(activity, input),
    };
    this.#position = this.#durablePosition = head.position;
    this.#messageSeq = head.messageSeq;
  }

  /** Position of the newest event on disk. */
  get durablePosition(): number {
    return this.#durablePosition;
  }

  /** Goes on from a head, after a commit was lost. */
  reset(head: Head): void {
    this.#ready = [];
    this.#position = this.#durablePosition = head.position;
    this.#messageSeq = head.messageSeq;
  }

  /** Lets a message's row be written, or written again, with the open commit. */
  store(entry: Entry): void {
    const { open } = this.owner.committer;
    if (entry.seq === 0) entry.seq = ++this.#messageSeq;
    if (!entry.stored) {
      open.turns++;
      open.bytes += ENTRY_CHARS + entry.inputJson.length;
      open.releases.push({
        durable: () => {
          entry.stored = true;
          // With an outcome, its own release follows, in this commit or in a later one.
          if (!entry.outcome) { for (const waiter of entry.waiters.slice()) waiter.admitted(); }
        },
        lost: (error) => {
          for (const waiter of entry.waiters.splice(0)) waiter.failed(error);
        },
      });
    }
    open.entries.add(entry);
    this.owner.committer.flushSoon();
  }

  /** Gives an activation its turn when it has something ready, now if nothing else runs. */
  schedule(activation: Activation): void {
    if (activation.phase === "cold" && activation.mailbox.length > 0) this.owner.load(activation);
    if (activation.scheduled || !isReady(activation)) return;
    activation.scheduled = true;
    this.#ready.push(activation);
    if (!this.#running) this.run();
  }

  /** Lets a newly loaded activation begin, unless its first message waits for its next attempt. */
  begin(activation: Activation): void {
    activation.phase = "live";
    const waitMs = (activation.mailbox.peek()?.nextAttemptAt ?? 0) - this.owner.world.clock.now();
    if (waitMs > 0) this.#hold(activation, waitMs);
    else this.schedule(activation);
  }

  /** Runs no more turns: what is in the mailboxes stays there. */
  stop(): void {
    this.#stopped = true;
  }

  /** Runs turns until none is ready or the commit is full. */
  run(): void {
    if (this.#running || this.#stopped) return;
    this.#running = true;
    try {
      for (let next = 0; next < this.#ready.length; next++) {
        if (this.owner.committer.isFull || !this.owner.committer.isAccepting) {
          this.#ready.splice(0, next);
          return;
        }
        const activation = this.#ready[next] as Activation;
        activation.scheduled = false;
        if (!isReady(activation)) continue;
        this.#handle(activation, activation.mailbox.peek() as Entry);
        if (isReady(activation)) {
          activation.scheduled = true;
          this.#ready.push(activation);
        }
      }
      this.#ready.length = 0;
    } finally {
      this.#running = false;
      this.owner.committer.flushSoon();
    }
  }

  /** To be called for each commit, before its releases' callers look at anything. */
  committed(events: number): void {
    this.#durablePosition += events;
  }

  /** The time, which never goes back, even when the clock does. */
  now(): number {
    return this.owner.world.clock.now();
  }

  #handle(activation: Activation, entry: Entry): void {
    const { message } = entry;
    const { world, shard } = this.owner;
    if (activation.result) return this.#takeSagaTurn(activation, entry, activation.result);
    if (activation.loadError !== undefined || !activation.actor) {
      return this.#failed(activation, entry, activation.loadError);
    }
    if (message.expectedVersion !== null && !isExpected(message.expectedVersion, activation.version)) {
      return this.#unexpectedVersion(activation, entry, message.expectedVersion);
    }
    this.#turnWorld.now = this.now();
    if (message.expiresAt !== null && this.#turnWorld.now >= message.expiresAt) {
      return this.#settle(activation, entry, {
        status: "rejected",
        rejection: "expired",
        details: { expiresAt: message.expiresAt },
        version: activation.version,
        position: this.#position,
      });
    }
    world.observer?.began?.(message, shard, entry.attempts + 1);
    const input = {
      key: activation.key,
      state: activation.state,
      version: activation.version,
      command: message.command,
      input: message.input,
      parsedInput: entry.parsedInput,
    };
    if (activation.actor.saga) this.#startSagaTurn(activation, activation.actor.saga, entry, input);
    else this.#take(activation, entry, runTurn(activation.actor, input, this.#turnWorld));
  }

  /** A saga's turn takes a while, in which other actors have theirs; then the activation is ready once more. */
  #startSagaTurn(activation: Activation, saga: AnySaga, entry: Entry, input: TurnInput): void {
    const { clock, log } = this.owner.world;
    const quiet = () => new Promise<void>((resolve) => clock.soon(resolve));
    const turn = new SagaTurn(saga, input, { ...this.#turnWorld, log, quiet }, activation.run);
    activation.phase = "running";
    turn.result().then((result) => {
      // Where the shard has been loaded again meanwhile, all of this is void.
      if (activation.phase !== "running" || activation.mailbox.peek() !== entry) return;
      activation.phase = "ran";
      activation.run = turn.run;
      activation.result = result;
      this.schedule(activation);
    });
  }

  #takeSagaTurn(activation: Activation, entry: Entry, result: SagaTurnResult): void {
    activation.phase = "live";
    activation.result = undefined;
    this.#turnWorld.now = this.now();
    const isTaken = result.kind !== "stopped" && this.#take(activation, entry, result);
    // What it did to the journal and the run counts for nothing.
    if (!isTaken) activation.state = rolledBack(activation.state, activation.version);
    if (!isTaken || (activation.state instanceof Journal && activation.state.isEnded)) {
      activation.run = undefined;
    }
    if (result.kind === "stopped") this.#stop(activation, entry, result.error);
    for (const reader of activation.readers.splice(0)) reader.resolve();
  }

  /** A saga's messages wait until the process starts again, with code that fits what the saga has recorded. */
  #stop(activation: Activation, { message }: Entry, error: Error): void {
    activation.phase = "held";
    activation.stopped = error.message;
    this.owner.world.log("error", "Saga is stopped: its code does not fit what it has recorded", {
      shard: this.owner.shard,
      actor: message.actor,
      messageId: message.id,
      error: error.message,
    });
  }

  /** Lets what came of a turn join the open commit. @returns Whether it has; otherwise the turn has failed. */
  #take(activation: Activation, entry: Entry, result: TurnResult): boolean {
    const full = result.kind === "done" ? this.owner.outgoing.whyNoRoom(result.sends) : undefined;
    if (result.kind === "failed" || full) {
      this.#failed(activation, entry, result.kind === "failed" ? result.error : full);
      return false;
    }
    if (result.kind === "rejected") {
      this.#settle(activation, entry, {
        status: "rejected",
        rejection: result.rejection,
        ...(result.details === undefined ? {} : { details: result.details }),
        version: activation.version,
        position: this.#position,
      });
      return true;
    }
    let snapshot: string | undefined;
    try {
      if (isSnapshotDue(activation, result)) snapshot = snapshotText(result.state);
    } catch (error) {
      this.#failed(activation, entry, error);
      return false;
    }
    this.#record(activation, entry, result, snapshot);
    this.#settle(activation, entry, {
      status: "done",
      reply: result.reply,
      version: activation.version,
      position: this.#position,
    });
    return true;
  }

  /** Lets the events, sends and snapshot of a turn join the open commit. */
  #record(
    activation: Activation,
    entry: Entry,
    result: TurnResult & { kind: "done" },
    snapshot: string | undefined,
  ): void {
    const { committer } = this.owner;
    const { open } = committer;
    const { message } = entry;
    const correlationId = message.correlationId === message.id ? null : message.correlationId;
    let version = activation.version;
    for (const event of result.events) {
      open.events.push([
        ++this.#position,
        activation.name,
        ++version,
        event.type,
        event.schemaVersion,
        event.json,
        this.#turnWorld.now,
        message.id,
        correlationId,
        message.causationId,
      ]);
      open.bytes += event.json.length;
    }
    activation.state = result.state;
    activation.version = version;
    if (result.events.length > 0) activation.dirtyCommit = committer.openIndex;
    if (snapshot !== undefined) {
      activation.snapshotVersion = version;
      open.snapshots.push([activation.name, version, activation.actor?.fingerprint ?? "", snapshot]);
      open.bytes += snapshot.length;
    }
    if (entry.durable || entry.named) open.bytes += result.replyChars + entry.inputJson.length;
    for (const send of result.sends) this.owner.outgoing.send(send, message, this.#turnWorld.now);
    for (const change of result.timers) this.owner.timers.change(activation.name, change, message);
  }

  /** A message is done or rejected: it leaves its mailbox, and its callers are told once that is on disk. */
  #settle(activation: Activation, entry: Entry, outcome: Outcome): void {
    this.#leave(activation);
    this.#conclude(entry, outcome);
  }

  #conclude(entry: Entry, outcome: Outcome): void {
    const { committer } = this.owner;
    entry.outcome = outcome;
    entry.status = outcome.status;
    entry.handledAt = this.now();
    entry.nextAttemptAt = null;
    if (entry.durable || entry.named) {
      if (entry.seq === 0) entry.seq = ++this.#messageSeq;
      committer.open.entries.add(entry);
    }
    const { open } = committer;
    open.turns++;
    open.releases.push({
      durable: () => {
        this.owner.settled(entry);
        this.owner.world.observer?.settled?.(entry.message, outcome.status);
        for (const waiter of entry.waiters.splice(0)) waiter.handled(outcome);
      },
      lost: (error) => {
        for (const waiter of entry.waiters.splice(0)) waiter.failed(error);
      },
    });
    this.#tell(entry, outcome);
    this.owner.world.observer?.ended?.(entry.message, this.owner.shard, outcome.status);
    committer.flushSoon();
  }

  /** An attempt of an activity begins. */
  beganWork(entry: Entry): void {
    this.owner.world.observer?.began?.(entry.message, this.owner.shard, entry.attempts);
  }

  /** An attempt of an activity does not count. */
  tookBackWork(entry: Entry): void {
    this.owner.world.observer?.ended?.(entry.message, this.owner.shard, "retrying");
  }

  /** An activity is done. */
  settleWork(entry: Entry, output: unknown): void {
    this.owner.left();
    this.#conclude(entry, { status: "done", reply: output, version: 0, position: this.#position });
  }

  /** An activity was not performed in time. */
  expireWork(entry: Entry): void {
    this.owner.left();
    const { expiresAt } = entry.message;
    this.#conclude(entry, {
      status: "rejected",
      rejection: "expired",
      details: { expiresAt },
      version: 0,
      position: this.#position,
    });
  }

  /** An attempt of an activity has failed. @param delayMs Until the next one; undefined where there is none. */
  failWork(entry: Entry, error: unknown, delayMs: number | undefined): void {
    this.#note(entry, error);
    if (delayMs === undefined) {
      this.owner.left();
      return this.#bury(entry, error);
    }
    this.owner.world.observer?.ended?.(entry.message, this.owner.shard, "retrying", error);
    entry.nextAttemptAt = this.now() + delayMs;
    this.store(entry);
  }

  /** Lets who asked for it be told what became of a message. */
  #tell(entry: Entry, outcome: Outcome | { status: "dead"; error: unknown }): void {
    const { message } = entry;
    if (!message.replyTo) return;
    const common = { id: message.id, context: message.replyTo.context };
    const told: Told = outcome.status === "done"
      ? { ...common, output: outcome.reply }
      : outcome.status === "dead"
      ? { ...common, error: { code: "dead-letter", message: clip(errorMessage(outcome.error)) } }
      : {
        ...common,
        error: {
          code: outcome.rejection,
          message: `${message.actor} rejected ${message.command}: ${outcome.rejection}`,
          ...(outcome.details === undefined ? {} : { details: outcome.details }),
        },
      };
    this.owner.outgoing.tell(message.replyTo, told, message, this.now());
  }

  #unexpectedVersion(activation: Activation, entry: Entry, expected: string): void {
    const { version } = activation;
    if (entry.durable) {
      return this.#settle(activation, entry, {
        status: "rejected",
        rejection: "version-mismatch",
        details: { expected, version },
        version,
        position: this.#position,
      });
    }
    const error = new FolioError(
      "version-mismatch",
      `${activation.name} is at version ${version}, not ${expected}`,
      { expected, version },
    );
    this.owner.world.observer?.ended?.(entry.message, this.owner.shard, "rejected", error);
    // The version may not be on disk yet, and whoever is told of it will rely on it.
    this.#leave(activation);
    entry.outcome = { status: "rejected", rejection: error.code, version, position: this.#position };
    const tell = (told: FolioError) => {
      this.owner.settled(entry);
      for (const waiter of entry.waiters.splice(0)) waiter.failed(told);
    };
    this.owner.committer.open.releases.push({ durable: () => tell(error), lost: tell });
    this.owner.committer.flushSoon();
  }

  /** A caller who waits is told at once; a message that is kept is tried again, or becomes a dead letter. */
  #failed(activation: Activation, entry: Entry, error: unknown): void {
    const { world, shard } = this.owner;
    const { message } = entry;
    const fields = { shard, ...aboutMessage(message) };
    if (!entry.durable) {
      world.observer?.ended?.(message, shard, "failed", error);
      if (isFull(error)) return this.#giveUp(activation, entry, error);
      world.log("error", "Handler failed", { ...fields, error: errorMessage(error) });
      return this.#giveUp(
        activation,
        entry,
        new FolioError("handler-failed", `Handler of ${activation.actor?.name}/${message.command} failed`, {
          actor: message.actor,
        }, { cause: error }),
      );
    }
    const policy = activation.actor?.retry;
    entry.attempts++;
    this.#note(entry, error);
    if (!policy || entry.attempts >= policy.attemptsMax) {
      this.#leave(activation);
      return this.#bury(entry, error);
    }
    const delayMs = backoffMs(policy, entry.attempts, world.ids.random());
    entry.status = "retrying";
    entry.nextAttemptAt = this.now() + delayMs;
    this.store(entry);
    world.observer?.ended?.(message, shard, "retrying", error);
    this.#hold(activation, delayMs);
    world.log("warn", "Handler failed, will be tried again", {
      ...fields,
      attempt: entry.attempts,
      error: errorMessage(error),
    });
  }

  #note(entry: Entry, error: unknown): void {
    entry.failures.push({ attempt: entry.attempts, at: this.now(), error: clip(errorMessage(error)) });
  }

  /** A message has used up its attempts: it becomes a dead letter. */
  #bury(entry: Entry, error: unknown): void {
    const { message } = entry;
    entry.status = "dead";
    entry.nextAttemptAt = null;
    this.store(entry);
    this.#tell(entry, { status: "dead", error });
    this.owner.world.observer?.ended?.(message, this.owner.shard, "dead", error);
    this.owner.world.log("error", "Message became a dead letter", {
      shard: this.owner.shard,
      ...aboutMessage(message),
      attempts: entry.attempts,
      error: errorMessage(error),
    });
    const durable = () => {
      this.owner.settled(entry);
      this.owner.world.observer?.settled?.(message, "dead");
    };
    this.owner.committer.open.releases.push({ durable, lost: () => {} });
  }

  /** Drops a message that is not kept; nothing of it is recorded. */
  #giveUp(activation: Activation, entry: Entry, error: FolioError): void {
    this.#leave(activation);
    this.owner.settled(entry);
    for (const waiter of entry.waiters.splice(0)) waiter.failed(error);
  }

  #leave(activation: Activation): void {
    activation.mailbox.shift();
    this.owner.left();
  }

  /** Keeps an actor from its mailbox for a while. */
  #hold(activation: Activation, delayMs: number): void {
    activation.phase = "held";
    this.owner.world.clock.after(delayMs, () => {
      if (activation.phase !== "held") return;
      activation.phase = "live";
      this.schedule(activation);
    });
  }
}

/** What an admission counts for in a commit, beside its texts. */
const ENTRY_CHARS = 500;

/** Whether a turn failed for want of room, which the caller may be told as it is. */
function isFull(error: unknown): error is FolioError {
  return FolioError.is(error, "mailbox-full") || FolioError.is(error, "shard-full");
}

function isSnapshotDue(
  { actor, snapshotVersion }: Activation,
  { version, events }: TurnResult & { kind: "done" },
): boolean {
  // A saga's journal is as long as its history, except where it has begun anew.
  if (actor?.saga) return events.some(({ type }) => type === "Continued");
  return actor !== undefined && version - snapshotVersion >= actor.snapshotEvery;
}

function snapshotText(state: unknown): string {
  return JSON.stringify(state instanceof Journal ? state.toSnapshot() : state);
}

function clip(text: string): string {
  return text.slice(0, ERROR_CHARS_MAX);
}

function isReady(activation: Activation): boolean {
  return (activation.phase === "live" || activation.phase === "ran") &&
    activation.mailbox.peek()?.ready === true;
}

/** @param expected `*`, or versions parted by commas. */
function isExpected(expected: string, version: number): boolean {
  return expected === "*" ? version > 0 : expected.split(",").includes(String(version));
}
