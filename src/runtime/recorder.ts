import { aboutMessage } from "../core/log.ts";
import { errorMessage, type FolioError } from "../core/errors.ts";
import type { Message, Outcome, Told } from "../core/message.ts";
import type { Head } from "../store/engine.ts";
import type { Activation } from "./activation.ts";
import type { Committer } from "./committer.ts";
import type { Entry } from "./mailbox.ts";
import type { Outgoing } from "./outgoing.ts";
import { type Refusals, UNWRITABLE } from "./refusals.ts";
import type { World } from "./world.ts";
import type { TimerChange, TurnResult } from "./turn.ts";

/** What a recorder needs of its shard. */
export interface RecorderOwner {
  readonly world: World;
  readonly shard: number;
  readonly committer: Committer;
  readonly outgoing: Outgoing;
  readonly refusals: Refusals;
  /** Lets a change of an actor's timer join the open commit. */
  changeTimer(actor: string, change: TimerChange, cause: Message): void;
  /** A message's outcome is on disk, or it is gone. */
  settled(entry: Entry): void;
  /** What has come of a message is lost, and so is its admission if it was not on disk. */
  lost(entry: Entry, error: FolioError): void;
  /** A message has left its mailbox. */
  left(): void;
}

const ERROR_CHARS_MAX = 2_000;
/** What an admission counts for in a commit, beside its texts. */
const ENTRY_CHARS = 500;

/**
 * Lets what has come of turns and attempts join the open commit, and whoever waits be told when that is on disk.
 * Keeps the shard's counters: positions, mailbox order, time.
 *
 * Invariants:
 * 1. Positions are given in the order in which events join commits, without gaps.
 * 2. Times never decrease within a shard.
 * 3. What became of a message, and what is sent about it, join the same commit, as one change (`Unsent.change`).
 */
export class Recorder {
  /** Of the newest event, on disk or not. */
  position: number;
  #messageSeq: number;
  #durablePosition: number;

  constructor(private readonly owner: RecorderOwner, head: Head) {
    this.position = this.#durablePosition = head.position;
    this.#messageSeq = head.messageSeq;
  }

  /** Goes on from a head, after a commit was lost. */
  reset(head: Head): void {
    this.position = this.#durablePosition = head.position;
    this.#messageSeq = head.messageSeq;
  }

  /** Position of the newest event on disk. */
  get durablePosition(): number {
    return this.#durablePosition;
  }

  /** To be called for each commit, before its releases' callers look at anything. */
  committed(events: number): void {
    this.#durablePosition += events;
  }

  /** The time, which never goes back, even when the clock does. */
  now(): number {
    return this.owner.world.clock.now();
  }

  /** Lets a message's row be written, or written again, with the open commit. */
  store(entry: Entry): void {
    const { committer, refusals } = this.owner;
    const options = entry.stored ? refusals.ofTurn(entry) : refusals.ofAdmission(entry);
    committer.change(() => this.#store(entry), options);
  }

  #store(entry: Entry): void {
    const { open } = this.owner.committer;
    this.number(entry);
    // Also where only its attempts change: its row is written as a whole.
    if (!open.entries.has(entry)) open.bytes += ENTRY_CHARS + entry.inputJson.length;
    if (!entry.stored) {
      open.turns++;
      open.releases.push({
        durable: () => {
          entry.stored = true;
          // With an outcome, its own release follows, in this commit or in a later one.
          if (!entry.outcome) { for (const waiter of entry.waiters.slice()) waiter.admitted(); }
        },
        lost: (error) => this.owner.lost(entry, error),
      });
    }
    open.entries.add(entry);
    this.owner.committer.flushSoon();
  }

