import type { z } from "zod";
import { checkIsJson, checkName } from "./actor.ts";
import { refKey, refType } from "./address.ts";
import type { CommandRequest } from "./command.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { type SagaActor, sagaActor } from "./saga_actor.ts";
import type { Step } from "./step.ts";

export type SignalSchemas = Record<string, z.ZodType>;

/** A saga instance's address: what others may send it. */
export interface SagaRef<Input, Signals extends SignalSchemas = SignalSchemas> {
  /** Begins it. Rejected as `already-started` where there is one of this id. */
  start(input: Input): CommandRequest<{ status: SagaStatusName }>;
  /** Rejected as `not-started`, as `ended` where nothing can wait for it any more, or as `invalid-signal`. */
  signal<Name extends keyof Signals & string>(
    name: Name,
    payload: z.input<Signals[Name]>,
  ): CommandRequest<{ status: SagaStatusName }>;
  /** Compensates what has been done. Rejected as `not-started`, or as `ended`; no-op where it compensates. */
  cancel(reason?: string): CommandRequest<{ status: SagaStatusName }>;
  /** Sends the compensation again that a stuck saga is stuck with. Rejected as `not-stuck`. */
  retry(): CommandRequest<{ status: SagaStatusName }>;
}

/**
 * `compensating`: it fails, was cancelled, or has run out of time, and takes back what it has done. `stuck`: a
 * compensation has failed for good. `stopped`: its code does not fit what it has recorded; nothing happens until
 * the process starts with code that does. The last four are ends.
 */
export type SagaStatusName =
  | "running"
  | "compensating"
  | "stuck"
  | "stopped"
  | "completed"
  | "failed"
  | "cancelled"
  | "timed-out";

/** A saga, as `saga(...)` makes it. */
export interface Saga<
  Name extends string = string,
  Input extends z.ZodType = z.ZodType,
  Output = unknown,
  Signals extends SignalSchemas = SignalSchemas,
> {
  readonly kind: "saga";
  readonly name: Name;
  readonly input: Input;
  readonly output: z.ZodType<Output> | undefined;
  /** Undefined where any signal is taken. */
  readonly signals: ReadonlyMap<string, z.ZodType> | undefined;
  readonly deadlineMs: number | undefined;
  readonly run: (step: Step<z.input<Input>>, input: z.output<Input>) => Promise<Output>;
  /** Each instance is an actor `name/id`, whose events are its journal. */
  readonly actor: SagaActor<Name>;
  /** The address of one instance. */
  ref(id: string): SagaRef<z.input<Input>, Signals>;
}

/** Any saga. */
// deno-lint-ignore no-explicit-any -- stands for every saga whatever it takes and gives
export type AnySaga = Saga<string, any, any, any>;
/** What a saga is started with. */
export type SagaInput<S extends AnySaga> = z.input<S["input"]>;
/** What a saga gives. */
export type SagaOutput<S extends AnySaga> = Awaited<ReturnType<S["run"]>>;

/**
 * Defines a saga: a durable function, whose instances survive crashes and restarts at any point. What a step has
 * done is undone, in reverse order, when `run` throws, the saga is cancelled, or its deadline passes.
 *
 * @param name Lower case letters, digits and hyphens; no actor type may have the same.
 * @param parts `deadline`: of the whole saga, from its start. `signals`: the schemas of signals it takes; any are
 * taken unless they are given. `output`: a schema of what `run` gives, for documents and as a check.
 * @throws {TypeError} When a name, a schema or the deadline is malformed.
 *
 * @example
 * ```ts
 * import { actor, command, saga } from "folio";
 * import { z } from "zod";
 *
 * const Place = z.object({ by: z.string() });
 * const table = actor("table", {
 *   initialState: () => ({ by: "" }),
 *   events: { Taken: Place, Freed: z.object({}) },
 *   evolve: { Taken: (_, { by }) => ({ by }), Freed: () => ({ by: "" }) },
 *   commands: {
 *     take: command(Place, (turn, { by }) => {
 *       if (turn.state.by) turn.reject("taken");
 *       turn.emit("Taken", { by });
 *     }),
 *     free: command(z.object({}), (turn) => turn.emit("Freed", {})),
 *   },
 * });
 *
 * export const dinner = saga("dinner", {
 *   input: z.object({ table: z.string(), guest: z.string() }),
 *   run: async (step, input) => {
 *     await step.ask("take", table.ref(input.table).take({ by: input.guest }), {
 *       undo: () => table.ref(input.table).free(),
 *     });
 *     const order = await step.waitFor("order", z.object({ dish: z.string() }), { within: "30m" });
 *     if (!order) throw new Error("nobody came");
 *     return { dish: order.dish };
 *   },
 * });
 * ```
 */
export function saga<
  Name extends string,
  Input extends z.ZodType,
  Output,
  Signals extends SignalSchemas = SignalSchemas,
>(
  name: Name,
  parts: {
    readonly input: Input;
    readonly output?: z.ZodType<NoInfer<Output>> | undefined;
    readonly signals?: Signals | undefined;
    readonly deadline?: Duration | undefined;
    readonly run: (step: Step<z.input<Input>>, input: z.output<Input>) => Promise<Output>;
  },
): Saga<Name, Input, Output, Signals> {
  checkName("saga", name, /^[a-z][a-z0-9-]{0,63}$/);
  checkIsJson(`input of saga ${name}`, parts.input, "input");
  if (parts.output) checkIsJson(`output of saga ${name}`, parts.output, "output");
  for (const [signal, schema] of Object.entries(parts.signals ?? {})) {
    checkIsJson(`signal ${signal} of saga ${name}`, schema, "input");
  }
  const deadlineMs = parts.deadline === undefined ? undefined : parseDuration(parts.deadline);
  if (parts.deadline !== undefined && deadlineMs === undefined) {
    throw new TypeError(`Cannot define saga ${name}: deadline is not a duration, "${parts.deadline}"`);
  }
  const request = (key: string, command: string, input: unknown) => ({ type: name, key, command, input });
  const self: Saga<Name, Input, Output, Signals> = {
    kind: "saga",
    name,
    input: parts.input,
    output: parts.output,
    signals: parts.signals && new Map(Object.entries(parts.signals)),
    deadlineMs,
    run: parts.run,
    actor: sagaActor(name, parts.input, () => self),
    ref: (id) => ({
      ...{ [refType]: name, [refKey]: id },
      start: (input) => request(id, "start", { input }),
      signal: (signal, payload) => request(id, "signal", { name: signal, payload: payload ?? null }),
      cancel: (reason) => request(id, "cancel", reason === undefined ? {} : { reason }),
      retry: () => request(id, "retry", {}),
    }),
  };
  return self;
}
