import type { Message } from "./message.ts";

/** How a turn, or an attempt of an activity, ended. `retrying`: it failed, and there will be another one. */
export type TurnEnd = "done" | "rejected" | "failed" | "retrying" | "dead";

/** What a commit holds, as far as its size goes. */
export interface CommitSize {
  readonly turns: number;
  readonly events: { readonly length: number };
  /** JSON text in it, roughly, in characters. */
  readonly bytes: number;
}

/**
 * Who is told what happens in a runtime: the one seam for metrics and traces. It is told, and never asked
 * whether; what it does must be short and must not throw. A method that is not there costs nothing.
 *
 * Order of what one message is told of: `admitted`, then for each attempt `began` and `ended`, then `settled`
 * once its outcome is on disk. A commit that is lost takes back what was told of its turns: they begin again.
 */
export interface Observer {
  /** A message has been taken: from a caller, a turn, a timer, a reactor, another shard. */
  admitted?(message: Message): void;
  /** A message was not taken for want of room. */
  refused?(message: Message, code: string): void;
  /** A turn is about to run, or an attempt of an activity is about to be on disk. */
  began?(message: Message, shard: number, attempt: number): void;
  /** What it came to; not on disk yet. */
  ended?(message: Message, shard: number, end: TurnEnd, error?: unknown): void;
  /** The outcome of a message is on disk. */
  settled?(message: Message, end: "done" | "rejected" | "dead"): void;
  /** A commit is on its way: it has all turns of the shard that ended since the one before was sent. */
  committing?(shard: number, size: CommitSize): void;
  /** What became of the oldest commit on its way. */
  committed?(shard: number, isDurable: boolean): void;
  /** A timer has been sent. @param lateMs After the time it was set for. */
  timerFired?(actor: string, lateMs: number): void;
  /**
   * A batch of a projection is on disk.
   *
   * @param messageIds Whose events it had. @param startedAt In milliseconds since the Unix epoch.
   */
  projected?(projection: string, messageIds: readonly string[], startedAt: number): void;
  /** The W3C Trace Context for what is sent because of a message, where it has one of its own. */
  contextOf?(messageId: string): string | undefined;
  /** Runs an attempt of an activity within its context. */
  around?<T>(message: Message, run: () => T): T;
}

/** Two as one. The context is the second's. */
export function observeBoth(first: Observer, second: Observer): Observer {
  return {
    admitted(message) {
      first.admitted?.(message);
      second.admitted?.(message);
    },
    refused(message, code) {
      first.refused?.(message, code);
      second.refused?.(message, code);
    },
    began(message, shard, attempt) {
      first.began?.(message, shard, attempt);
      second.began?.(message, shard, attempt);
    },
    ended(message, shard, end, error) {
      first.ended?.(message, shard, end, error);
      second.ended?.(message, shard, end, error);
    },
    settled(message, end) {
      first.settled?.(message, end);
      second.settled?.(message, end);
    },
    committing(shard, size) {
      first.committing?.(shard, size);
      second.committing?.(shard, size);
    },
    committed(shard, isDurable) {
      first.committed?.(shard, isDurable);
      second.committed?.(shard, isDurable);
    },
    timerFired(actor, lateMs) {
      first.timerFired?.(actor, lateMs);
      second.timerFired?.(actor, lateMs);
    },
    projected(projection, messageIds, startedAt) {
      first.projected?.(projection, messageIds, startedAt);
      second.projected?.(projection, messageIds, startedAt);
    },
    contextOf: (messageId) => second.contextOf?.(messageId),
    around: (message, run) => second.around?.(message, run) ?? run(),
  };
}
