import type { AnyActor } from "../core/actor.ts";
import { errorMessage } from "../core/errors.ts";
import type { AnyModule } from "../runtime/registry.ts";
import type { TimerChange } from "../runtime/turn.ts";
import { type CommandsOf, type EventOf, Given, type InputArgs } from "./given.ts";
import { type CheckedTurn, checkedTurn } from "./when.ts";

/** What a command of a sequence finds beside the state. */
export interface CallOptions {
  /** Milliseconds between the command before and this one (0). */
  readonly after?: number;
  /** What each `turn.random()` says, in [0, 1) (0.5). */
  readonly random?: number;
}

/** A command of a sequence, as a test writes it: `["deposit", { amount: 5 }]`. */
export type CallOf<A extends AnyActor> = {
  [Name in keyof CommandsOf<A> & string]: readonly [
    command: Name,
    ...args: Readonly<InputArgs<CommandsOf<A>[Name], CallOptions>>,
  ];
}[keyof CommandsOf<A> & string];

/** Any command of a sequence. */
export type Call = readonly [command: string, input?: unknown, options?: CallOptions];

/** Where a sequence of commands begins. */
export interface CommandsOptions<A extends AnyActor = AnyActor> {
  /** What the actor has recorded before. */
  readonly given?: readonly EventOf<A>[];
  /** The time of the first command, in milliseconds since the Unix epoch (2026-01-01). */
  readonly now?: number;
  /** The actor's key (`"key"`). */
  readonly key?: string;
  /** Other modules, so that what is sent to them is checked against their commands. */
  readonly modules?: readonly AnyModule[];
}

/** A command of a sequence has failed: the handler or an invariant, or what the runtime relies on. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  constructor(
    /** Its place in the sequence, from 1. */
    readonly place: number,
    readonly command: string,
    cause: unknown,
  ) {
    super(`Command ${place} (${command}) fails: ${errorMessage(cause)}`, { cause });
  }
}

/** One actor that is sent commands, one after the other. */
export class ActorRun {
  state: unknown;
  /** Milliseconds since the Unix epoch. */
  now: number;
  /** Ids that its turns have made; the newest is `id-<so many>`. */
  idsMade = 0;
  /** Timers that are set, the newest last. */
  readonly timers = new Map<string, NonNullable<TimerChange["set"]>>();
  #version: number;
  #commands = 0;

  constructor(readonly actor: AnyActor, private readonly options: CommandsOptions) {
    const given = new Given(actor, options.given ?? []);
    this.state = given.state;
    this.#version = given.version;
    this.now = options.now ?? Date.UTC(2026, 0, 1);
  }

  /** @throws {CommandError} When it does anything but record, answer or reject. */
  take([command, input = {}, options = {}]: Call): CheckedTurn {
    const { after = 0, random } = options;
    this.#commands++;
    this.now += after;
    const { key, modules } = this.options;
    const world = {
      now: this.now,
      ...(key === undefined ? {} : { key }),
      ...(modules === undefined ? {} : { modules }),
      ...(random === undefined ? {} : { random }),
    };
    const before = { state: this.state, version: this.#version, idsMade: this.idsMade };
    let turn: CheckedTurn;
    try {
      turn = checkedTurn(this.actor, before, { command, input }, world);
      if (turn.result.kind === "failed") throw turn.result.error;
    } catch (error) {
      throw new CommandError(this.#commands, command, error);
    }
    this.idsMade = turn.idsMade;
    if (turn.result.kind !== "done") return turn;
    this.state = turn.result.state;
    this.#version = turn.result.version;
    for (const { name, set } of turn.result.timers) {
      this.timers.delete(name);
      if (set) this.timers.set(name, set);
    }
    return turn;
  }
}

/**
 * Sends an actor one command after the other, and checks of each that it records, answers or rejects, that no
 * invariant is broken, and all that `given(…).when(…)` checks. What `fuzz` finds is told as a call of this.
 *
 * @param calls Ids are `id-1`, `id-2` and so on, through the whole sequence.
 * @returns The state after the last.
 * @throws {CommandError} For the first that fails.
 *
 * @example
 * ```ts
 * import { checkCommands } from "folio/testing";
 * import { account } from "../../actors/account.ts";
 *
 * const { balance } = checkCommands(account, [
 *   ["open", { owner: "Ann" }],
 *   ["deposit", { amount: 5 }],
 *   ["withdraw", { amount: 6 }, { after: 60_000 }],
 * ]);
 * console.assert(balance === 5);
 * ```
 */
export function checkCommands<A extends AnyActor>(
  actor: A,
  calls: readonly CallOf<A>[],
  options?: CommandsOptions<A>,
): ReturnType<A["initialState"]>;
export function checkCommands(
  actor: AnyActor,
  calls: readonly Call[],
  options: CommandsOptions = {},
): unknown {
  const run = new ActorRun(actor, options);
  for (const call of calls) run.take(call);
  return run.state;
}
