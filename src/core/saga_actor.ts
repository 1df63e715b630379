import { z } from "zod";
import type { Actor } from "./actor.ts";
import { defaultRetryPolicy } from "./backoff.ts";
import { command } from "./command.ts";
import { eventDefinition } from "./event.ts";
import { Journal } from "./journal.ts";
import type { AnySaga } from "./saga.ts";
import { type SagaEvent, sagaEvents } from "./saga_events.ts";
import type { RejectionSchemas } from "./turn.ts";

/** Commands with this before their names come from the runtime only. */
export const INTERNAL_PREFIX = "$";

const Told = z.object({
  id: z.string(),
  context: z.unknown(),
  output: z.unknown().optional(),
  error: z.object({ code: z.string(), message: z.string(), details: z.unknown().optional() }).optional(),
});

/** What a saga instance can be sent, from outside and by those that it has asked. */
export const sagaCommands = {
  start: z.object({
    input: z.unknown(),
    tell: z.object({ actor: z.string(), context: z.unknown() }).nullable().default(null),
  }),
  signal: z.object({ name: z.string().min(1).max(255), payload: z.unknown() }),
  cancel: z.object({ reason: z.string().max(1_000).optional() }),
  retry: z.object({}),
  /** A step, or a compensation, is done or has failed: a `Told`, whose context is a `StepContext`. */
  $told: Told,
  /** A sleep, or the wait for a signal, is over. */
  $due: z.object({ step: z.int(), run: z.int() }),
  $deadline: z.object({}),
};
export type SagaCommandName = keyof typeof sagaCommands;

/** Which step of which run is told of; `isUndo`: of its compensation. */
export const StepContext = z.object({ step: z.int(), run: z.int(), isUndo: z.boolean() });
export type StepContext = z.output<typeof StepContext>;

/** An actor type whose actors are the instances of a saga, so that projections and reactors can follow them. */
export type SagaActor<Name extends string = string> = Actor<
  Name,
  Journal,
  typeof sagaEvents,
  RejectionSchemas,
  Record<never, never>
>;

/**
 * The actor type whose actors are a saga's instances. Its turns are `runtime/saga_turn.ts`'s: the handlers here
 * are never called.
 */
export function sagaActor<Name extends string>(
  name: Name,
  input: z.ZodType,
  sagaOf: () => AnySaga,
): SagaActor<Name> {
  const inputs = { ...sagaCommands, start: sagaCommands.start.extend({ input }) };
  const commands = Object.entries(inputs).map(([command_, schema]) => {
    const refuse = () => {
      throw new Error(`Saga ${name} cannot be run by an actor's turn`);
    };
    return [command_, command(schema, refuse)] as const;
  });
  const names = Object.keys(sagaEvents) as (keyof typeof sagaEvents)[];
  return {
    kind: "actor",
    name,
    initialState: () => new Journal(),
    events: new Map(names.map((event) => [event, eventDefinition(sagaEvents[event])])),
    evolve: new Map(
      names.map((event) => [
        event,
        // Its schema has parsed it.
        (state, payload) => (state as Journal).after([event, payload] as SagaEvent),
      ]),
    ),
    commands: new Map(commands),
    rejections: undefined,
    // What it is told must not get lost while, say, there is no room for what it sends next.
    retry: { ...defaultRetryPolicy, attemptsMax: 20 },
    snapshotEvery: Infinity,
    mailboxDepthMax: undefined,
    fingerprint: "saga",
    get saga() {
      return sagaOf();
    },
    ref: () => {
      throw new TypeError(`Cannot address an actor of saga ${name}: use the saga's own ref`);
    },
  };
}
