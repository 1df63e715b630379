/** Where a message is in its life; the diagram is in `ARCHITECTURE.md`. */
export type MessageStatus = "queued" | "running" | "retrying" | "done" | "rejected" | "dead";

/** The envelope of a command in a mailbox. */
export interface Message {
  /** Unique for its actor; handled once. */
  readonly id: string;
  /** `type/key` of the actor it is for. */
  readonly actor: string;
  readonly command: string;
  /** As it came: JSON, before the command's schema has parsed it. */
  readonly input: unknown;
  /** Shared by all that one request from outside has led to. */
  readonly correlationId: string;
  /** The message whose turn sent this one; null when it came from outside. */
  readonly causationId: string | null;
  /** W3C Trace Context of the request that started it all. */
  readonly traceparent: string | null;
  /** Versions of which the actor must have one: `*`, or numbers parted by commas. */
  readonly expectedVersion: string | null;
  /** Milliseconds since the Unix epoch. */
  readonly enqueuedAt: number;
  /** Not before this time; equal to `enqueuedAt` unless it was delayed. */
  readonly deliverAt: number;
  /** From this time on it is not handled any more, but rejected as `expired`. */
  readonly expiresAt: number | null;
  /** Who is told what became of it. */
  readonly replyTo: ReplyTo | null;
}

/**
 * Commands of an actor, sent to it in the commit that settles a message. Their input is a `Told`.
 */
export interface ReplyTo {
  readonly actor: string;
  /** Sent when the message is done. */
  readonly done: string | null;
  /** Sent when it is rejected or becomes a dead letter; a dead letter that is redriven is told of again. */
  readonly failed: string | null;
  /** Given back as it is. */
  readonly context: unknown;
}

/** What the `replyTo` of a message is told. */
export type Told =
  | { readonly id: string; readonly context: unknown; readonly output: unknown }
  | { readonly id: string; readonly context: unknown; readonly error: ToldError };

/** `code` is that of the rejection, or `dead-letter`. */
export interface ToldError {
  readonly code: string;
  readonly message: string;
  readonly details?: unknown;
}

/** One failed attempt, or what an operator did about it. */
export interface Failure {
  readonly attempt: number;
  readonly at: number;
  readonly error: string;
  /** False where the attempt is not one of those there may be: its process was stopped in good order. */
  readonly isCounted?: boolean;
}

/** What became of a message. */
export type Outcome =
  | { readonly status: "done"; readonly reply: unknown; readonly version: number; readonly position: number }
  | {
    readonly status: "rejected";
    readonly rejection: string;
    readonly details?: unknown;
    readonly version: number;
    readonly position: number;
  };

/** A message with all that is kept about it. */
export interface MessageRecord extends Message {
  readonly shard: number;
  /** Order of admission in the shard. */
  readonly seq: number;
  readonly status: MessageStatus;
  readonly attempts: number;
  readonly nextAttemptAt: number | null;
  readonly handledAt: number | null;
  readonly outcome: Outcome | null;
  readonly failures: readonly Failure[];
  /** The input it first came with, where an operator has edited it since. */
  readonly originalInput: unknown;
}

/** Splits `type/key`; a key may hold slashes of its own. */
export function parseActorName(actor: string): { type: string; key: string } {
  const slash = actor.indexOf("/");
  return { type: actor.slice(0, slash), key: actor.slice(slash + 1) };
}

const KEY_BYTES_MAX = 512;
const encoder = new TextEncoder();

/** Why `key` cannot be an actor's key, or undefined if it can. */
export function invalidKeyReason(key: string): string | undefined {
  if (key === "") return "it is empty";
  // No character is more than three bytes of UTF-8 for each of its units.
  if (key.length * 3 > KEY_BYTES_MAX && encoder.encode(key).length > KEY_BYTES_MAX) {
    return `it is longer than ${KEY_BYTES_MAX} bytes`;
  }
  if (key === "." || key === "..") return "URLs cannot hold it";
  if (/\p{Cc}/u.test(key)) return "it has control characters";
  if (!key.isWellFormed()) return "it is not well-formed Unicode";
  return undefined;
}

/** Whether `id` can name a message: 1 to 255 printable ASCII characters without spaces. */
export function isMessageId(id: string): boolean {
  return /^[\x21-\x7e]{1,255}$/.test(id);
}
