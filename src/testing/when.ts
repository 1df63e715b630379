import assert from "node:assert/strict";
import type { AnyActivity } from "../core/activity.ts";
import type { AnyActor } from "../core/actor.ts";
import type { CommandDefinition } from "../core/command.ts";
import { errorMessage } from "../core/errors.ts";
import type { Ids } from "../core/ids.ts";
import { evolve } from "../runtime/evolve.ts";
import { Registry } from "../runtime/registry.ts";
import type { SagaTurnResult } from "../runtime/saga_turn.ts";
import { runTurn, type Send, type TimerChange, type TurnResult } from "../runtime/turn.ts";
import { defaultLimits } from "../config.ts";
import { checkIsJson, type CommandsOf, type EventOf, type WhenOptions } from "./given.ts";
import { sealed } from "./sealed.ts";

type Rejections<A extends AnyActor> = NonNullable<A["__types"]>["rejections"];

/** Codes that an actor type rejects with. */
export type RejectionOf<A extends AnyActor> = keyof Rejections<A> & string;

/** What a command answers. */
export type ReplyOf<A extends AnyActor, Name extends keyof CommandsOf<A>> = CommandsOf<A>[Name] extends
  CommandDefinition<never, infer _Input, infer Reply> ? Reply : never;

/** What should come of a turn: events, a rejection, or a failure whose message fits. */
export type Expected<A extends AnyActor> =
  | readonly EventOf<A>[]
  /** `details` are compared only where they are given. */
  | { readonly rejected: RejectionOf<A>; readonly details?: unknown }
  | { readonly failed: RegExp };

/** What came of a turn. */
export interface Outcome<A extends AnyActor, Name extends keyof CommandsOf<A>> {
  readonly kind: "done" | "rejected" | "failed";
  /** Empty unless `done`. */
  readonly events: readonly EventOf<A>[];
  /** The state after the turn: that before it, unless `done`. */
  readonly state: ReturnType<A["initialState"]>;
  readonly version: number;
  /** Undefined unless `done`; a command that returns nothing replies null. */
  readonly reply: ReplyOf<A, Name> | undefined;
  /** What the turn sends, with the delay of each. */
  readonly sends: readonly Send[];
  /** Timers that the turn sets or cancels, in this order. */
  readonly timers: readonly TimerChange[];
  readonly rejection: { readonly code: string; readonly details: unknown } | undefined;
  readonly error: unknown;
}

/** A command that an actor with a past has been sent. */
export class When<A extends AnyActor, Name extends keyof CommandsOf<A> & string> {
  /** For what `then` does not say. */
  readonly outcome: Outcome<A, Name>;

  constructor(
    actor: A,
    before: { state: ReturnType<A["initialState"]>; version: number },
    request: { command: Name; input: unknown },
    options: WhenOptions,
  ) {
    this.outcome = toOutcome(before, checkedTurn(actor, before, request, options).result);
  }

  /**
   * Checks what came of the command.
   *
   * @throws {AssertionError} With both sides, where they differ.
   */
  then(expected: Expected<A>): Checked<A, Name> {
    if (typeof expected === "function") {
      throw new TypeError("A test was awaited before it was complete: call then with what is expected");
    }
    assert.deepStrictEqual(describe(this.outcome, expected), expectation(expected));
    return new Checked(this.outcome);
  }

  /** As `then(...).thenReply(reply)`, where the events do not matter. */
  thenReply(reply: ReplyOf<A, Name>): Checked<A, Name> {
    return new Checked(this.outcome).thenReply(reply);
  }
}

/** A test that has held so far. */
export class Checked<A extends AnyActor, Name extends keyof CommandsOf<A> & string> {
  constructor(readonly outcome: Outcome<A, Name>) {}

  /** @throws {AssertionError} When the command replied otherwise, or did not. */
  thenReply(reply: ReplyOf<A, Name>): this {
    assert.deepStrictEqual(
      this.outcome.kind === "done" ? { reply: this.outcome.reply } : summary(this.outcome),
      { reply: reply ?? null },
    );
    return this;
  }
}

/** An outcome of any actor, as far as `then` looks at it. */
type AnyOutcome = Pick<Outcome<AnyActor, string>, "kind" | "rejection" | "error"> & {
  readonly events: unknown;
};

/** An outcome in the words of `Expected`, so that a difference reads well. */
function describe(outcome: AnyOutcome, expected: Expected<AnyActor>): unknown {
  if (!Array.isArray(expected) && "failed" in expected && outcome.kind === "failed") {
    const message = errorMessage(outcome.error);
    return { failed: expected.failed.test(message) ? String(expected.failed) : message };
  }
  const isCodeEnough = !Array.isArray(expected) && "rejected" in expected && !("details" in expected);
  if (outcome.rejection && isCodeEnough) return { rejected: outcome.rejection.code };
  return summary(outcome);
}

