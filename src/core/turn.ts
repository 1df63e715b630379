import type { z } from "zod";
import type { AnyActivity, InputOf } from "./activity.ts";
import type { CommandRequest } from "./command.ts";
import type { Duration } from "./duration.ts";
import type { EventSchemas, PayloadIn } from "./event.ts";

/** What an actor may reject with: a code, and the schema of its details. */
export type RejectionSchemas = Record<string, z.ZodType>;

/** How a command is sent. */
export interface SendOptions {
  /** Not before so long from now. */
  readonly after?: Duration | undefined;
  /** If it has not been handled so long from now, it is rejected as `expired` instead. */
  readonly expiresAfter?: Duration | undefined;
}

/** When a timer is due: so long from now, or at a time (milliseconds since the Unix epoch, or ISO 8601). */
export type TimerTime = { readonly after: Duration } | { readonly at: number | string };

/** How an activity is performed, and which commands of this actor are told what became of it. */
export interface PerformOptions extends SendOptions {
  /** Takes `{ id, context, output }`. */
  readonly onDone?: string | undefined;
  /** Takes `{ id, context, error: { code, message } }`, once the activity has failed for good. */
  readonly onFailed?: string | undefined;
  /** Given back with either (JSON). */
  readonly context?: unknown;
  /** Whose work it is, e.g. a tenant's: limits for each key are by it, and keys take turns. */
  readonly key?: string | undefined;
}

/** Details must be given where the schema asks for something. */
type Details<Schema extends z.ZodType> = Record<never, never> extends z.input<Schema>
  ? [details?: z.input<Schema>]
  : [details: z.input<Schema>];

/**
 * What a command handler works with. All that a handler may know of the world comes through here, so that a
 * turn can be tested, simulated and repeated.
 */
export interface Turn<State, Events extends EventSchemas, Rejections extends RejectionSchemas> {
  /** The actor's state, already reflecting the events this turn has emitted. Frozen. */
  readonly state: State;
  /** The actor's version, likewise: 0 before its first event. */
  readonly version: number;
  /** The actor's key. */
  readonly key: string;
  /** The time of this turn, in milliseconds since the Unix epoch: the same however often it is read. */
  readonly now: number;
  /** Records a fact. */
  emit<Name extends keyof Events & string>(name: Name, payload: PayloadIn<Events[Name]>): void;
  /** Ends the turn with an answer of no: nothing is recorded, and nothing is retried. */
  reject<Code extends keyof Rejections & string>(code: Code, ...details: Details<Rejections[Code]>): never;
  /**
   * Sends a command to another actor (or this one), in the same transaction as the turn's events. Nobody
   * waits for its reply.
   */
  send(request: CommandRequest, options?: SendOptions): void;
  /**
   * Sets a timer: the command is sent when its time comes, and not before this turn is on disk. An actor has one
   * timer of a name: setting it again replaces it.
   */
  schedule(name: string, when: TimerTime, request: CommandRequest): void;
  /** Cancels a timer of this actor. No-op where there is none of this name. */
  cancel(name: string): void;
  /**
   * Lets an activity be performed once this turn is on disk.
   *
   * @returns Its id, which is also its message id and idempotency key.
   */
  perform<Activity extends AnyActivity>(
    activity: Activity,
    input: InputOf<Activity>,
    options?: PerformOptions,
  ): string;
  /** A new id, unique across processes. */
  id(): string;
  /** A number in [0, 1). */
  random(): number;
}
