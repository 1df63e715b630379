import assert from "node:assert/strict";
import type { z } from "zod";
import type { AnyActor } from "../core/actor.ts";
import type { CommandDefinition } from "../core/command.ts";
import { issuesOf, issuesText } from "../core/errors.ts";
import type { EventSchema, PayloadOf } from "../core/event.ts";
import type { AnySaga, SagaInput } from "../core/saga.ts";
import { deepFreeze } from "../core/json.ts";
import { evolve } from "../runtime/evolve.ts";
import type { AnyModule } from "../runtime/registry.ts";
import { GivenSaga } from "./given_saga.ts";
import type { SagaOptions } from "./saga_process.ts";
import { When } from "./when.ts";

type TypesOf<A extends AnyActor> = NonNullable<A["__types"]>;
type EventsOf<A extends AnyActor> = TypesOf<A>["events"];
/** The commands of an actor type, by name. */
export type CommandsOf<A extends AnyActor> = TypesOf<A>["commands"];

/** An event of an actor type, as a test writes it: `["Deposited", { amount: 5 }]`. */
export type EventOf<A extends AnyActor> = {
  [Name in keyof EventsOf<A> & string]: EventsOf<A>[Name] extends infer Schema extends EventSchema
    ? readonly [name: Name, payload: PayloadOf<Schema>]
    : never;
}[keyof EventsOf<A> & string];

/** What follows a command's name: nothing needs to be given for a command that needs nothing. */
export type InputArgs<Command, Options = WhenOptions> = Command extends
  CommandDefinition<never, infer Input, infer _Reply>
  ? Record<never, never> extends z.input<Input> ? [input?: z.input<Input>, options?: Options]
  : [input: z.input<Input>, options?: Options]
  : never;

/** The world that a turn sees. */
export interface WhenOptions {
  /** What `turn.now` says, in milliseconds since the Unix epoch (2026-01-01). */
  readonly now?: number;
  /** The actor's key (`"key"`). */
  readonly key?: string;
  /** What each `turn.random()` says, in [0, 1) (0.5). Ids are `id-1`, `id-2` and so on. */
  readonly random?: number;
  /** Other modules, so that what the turn sends to them is checked against their commands. */
  readonly modules?: readonly AnyModule[];
}

/**
 * Begins a test of one command: the actor has recorded `events`. No store and no server are needed; the
 * command runs as the runtime runs it.
 *
 * Checked along the way, because the runtime relies on it: each event fits its schema, states survive being
 * stored as JSON, what is folded from the log is what the turn saw, and the same turn twice gives the same.
 *
 * @param actor What `actor(...)` has made.
 * @param events Tuples of name and payload, oldest first.
 *
 * @example
 * ```ts
 * import { given } from "folio/testing";
 * import { account } from "../../actors/account.ts";
 *
 * given(account, [["Opened", { owner: "Alice" }], ["Deposited", { amount: 5 }]])
 *   .when("withdraw", { amount: 3 })
 *   .then([["Withdrawn", { amount: 3 }]])
 *   .thenReply({ balance: 2 });
 *
 * given(account, [["Opened", { owner: "Alice" }]])
 *   .when("withdraw", { amount: 3 })
 *   .then({ rejected: "insufficient-funds", details: { balance: 0 } });
 * ```
 */
export function given<A extends AnyActor>(actor: A, events: readonly EventOf<A>[]): Given<A>;
/**
 * Begins a test of a saga: it is started with `input`, and its steps are answered one after the other. No store and
 * no server are needed; its turns are the runtime's, on virtual time, and each of them is run twice from the journal,
 * so that a `run` which does not do the same again fails.
 *
 * @param saga What `saga(...)` has made.
 *
 * @example
 * ```ts
 * import { given } from "folio/testing";
 * import { account } from "../../actors/account.ts";
 * import { transfer } from "../../actors/transfer.ts";
 *
 * await given(transfer, { from: "ann", to: "bob", amount: 5 })
 *   .asks("withdraw", account.ref("ann").withdraw({ amount: 5 }), { replies: { balance: 0 } })
 *   .asks("deposit", account.ref("bob").deposit({ amount: 5 }), { rejects: "not-open" })
 *   .undoes("withdraw", account.ref("ann").deposit({ amount: 5 }))
 *   .fails("not-open");
 * ```
 */
export function given<S extends AnySaga>(saga: S, input: SagaInput<S>, options?: SagaOptions): GivenSaga<S>;
export function given(module: AnyActor | AnySaga, past: unknown, options?: SagaOptions): unknown {
  if (module.kind === "saga") return new GivenSaga(module, past, options);
  return new Given(module, past as readonly EventOf<AnyActor>[]);
}

/** An actor with a past. */
export class Given<A extends AnyActor> {
  readonly #actor: A;
  /** The state after the given events. */
  readonly state: ReturnType<A["initialState"]>;
  /** How many they are. */
  readonly version: number;

  constructor(actor: A, events: readonly EventOf<A>[]) {
    this.#actor = actor;
    let state: unknown = deepFreeze(actor.initialState());
    checkIsJson("The initial state", state);
    for (const [index, [type, payload]] of events.entries()) {
      const version = index + 1;
      const stored = recorded(actor, version, type, payload);
      state = evolve(actor, state, { actor: actor.name, version, ...stored });
      checkIsJson(`The state after given event ${version} (${type})`, state);
    }
    this.state = state as ReturnType<A["initialState"]>;
    this.version = events.length;
  }

  /**
   * Sends a command.
   *
   * @param command Its name.
   * @param args Its input, and what the turn is to see of the world.
   */
  when<Name extends keyof CommandsOf<A> & string>(
    command: Name,
    ...args: InputArgs<CommandsOf<A>[Name]>
  ): When<A, Name> {
    const [input = {}, options = {}] = args as [input?: unknown, options?: WhenOptions];
    return new When(this.#actor, { state: this.state, version: this.version }, { command, input }, options);
  }
}

/** An event as the log would hold it. */
function recorded(actor: AnyActor, version: number, type: string, payload: unknown) {
  const definition = actor.events.get(type);
  if (!definition) assert.fail(`Given event ${version}: actor type ${actor.name} has no event ${type}`);
  const parsed = definition.schema.safeParse(payload);
  if (!parsed.success) {
    assert.fail(
      `Given event ${version} (${type}) does not fit its schema: ${issuesText(issuesOf(parsed.error))}`,
    );
  }
  const { schemaVersion } = definition;
  return { type, schemaVersion, payload: JSON.parse(JSON.stringify(parsed.data)) as unknown };
}

/** Fails for dates, maps, undefined properties and the like. */
export function checkIsJson(what: string, value: unknown): void {
  const text: string | undefined = JSON.stringify(value);
  const read: unknown = text === undefined ? undefined : JSON.parse(text);
  try {
    assert.deepStrictEqual(read, value);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    assert.fail(`${what} changes when it is stored as JSON and read again: ${reason}`);
  }
}
