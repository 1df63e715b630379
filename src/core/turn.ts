import type { z } from "zod";
import type { CommandRequest } from "./command.ts";
import type { Duration } from "./duration.ts";
import type { EventSchemas, PayloadIn } from "./event.ts";

/** What an actor may reject with: a code, and the schema of its details. */
export type RejectionSchemas = Record<string, z.ZodType>;

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
   * waits for its reply. `after` delays it.
   */
  send(request: CommandRequest, options?: { after?: Duration }): void;
  /** A new id, unique across processes. */
  id(): string;
  /** A number in [0, 1). */
  random(): number;
}
