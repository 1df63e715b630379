import type { z } from "zod";
import type { AnyActivity, InputOf, OutputOf } from "./activity.ts";
import type { CommandRequest } from "./command.ts";
import type { Duration } from "./duration.ts";
import type { AnySaga, SagaInput, SagaOutput } from "./saga.ts";

/** What takes a step back: a command, an activity with its input, or nothing. */
export type Undo<A extends AnyActivity = AnyActivity> = CommandRequest | readonly [A, InputOf<A>] | undefined;

/** A step has failed for good: it was rejected, its attempts are used up, or its child did not complete. */
export class StepError extends Error {
  override readonly name = "StepError";

  constructor(
    /** The step's name. */
    readonly step: string,
    /** Code of the rejection; `dead-letter`; or the status that a child ended with. */
    readonly code: string,
    message: string,
    readonly details?: unknown,
  ) {
    super(message);
  }
}

/** How a step is taken back. */
export interface StepOptions<Output, A extends AnyActivity = AnyActivity> {
  /**
   * Asked as soon as the step is done, and recorded with it: what is to be sent should the saga fail, be
   * cancelled or run out of time later on. Pure, as the rest of `run`.
   */
  readonly undo?: ((output: Output) => Undo<A>) | undefined;
}

/**
 * What the `run` of a saga works with: each call is a step, recorded as events of the saga's own stream, and done
 * once. `run` must do the same each time it is run with the same answers: it takes time, ids and chance from here,
 * and awaits nothing but steps.
 *
 * A step is known by its name and kind. A second one of the same name is `name#2`, and so on, so that loops need no
 * names of their own.
 */
export interface Step<Input = never> {
  /**
   * Sends a command and waits for its reply.
   *
   * @throws {StepError} When it is rejected (`code`, `details`), or becomes a dead letter (`dead-letter`).
   */
  ask<Reply, Rejection, A extends AnyActivity = AnyActivity>(
    name: string,
    request: CommandRequest<Reply, Rejection>,
    options?: StepOptions<NoInfer<Reply>, A>,
  ): Promise<Reply>;
  /**
   * Lets an activity be performed and waits for what it gives.
   *
   * @param options `key`: whose work it is, e.g. a tenant's.
   * @throws {StepError} `dead-letter`, once it has failed for good.
   */
  perform<Activity extends AnyActivity, A extends AnyActivity = AnyActivity>(
    name: string,
    activity: Activity,
    input: InputOf<Activity>,
    options?: StepOptions<OutputOf<Activity>, A> & { readonly key?: string | undefined },
  ): Promise<OutputOf<Activity>>;
  /** Waits so long, restarts or not. */
  sleep(duration: Duration): Promise<void>;
  sleep(name: string, duration: Duration): Promise<void>;
  /**
   * Waits for a signal of this name. One that came before is kept for whom waits for it first.
   *
   * @throws {StepError} `invalid-signal` when a signal that came before does not fit the schema.
   */
  waitFor<Schema extends z.ZodType>(name: string, schema: Schema): Promise<z.output<Schema>>;
  /** As above; undefined when no signal has come within the time. */
  waitFor<Schema extends z.ZodType>(
    name: string,
    schema: Schema,
    options: { readonly within: Duration },
  ): Promise<z.output<Schema> | undefined>;
  /** Waits for several steps that go on at the same time, as `Promise.all` does. */
  all<const Steps extends readonly unknown[]>(
    steps: Steps,
  ): Promise<{ -readonly [Index in keyof Steps]: Awaited<Steps[Index]> }>;
  /**
   * Starts another saga and waits for its end. Its id tells whose it is. If this saga ends early, the child is
   * cancelled.
   *
   * @param options `name`: the step's; the child saga's unless given.
   * @throws {StepError} When it does not complete: `failed`, `cancelled`, `timed-out`.
   */
  child<S extends AnySaga, A extends AnyActivity = AnyActivity>(
    saga: S,
    input: SagaInput<S>,
    options?: StepOptions<SagaOutput<S>, A> & { readonly name?: string | undefined },
  ): Promise<SagaOutput<S>>;
  /** The time, in milliseconds since the Unix epoch. */
  now(): number;
  /** A new id, unique across processes. */
  id(): string;
  /** A number in [0, 1). */
  random(): number;
  /**
   * For changing `run` while instances run: `version` for those that come here for the first time, 0 for those that
   * were past this place before the call was there. Always the same for one name in one instance.
   */
  version(name: string, version: number): number;
  /**
   * Ends this run and begins anew with another input: for sagas without an end, whose journal would grow for ever.
   * What has been done so far is not undone any more; signals not yet waited for are kept, and so is the deadline.
   */
  continueAsNew(input: Input): never;
}
