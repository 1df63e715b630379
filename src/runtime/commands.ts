import type { CommandRequest } from "../core/command.ts";
import { TIME_MAX } from "../core/duration.ts";
import { FolioError } from "../core/errors.ts";
import { isJson } from "../core/json.ts";
import { isMessageId, type Message } from "../core/message.ts";
import { type Answer, Caller } from "./caller.ts";
import { Deadlines } from "./deadlines.ts";
import type { Entry } from "./mailbox.ts";
import { draining } from "./serving.ts";
import type { Shard } from "./shard.ts";
import type { World } from "./world.ts";

/** How one command is sent. */
export interface SubmitOptions {
  /** Names the message: it is handled once for each actor however often it is sent. Made here if not given. */
  readonly messageId?: string | undefined;
  /** False where `messageId` is `newId()`'s, and so nobody's to repeat; true unless said otherwise. */
  readonly isNamed?: boolean | undefined;
  readonly correlationId?: string | undefined;
  /** W3C Trace Context, passed on to all that follows. */
  readonly traceparent?: string | undefined;
  /** Versions of which the actor must have one: `*`, or numbers parted by commas. */
  readonly expectedVersion?: string | undefined;
  /** Not before this time, in milliseconds since the Unix epoch. */
  readonly deliverAt?: number | undefined;
  /** From this time on it is not handled any more, but rejected as `expired`. */
  readonly expiresAt?: number | undefined;
  /** `0` only admits the message; otherwise the answer is awaited so long, at the most. */
  readonly waitMs: number;
}

/**
 * The commands that come from outside: each is checked and made into a message, its shard takes it, and its caller
 * is told what became of it.
 *
 * Invariants:
 * 1. A caller is told once, and counts in `#waiting` until then.
 * 2. Who has waited as long as it may is told that the message is kept, once it is.
 */
export class Commands {
  /** Callers who have not been told yet. */
  #waiting = 0;
  #isClosed = false;
  /** Of those who wait for all callers to be told. */
  #wakes: (() => void)[] = [];
  /** Callers who wait as long as anybody may. */
  readonly #longestWaits: Deadlines;
  readonly #told = () => {
    if (--this.#waiting === 0) { for (const wake of this.#wakes.splice(0)) wake(); }
  };

  constructor(private readonly world: World, private readonly shardOf: (actor: string) => Shard) {
    this.#longestWaits = new Deadlines(world.clock, world.limits.requestWaitMsMax);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Takes no more commands. */
  close(): void {
    this.#isClosed = true;
  }

  /** Resolves when every caller has been told. */
  async told(): Promise<void> {
    if (this.#waiting > 0) await new Promise<void>((resolve) => this.#wakes.push(resolve));
  }

  /**
   * Sends a command. Resolves when it is on disk, or with the outcome where that is awaited.
   *
   * @throws {FolioError} As `Runtime.submit` says.
   */
  // deno-lint-ignore require-await -- async so that what is thrown here rejects like the rest
  async submit(request: CommandRequest, options: SubmitOptions): Promise<Answer> {
    const parsedInput = this.world.registry.parseFromOutside(request);
    if (this.#isClosed) throw draining();
    const message = this.#message(request, options);
    const shard = this.shardOf(message.actor);
    // Whoever names a time does not wait, however soon that is: the answer must not hang on a millisecond.
    const wantsOutcome = options.waitMs > 0 && options.deliverAt === undefined;
    const answered = {
      messageId: message.id,
      correlationId: message.correlationId,
      actor: message.actor,
      shard: shard.number,
    };
    return new Promise<Answer>((resolve, reject) => {
      const caller = new Caller(answered, wantsOutcome, resolve, reject, this.#told);
      this.#waiting++;
      try {
        const entry = shard.submit(
          message,
          { durable: !wantsOutcome, named: options.isNamed ?? options.messageId !== undefined, parsedInput },
          caller,
        );
        if (wantsOutcome && !entry.outcome) {
          caller.waitsUntil(this.#promoteAfter(shard, entry, options.waitMs));
        }
      } catch (error) {
        caller.failed(error);
      }
    });
  }

  #promoteAfter(shard: Shard, entry: Entry, waitMs: number): () => void {
    const promote = () => shard.promote(entry);
    return waitMs < this.world.limits.requestWaitMsMax
      ? this.world.clock.after(waitMs, promote)
      : this.#longestWaits.add(promote);
  }

  #message(request: CommandRequest, options: SubmitOptions): Message {
    const { messageId } = options;
    if (messageId !== undefined && !isMessageId(messageId)) {
      const detail = "Cannot use the message id: 1 to 255 printable ASCII characters, no spaces";
      throw new FolioError("malformed", detail, { name: "messageId" });
    }
    const reactor = /^([a-z][a-z0-9-]*)(~\d+)?(\.\d+){3}$/.exec(messageId ?? "")?.[1];
    if (reactor !== undefined && this.world.registry.reactors.has(reactor)) {
      // The reactor's own message of this id would be taken for a repetition, and its event not be answered.
      const detail = `Cannot use the message id: reactor ${reactor} has ids like that`;
      throw new FolioError("malformed", detail, { name: "messageId" });
    }
    for (const name of ["deliverAt", "expiresAt"] as const) {
      const time = options[name] ?? 0;
      if (Number.isSafeInteger(time) && Math.abs(time) <= TIME_MAX) continue;
      throw new FolioError("malformed", `Cannot use ${name}: a whole number of milliseconds`, { name });
    }
    for (const name of ["correlationId", "traceparent", "expectedVersion"] as const) {
      if (options[name]?.isWellFormed() ?? true) continue;
      throw new FolioError("malformed", `Cannot use ${name}: it is not well-formed Unicode`, { name });
    }
    const now = this.world.clock.now();
    const id = messageId ?? this.world.ids.next();
    return {
      id,
      actor: `${request.type}/${request.key}`,
      command: request.command,
      input: request.input,
      correlationId: options.correlationId ?? id,
      causationId: null,
      traceparent: options.traceparent ?? null,
      expectedVersion: options.expectedVersion ?? null,
      enqueuedAt: now,
      deliverAt: Math.max(options.deliverAt ?? now, now),
      expiresAt: options.expiresAt ?? null,
      replyTo: null,
    };
  }
}

/**
 * A request from within this process, as it would have come from outside: JSON, bounded, and nobody else's.
 *
 * @param bytesMax Of its input as JSON text.
 * @throws {FolioError} `invalid-input`, `payload-too-large`.
 */
export function copyOfRequest(request: CommandRequest, bytesMax: number): CommandRequest {
  if (!isJson(request.input)) {
    throw new FolioError("invalid-input", `Input of ${request.command} is not JSON`, { issues: [] });
  }
  const json = JSON.stringify(request.input);
  if (json.length * 3 > bytesMax && new TextEncoder().encode(json).byteLength > bytesMax) {
    throw new FolioError("payload-too-large", `Input must be no more than ${bytesMax} bytes`, { bytesMax });
  }
  return { ...request, input: JSON.parse(json) };
}
