import { z } from "zod";

/**
 * A command of an actor: what it takes, what it does, what it answers. It is callable so that TypeScript
 * defers its inference until the actor's state and events are known, which types `turn` without a word.
 */
export interface CommandDefinition<
  Turn,
  Input extends z.ZodType,
  Reply,
  IsInternal extends boolean = boolean,
> {
  (turn: Turn, input: z.output<Input>): Reply;
  readonly input: Input;
  /** Given for the sake of documents: `openapi.json` describes the reply by it, and every reply is checked. */
  readonly reply: z.ZodType<Reply> | undefined;
  /** Whether only this process sends it: actors, timers, reactors, sagas, what activities tell. Clients may not. */
  readonly isInternal: IsInternal;
}

// deno-lint-ignore no-explicit-any -- stands for every command whatever its input and reply
export type AnyCommand<Turn = any> = CommandDefinition<Turn, any, any>;

/** A turn is synchronous: a handler that gives a promise does not compile. */
type Synchronous<Reply> = Reply extends PromiseLike<unknown> ? "a turn is synchronous" : unknown;

/**
 * Defines a command.
 *
 * @param input Schema of the input; what does not fit never reaches the handler.
 * @param handler One turn: synchronous, and pure apart from `turn`. What it returns is the reply (JSON).
 * @param options `reply`: a schema of the reply, for `openapi.json` and as a check. `isInternal`: it is sent by
 * what runs here only (the `onDone` of an activity, a timer, another actor); over HTTP it is 403 `forbidden`.
 *
 * @example
 * ```ts
 * import { actor, command } from "folio";
 * import { z } from "zod";
 *
 * const counter = actor("counter", {
 *   initialState: () => 0,
 *   events: { Increased: z.object({ by: z.int() }) },
 *   evolve: { Increased: (state, event) => state + event.by },
 *   commands: {
 *     increase: command(z.object({ by: z.int() }), (turn, input) => {
 *       turn.emit("Increased", { by: input.by });
 *       return { value: turn.state };
 *     }),
 *   },
 * });
 * ```
 */
export function command<Turn, Input extends z.ZodType, Reply, const IsInternal extends boolean = false>(
  input: Input,
  handler: (turn: Turn, input: z.output<Input>) => Reply & Synchronous<Reply>,
  options: { reply?: z.ZodType<NoInfer<Reply>>; isInternal?: IsInternal } = {},
): CommandDefinition<Turn, Input, Reply, IsInternal> {
  const run = (turn: Turn, value: z.output<Input>) => handler(turn, value);
  // Where it is not given, IsInternal is false.
  const isInternal = (options.isInternal ?? false) as IsInternal;
  return Object.assign(run, { input, reply: options.reply, isInternal });
}

/** A command addressed to an actor, as `ref("bob").deposit({ amount: 5 })` makes it. Not yet a message. */
export interface CommandRequest<Reply = unknown, Rejection = unknown> {
  readonly type: string;
  readonly key: string;
  readonly command: string;
  readonly input: unknown;
  /** Only in types: what the actor will answer. */
  readonly __answer?: { reply: Reply; rejection: Rejection };
}
