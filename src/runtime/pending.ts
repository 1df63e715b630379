import { FolioError } from "../core/errors.ts";
import { InvariantError } from "../core/invariant.ts";
import { canonicalJson } from "../core/json.ts";
import { type Message, type MessageRecord, parseActorName } from "../core/message.ts";
import type { Entry, Waiter } from "./mailbox.ts";

/** The kept messages of a shard from their arrival until their outcome is on disk, by id and actor. */
export class Pending {
  /** Nearly always one of an id. */
  readonly #byId = new Map<string, Entry[]>();

  get(message: { id: string; actor: string }): Entry | undefined {
    return this.#byId.get(message.id)?.find((entry) => entry.message.actor === message.actor);
  }

  /** Takes the place of one with the same id and actor. */
  set(entry: Entry): void {
    const { id, actor } = entry.message;
    const others = this.#byId.get(id)?.filter((other) => other.message.actor !== actor) ?? [];
    this.#byId.set(id, [...others, entry]);
  }

  /** Takes a place for what was read from the disk. @returns False where the message is in memory already. */
  remember(entry: Entry): boolean {
    // One that is still being looked up is a repeat of this one, and will be answered from the disk.
    if (this.get(entry.message)?.ready) return false;
    this.set(entry);
    return true;
  }

  /** Removes this entry, and not another one that has taken its place. */
  delete(entry: Entry): void {
    if (!entry.durable && !entry.named) return; // it never stood here
    const { id } = entry.message;
    const left = this.#byId.get(id)?.filter((other) => other !== entry) ?? [];
    if (left.length === 0) this.#byId.delete(id);
    else this.#byId.set(id, left);
  }

  clear(): void {
    this.#byId.clear();
  }

  /** All of one id: one for each actor that was sent it. */
  byId(id: string): readonly Entry[] {
    return this.#byId.get(id) ?? [];
  }

  /** Messages of an id, each as it may be told now. */
  recordsOf(id: string, shard: number): MessageRecord[] {
    return this.byId(id).map((entry) => {
      const record = entry.toRecord(shard);
      const isSettled = record.handledAt !== null || record.status === "dead";
      // What its turn has decided is nobody's to know before it is on disk.
      return isSettled ? { ...record, status: "running", handledAt: null, outcome: null } : record;
    });
  }

  *values(): Iterable<Entry> {
    for (const entries of this.#byId.values()) yield* entries;
  }
}

/** A change was lost only because of others, which the store refuses: it can be made again. */
export class LostWithOthers extends FolioError<"store-unavailable"> {}

/** Answers a repeated message when the first one is still pending. */
export function answerTwin(twin: Entry, message: Message, waiter: Waiter): void {
  if (!isSameContent(twin.toRecord(0), message)) waiter.failed(mismatch(message.id));
  else if (twin.outcome) twin.waiters.push(waiter);
  else if (waiter.wantsOutcome) waiter.failed(inProgress(message.id));
  else if (twin.stored) waiter.admitted();
  else twin.waiters.push(waiter);
}

/** Answers a repeated message from what the disk says became of the first one. */
export function answerFrom(earlier: MessageRecord, message: Message, waiter: Waiter): void {
  if (!isSameContent(earlier, message)) waiter.failed(mismatch(message.id));
  else if (earlier.outcome) waiter.handled(earlier.outcome);
  else if (!waiter.wantsOutcome) waiter.admitted();
  else if (earlier.status === "dead") {
    const { id, actor } = message;
    waiter.failed(new FolioError("handler-failed", `Message ${id} is a dead letter`, { actor }));
  } else waiter.failed(inProgress(message.id));
}

/** What a caller who waits is told of a failed turn: not why, which may be nobody else's to know. */
export function turnFailure(cause: unknown, { actor, command }: Message): FolioError {
  if (cause instanceof InvariantError) {
    const { invariant } = cause;
    const broken = `${actor} would break its invariant "${invariant}"`;
    return new FolioError("invariant-broken", broken, { actor, invariant }, { cause });
  }
  const what = `Handler of ${parseActorName(actor).type}/${command} failed`;
  return new FolioError("handler-failed", what, { actor }, { cause });
}

export function inProgress(id: string): FolioError {
  return new FolioError("message-in-progress", `Message ${id} has not been handled yet`, { id });
}

function mismatch(id: string): FolioError {
  return new FolioError("message-mismatch", `Message ${id} came before with other content`, { id });
}

function isSameContent(earlier: MessageRecord, message: Message): boolean {
  const input = earlier.originalInput === undefined ? earlier.input : earlier.originalInput;
  return earlier.command === message.command && canonicalJson(input) === canonicalJson(message.input);
}