  /** Lets the events, sends, timers and snapshot of a turn join the open commit. @param at The turn's time. */
  turn(
    activation: Activation,
    entry: Entry,
    result: TurnResult & { kind: "done" },
    snapshot: string | undefined,
    at: number,
  ): void {
    const { committer } = this.owner;
    const { open } = committer;
    const { message } = entry;
    const correlationId = message.correlationId === message.id ? null : message.correlationId;
    let version = activation.version;
    for (const event of result.events) {
      open.events.push([
        ++this.position,
        activation.name,
        ++version,
        event.type,
        event.schemaVersion,
        event.json,
        at,
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
    for (const send of result.sends) this.owner.outgoing.send(send, message, at);
    for (const change of result.timers) this.owner.changeTimer(activation.name, change, message);
  }

  /** A message is done or rejected: its callers are told once that is on disk. */
  conclude(entry: Entry, outcome: Outcome): void {
    const { committer } = this.owner;
    entry.outcome = outcome;
    entry.status = outcome.status;
    entry.handledAt = this.now();
    entry.nextAttemptAt = null;
    if (entry.durable || entry.named) {
      this.number(entry);
      committer.open.entries.add(entry);
      // A turn's reply is counted with its events.
      if (outcome.status === "rejected") this.#count(entry, outcome.details);
    }
    const { open } = committer;
    open.turns++;
    open.releases.push({
      durable: () => {
        this.owner.settled(entry);
        this.owner.world.observer?.settled?.(entry.message, outcome.status);
        for (const waiter of entry.waiters.splice(0)) waiter.handled(outcome);
      },
      lost: (error) => this.owner.lost(entry, error),
    });
    this.#tell(entry, outcome);
    this.owner.world.observer?.ended?.(entry.message, this.owner.shard, outcome.status);
    committer.flushSoon();
  }

  note(entry: Entry, error: unknown): void {
    entry.failures.push({ attempt: entry.attempts, at: this.now(), error: this.#textOf(entry, error) });
  }

  #textOf(entry: Entry, error: unknown): string {
    return this.owner.refusals.mustBePlain(entry) ? UNWRITABLE : clip(errorMessage(error));
  }

  /** A message's turn or attempt has failed: what joins now is one change. */
  failure<Result>(entry: Entry, join: () => Result): Result {
    const { committer, refusals } = this.owner;
    return committer.change(() => {
      refusals.recorded(entry);
      return join();
    }, refusals.ofFailure(entry));
  }

  /** A message's turn or attempt has come to something else than a failure: what joins now is one change. */
  ending<Result>(entry: Entry, join: () => Result, hasSnapshot = false): Result {
    const { committer, refusals } = this.owner;
    return committer.change(join, refusals.ofTurn(entry, hasSnapshot));
  }

  /** A message has used up its attempts: it becomes a dead letter. */
  bury(entry: Entry, error: unknown): void {
    const { message } = entry;
    const { committer, refusals } = this.owner;
    entry.status = "dead";
    entry.nextAttemptAt = null;
    if (refusals.mustMark(entry)) {
      committer.open.buried.push([message.id, message.actor, entry.attempts, this.now(), UNWRITABLE]);
      committer.flushSoon();
    } else this.store(entry);
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
    committer.open.releases.push({ durable, lost: () => {} });
  }

  /** Lets who asked for it be told what became of a message. */
  #tell(entry: Entry, outcome: Outcome | { status: "dead"; error: unknown }): void {
    const { message } = entry;
    if (!message.replyTo) return;
    const common = { id: message.id, context: message.replyTo.context };
    const told: Told = outcome.status === "done"
      ? { ...common, output: outcome.reply }
      : outcome.status === "dead"
      ? { ...common, error: { code: "dead-letter", message: this.#textOf(entry, outcome.error) } }
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
    this.#count(entry, output);
    this.conclude(entry, { status: "done", reply: output, version: 0, position: this.position });
  }

  /** An activity was not performed in time. */
  expireWork(entry: Entry): void {
    this.owner.left();
    const { expiresAt } = entry.message;
    this.conclude(entry, {
      status: "rejected",
      rejection: "expired",
      details: { expiresAt },
      version: 0,
      position: this.position,
    });
  }

  /** An attempt of an activity has failed. @param delayMs Until the next one; undefined where there is none. */
  failWork(entry: Entry, error: unknown, delayMs: number | undefined): void {
    this.note(entry, error);
    if (delayMs === undefined || this.owner.refusals.mustMark(entry)) {
      this.owner.left();
      return this.bury(entry, error);
    }
    this.owner.world.observer?.ended?.(entry.message, this.owner.shard, "retrying", error);
    entry.nextAttemptAt = this.now() + delayMs;
    this.store(entry);
  }

  /** Counts a message's row, as it is written with what has come of it. */
  #count(entry: Entry, result: unknown): void {
    const json: string | undefined = JSON.stringify(result);
    this.owner.committer.open.bytes += entry.inputJson.length + (json?.length ?? 0);
  }

  /** Gives a message its place in mailbox order, as it comes: it may be stored long after those behind it. */
  number(entry: Entry): void {
    if (entry.seq === 0) entry.seq = ++this.#messageSeq;
  }
}

function clip(text: string): string {
  return text.slice(0, ERROR_CHARS_MAX).toWellFormed(); // the cut may go through a pair
}