function summary(outcome: AnyOutcome): unknown {
  const { rejection } = outcome;
  if (outcome.kind === "failed") return { failed: errorMessage(outcome.error) };
  return rejection ? { rejected: rejection.code, details: rejection.details } : outcome.events;
}

function expectation(expected: Expected<AnyActor>): unknown {
  return !Array.isArray(expected) && "failed" in expected ? { failed: String(expected.failed) } : expected;
}

/** What a turn starts from. */
interface Before {
  readonly state: unknown;
  readonly version: number;
  /** Ids that turns before it have made. */
  readonly idsMade?: number;
}

/** What came of a turn that did nothing which the runtime could not rely on. */
export interface CheckedTurn {
  readonly result: TurnResult;
  /** Ids that it and turns before it have made, the first being `id-1`. */
  readonly idsMade: number;
  /** Whether it has asked for chance. */
  readonly usesChance: boolean;
}

/**
 * Runs a command as the runtime does, twice, with no clock and chance but its own, and checks what the runtime relies on.
 *
 * @throws {AssertionError} When the second turn gives something else, or the events do not give the turn's state.
 */
export function checkedTurn(
  actor: AnyActor,
  before: Before,
  request: { readonly command: string; readonly input: unknown },
  options: WhenOptions,
): CheckedTurn {
  const run = () => {
    const chance = { idsMade: before.idsMade ?? 0, usesChance: false };
    const world = worldOf(actor, options, chance);
    const { state, version } = before;
    return {
      result: sealed(() => runTurn(actor, { state, version, ...request, key: options.key ?? "key" }, world)),
      ...chance,
    };
  };
  const turn = run();
  checkIsRepeatable(turn.result, run().result);
  if (turn.result.kind === "done") checkIsReplayable(actor, before, turn.result);
  return turn;
}

function worldOf(actor: AnyActor, options: WhenOptions, chance: { idsMade: number; usesChance: boolean }) {
  const ids: Ids = {
    next: () => `id-${++chance.idsMade}`,
    random() {
      chance.usesChance = true;
      return options.random ?? 0.5;
    },
  };
  const registry = new Registry([...new Set([actor, ...options.modules ?? []])]);
  return {
    now: options.now ?? Date.UTC(2026, 0, 1),
    ids,
    limits: defaultLimits,
    checkRequest(request: Send["request"]) {
      // Whether other types are there is for whoever runs the modules together.
      if (options.modules || registry.actors.has(request.type)) registry.parse(request);
    },
    checkActivity: (activity: AnyActivity, input: unknown) => void activity.input.parse(input),
  };
}

function toOutcome<A extends AnyActor, Name extends keyof CommandsOf<A>>(
  before: { state: ReturnType<A["initialState"]>; version: number },
  result: TurnResult,
): Outcome<A, Name> {
  const none = {
    ...before,
    events: [],
    sends: [],
    timers: [],
    reply: undefined,
    rejection: undefined,
    error: undefined,
  };
  if (result.kind === "failed") return { ...none, kind: "failed", error: result.error };
  if (result.kind === "rejected") {
    return { ...none, kind: "rejected", rejection: { code: result.rejection, details: result.details } };
  }
  return {
    ...none,
    kind: "done",
    events: result.events.map(({ type, payload }) => [type, payload] as const) as unknown as EventOf<A>[],
    state: result.state as ReturnType<A["initialState"]>,
    version: result.version,
    reply: result.reply as ReplyOf<A, Name>,
    sends: result.sends,
    timers: result.timers,
  };
}

/** The events, read back from the log, must give the state that the turn worked with. */
function checkIsReplayable(
  actor: AnyActor,
  before: { state: unknown; version: number },
  result: TurnResult & { kind: "done" },
): void {
  checkIsJson("The state after the turn", result.state);
  let { state, version } = before;
  for (const { type, schemaVersion, json } of result.events) {
    const event = { actor: actor.name, version: ++version, type, schemaVersion, payload: JSON.parse(json) };
    state = evolve(actor, state, event);
  }
  assert.deepStrictEqual(state, result.state, "A replay of the events does not give the state of the turn");
}

/** A turn may be run again, for another attempt or after a crash: chance and time come through `turn` only. */
export function checkIsRepeatable(first: SagaTurnResult, second: SagaTurnResult): void {
  const facts = (result: SagaTurnResult) => result.kind === "failed" ? { kind: result.kind } : result;
  assert.deepStrictEqual(facts(second), facts(first), "The same turn run twice gives two results");
}
