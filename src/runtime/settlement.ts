import { backoffMs } from "../core/backoff.ts";
import { errorMessage, FolioError } from "../core/errors.ts";
import { aboutMessage } from "../core/log.ts";
import type { Activation } from "./activation.ts";
import type { Committer } from "./committer.ts";
import type { Entry } from "./mailbox.ts";
import { turnFailure } from "./pending.ts";
import type { Recorder } from "./recorder.ts";
import type { Refusals } from "./refusals.ts";
import type { World } from "./world.ts";

/** What settling needs of its shard. */
export interface SettlementOwner {
  readonly world: World;
  readonly shard: number;
  readonly committer: Committer;
  readonly recorder: Recorder;
  readonly refusals: Refusals;
  /** A message's outcome is on disk, or it is gone. */
  settled(entry: Entry): void;
  /** What has come of a message is lost. */
  lost(entry: Entry, error: FolioError): void;
  /** A message has left its mailbox. */
  left(): void;
}

/**
 * What becomes of the first message of a mailbox once its turn is over, or was not to be had.
 *
 * Invariants:
 * 1. It leaves its mailbox, once, unless it is tried again: then it stays the first.
 * 2. Whoever waits is told of an outcome when that is on disk; of a failure that leaves no trace, at once.
 */
export class Settlement {
  constructor(private readonly owner: SettlementOwner) {}

  /** Its events, if any, have joined the open commit. */
  done(activation: Activation, entry: Entry, reply: unknown): void {
    const { version } = activation;
    const { recorder } = this.owner;
    this.#leave(activation);
    recorder.conclude(entry, { status: "done", reply, version, position: recorder.position });
  }

  rejected(activation: Activation, entry: Entry, rejection: string, details: unknown): void {
    const { version } = activation;
    const { recorder } = this.owner;
    const why = details === undefined ? { rejection } : { rejection, details };
    this.#leave(activation);
    recorder.ending(entry, () =>
      recorder.conclude(entry, {
        status: "rejected",
        ...why,
        version,
        position: recorder.position,
      }));
  }

  /** The actor is at another version than the message is for. @param expected As `Message.expectedVersion`. */
  unexpectedVersion(activation: Activation, entry: Entry, expected: string): void {
    const { version } = activation;
    if (entry.durable) {
      return this.rejected(activation, entry, "version-mismatch", { expected, version });
    }
    const error = new FolioError(
      "version-mismatch",
      `${activation.name} is at version ${version}, not ${expected}`,
      { expected, version },
    );
    this.owner.world.observer?.ended?.(entry.message, this.owner.shard, "rejected", error);
    // The version may not be on disk yet, and whoever is told of it will rely on it.
    this.#leave(activation);
    const { position } = this.owner.recorder;
    entry.outcome = { status: "rejected", rejection: error.code, version, position };
    const durable = () => {
      this.owner.settled(entry);
      for (const waiter of entry.waiters.splice(0)) waiter.failed(error);
    };
    this.owner.committer.open.releases.push({ durable, lost: (why) => this.owner.lost(entry, why) });
    this.owner.committer.flushSoon();
  }

  /**
   * Its turn has failed. A caller who waits is told at once; a message that is kept is tried again, or becomes a
   * dead letter.
   *
   * @returns After how many milliseconds it is tried again; undefined where it has left.
   */
  failed(activation: Activation, entry: Entry, error: unknown): number | undefined {
    const { world, shard, recorder } = this.owner;
    const { message } = entry;
    if (!entry.durable) {
      const fields = { shard, ...aboutMessage(message) };
      world.observer?.ended?.(message, shard, "failed", error);
      if (isFull(error)) return this.#giveUp(activation, entry, error);
      world.log("error", "Handler failed", { ...fields, error: errorMessage(error) });
      return this.#giveUp(activation, entry, turnFailure(error, message));
    }
    return recorder.failure(entry, () => this.#attemptFailed(activation, entry, error));
  }

  /** As `failed`, of a message that is kept. */
  #attemptFailed(activation: Activation, entry: Entry, error: unknown): number | undefined {
    const { world, shard, recorder, refusals } = this.owner;
    const { message } = entry;
    const policy = activation.actor?.retry;
    entry.attempts++;
    recorder.note(entry, error);
    if (!policy || entry.attempts >= policy.attemptsMax || refusals.mustMark(entry)) {
      this.#leave(activation);
      recorder.bury(entry, error);
      return undefined;
    }
    const delayMs = backoffMs(policy, entry.attempts, world.ids.random());
    entry.status = "retrying";
    entry.nextAttemptAt = recorder.now() + delayMs;
    recorder.store(entry);
    world.observer?.ended?.(message, shard, "retrying", error);
    world.log("warn", "Handler failed, will be tried again", {
      shard,
      ...aboutMessage(message),
      attempt: entry.attempts,
      error: errorMessage(error),
    });
    return delayMs;
  }

  /** Drops a message that is not kept; nothing of it is recorded. */
  #giveUp(activation: Activation, entry: Entry, error: FolioError): undefined {
    this.#leave(activation);
    this.owner.settled(entry);
    for (const waiter of entry.waiters.splice(0)) waiter.failed(error);
  }

  #leave(activation: Activation): void {
    activation.mailbox.shift();
    this.owner.left();
  }
}

/** Whether a turn failed for want of room, which the caller may be told as it is. */
function isFull(error: unknown): error is FolioError {
  return FolioError.is(error, "mailbox-full") || FolioError.is(error, "shard-full");
}
