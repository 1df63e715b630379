import type { FolioError } from "../core/errors.ts";
import type { Failure, Message, MessageRecord, MessageStatus, Outcome } from "../core/message.ts";

/** Who waits for a message: told once, and only of what is on disk. */
export interface Waiter {
  /** Whether it waits for the outcome, or only until the message is on disk. */
  readonly wantsOutcome: boolean;
  handled(outcome: Outcome): void;
  /** It is on disk, and will be handled. */
  admitted(): void;
  failed(error: FolioError): void;
}

/**
 * A message in the memory of its shard.
 *
 * - `durable`: it has a row, or gets one with the open commit. Failures are retried.
 * - `named`: somebody outside chose its id and may repeat it, so its outcome is stored.
 * - neither: it lives and dies with the request that made it.
 */
export class Entry {
  seq = 0;
  status: Exclude<MessageStatus, "running"> = "queued";
  attempts = 0;
  nextAttemptAt: number | null = null;
  handledAt: number | null = null;
  outcome: Outcome | null = null;
  failures: Failure[] = [];
  originalInput: unknown = undefined;
  /** False while it is not known whether a message of this id has been handled before. */
  ready = true;
  /** Its caller was told to come again; what is still found out about it is of no use. */
  isAbandoned = false;
  /** Not in its mailbox before its time. */
  delayed = false;
  /** Set once the row is on disk. */
  stored = false;
  /** Its place among all that came from outside with somebody who waits; 0 for others. */
  arrival = 0;
  /** It was lost with others, and is admitted again when the shard has been loaded. */
  isAside = false;
  readonly waiters: Waiter[] = [];
  #inputJson: string | undefined;

  constructor(
    readonly message: Message,
    public durable: boolean,
    readonly named: boolean,
    /** The input as its schema parsed it, where that has been done. */
    readonly parsedInput?: unknown,
  ) {}

  /** The input as JSON text, made once. */
  get inputJson(): string {
    return this.#inputJson ??= JSON.stringify(this.message.input);
  }

  static fromRecord(record: MessageRecord): Entry {
    const entry = new Entry(record, true, true);
    entry.seq = record.seq;
    entry.status = record.status === "running" ? "queued" : record.status;
    entry.attempts = record.attempts;
    entry.nextAttemptAt = record.nextAttemptAt;
    entry.failures = [...record.failures];
    entry.originalInput = record.originalInput;
    entry.stored = true;
    return entry;
  }

  /** As it was when it came: nothing of it is on disk. */
  reset(): void {
    this.seq = 0;
    this.status = "queued";
    this.attempts = 0;
    this.nextAttemptAt = this.handledAt = this.outcome = null;
    this.failures = [];
    this.ready = true;
    this.isAside = false;
  }

  toRecord(shard: number): MessageRecord {
    return {
      ...this.message,
      shard,
      seq: this.seq,
      status: this.status,
      attempts: this.attempts,
      nextAttemptAt: this.nextAttemptAt,
      handledAt: this.handledAt,
      outcome: this.outcome,
      failures: this.failures,
      originalInput: this.originalInput,
    };
  }
}

/** First in, first out, without moving what stays. */
export class Queue<T> {
  #items: T[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  peek(): T | undefined {
    return this.#items[this.#first];
  }

  /** The newest. */
  last(): T | undefined {
    return this.length > 0 ? this.#items.at(-1) : undefined;
  }

  shift(): T | undefined {
    const item = this.#items[this.#first];
    if (item === undefined) return undefined;
    this.#first++;
    if (this.#first > 64 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    } else if (this.#first === this.#items.length) {
      this.#items.length = 0;
      this.#first = 0;
    }
    return item;
  }

  /** @returns Whether it was in it. */
  remove(item: T): boolean {
    const index = this.#items.indexOf(item, this.#first);
    if (index >= 0) this.#items.splice(index, 1);
    return index >= 0;
  }

  /** Removes all that are void. */
  drop(isVoid: (item: T) => boolean): void {
    this.#items = this.toArray().filter((item) => !isVoid(item));
    this.#first = 0;
  }

  /** What is in it, oldest first. */
  toArray(): T[] {
    return this.#items.slice(this.#first);
  }
}
