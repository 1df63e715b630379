import fc from "fast-check";
import type { z } from "zod";
import type { AnyActor } from "../core/actor.ts";
import type { CommandDefinition } from "../core/command.ts";
import { errorMessage } from "../core/errors.ts";
import { InvariantError } from "../core/invariant.ts";
import { ActorRun, type Call, CommandError, type CommandsOptions } from "./commands.ts";
import type { CommandsOf } from "./given.ts";
import { passed, type Step, stepOf } from "./fuzz_steps.ts";
import { fits } from "./inputs.ts";
import { literal } from "./literal.ts";
import { leavesOf, Seen } from "./seen.ts";
import { simplify } from "./simplify.ts";
import type { CheckedTurn } from "./when.ts";

export interface FuzzOptions<A extends AnyActor = AnyActor> extends CommandsOptions<A> {
  /** Sequences that are tried (100). */
  readonly runs?: number;
  /** The same seed gives the same sequences (1). */
  readonly seed?: number;
  /** Commands of a sequence, at the most (30). */
  readonly commandsMax?: number;
  /** Only these commands are sent. */
  readonly only?: readonly (keyof CommandsOf<A> & string)[];
  /** Inputs of commands, instead of what their schemas take. */
  readonly inputs?: InputsOf<CommandsOf<A>>;
}

type InputsOf<Commands> = {
  readonly [Name in keyof Commands]?: Commands[Name] extends
    CommandDefinition<never, infer Input, infer _Reply> ? fc.Arbitrary<z.input<Input>>
    : never;
};

/** What sequences that all went well have come to: a test may ask that they came far enough. */
export interface FuzzReport {
  /** Commands that were sent. */
  readonly turns: number;
  /** How often each command was done. */
  readonly done: Readonly<Record<string, number>>;
  /** How often each code was rejected with. */
  readonly rejected: Readonly<Record<string, number>>;
  /** How often each event was emitted. */
  readonly events: Readonly<Record<string, number>>;
}

/** A sequence of commands does what no actor may do. The message has it as a test. */
export class FuzzError extends Error {
  override readonly name = "FuzzError";

  constructor(
    readonly seed: number,
    /** As few as still fail, with inputs as simple as still do; the last is the one that fails. */
    readonly calls: readonly Call[],
    /** The invariant that is broken, where it is one. */
    readonly invariant: string | undefined,
    message: string,
    options: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Sends an actor sequences of commands made from their schemas, and shrinks the first that does what no actor may
 * do: a handler that throws, an invariant that is broken, a reply or an event that does not fit its schema, events
 * that do not give the turn's state again, a turn that gives something else when it is run again. Rejections are
 * answers. Time passes between commands, up to when timers are due too, and inputs take up what replies, events and
 * rejections have said.
 *
 * @returns How far the sequences came.
 * @throws {FuzzError} With the seed, the sequence as a test, and what it breaks.
 * @throws {TypeError} When a schema says what no values can be made for: give `inputs`.
 *
 * @example
 * ```ts
 * import { fc, fuzz } from "folio/testing";
 * import { account } from "../../actors/account.ts";
 *
 * const amount = fc.integer({ min: 1, max: 1_000 });
 * const report = fuzz(account, { seed: 7, runs: 20, inputs: { deposit: fc.record({ amount }) } });
 * console.assert((report.rejected["insufficient-funds"] ?? 0) > 0);
 * ```
 */
export function fuzz<A extends AnyActor>(actor: A, options: FuzzOptions<A> = {}): FuzzReport {
  // How the actor is typed does not matter from here on.
  return new Fuzzer(actor, options as FuzzOptions).run();
}

class Fuzzer {
  readonly #report = { turns: 0, done: {}, rejected: {}, events: {} };
  readonly #seed: number;

  constructor(private readonly actor: AnyActor, private readonly options: FuzzOptions) {
    this.#seed = options.seed ?? 1;
  }

  run(): FuzzReport {
    const { runs = 100, commandsMax = 30 } = this.options;
    const steps = fc.array(stepOf(this.actor, this.options), {
      minLength: 1,
      maxLength: commandsMax,
      size: "max",
    });
    const property = fc.property(steps, (tried) => this.#play(tried).error === undefined);
    const { failed, counterexample, numRuns } = fc.check(property, { numRuns: runs, seed: this.#seed });
    if (failed && counterexample) throw this.#failure(this.#fewest(counterexample[0]), numRuns, runs);
    return this.#report;
  }

  /** @returns The commands that were sent, the last of which has failed where there is an error. */
  #play(steps: readonly Step[]): { calls: Call[]; error?: CommandError } {
    const run = new ActorRun(this.actor, this.options);
    const seen = new Seen();
    const calls: Call[] = [];
    for (const step of steps) {
      const { random } = step;
      const { after, fired } = passed(step.wait, run);
      const command = fired?.command ?? step.command;
      const input = fired ? fired.input : this.#inputOf(step, seen, run);
      try {
        const turn = run.take([command, input, { after, random }]);
        calls.push(call(command, input, after, turn.usesChance ? random : undefined));
        this.#count(command, turn, seen);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        calls.push(
          call(command, input, after, this.#isByChance(calls, command, input, after) ? random : undefined),
        );
        return { calls, error };
      }
    }
    return { calls };
  }

  /** Whether a failing command does not fail with the chance that a test has unless it says so. */
  #isByChance(before: readonly Call[], ...[command, input, after]: [string, unknown, number]): boolean {
    return !this.#fail([...before, call(command, input, after, undefined)]);
  }

  #inputOf({ command, input, picks }: Step, seen: Seen, run: ActorRun): unknown {
    const schema = this.actor.commands.get(command)?.input;
    if (!schema || picks.length === 0) return input;
    const more = (leaf: string | number) => {
      if (typeof leaf === "string") return [0, 1, 2].map((back) => `id-${Math.max(run.idsMade - back, 1)}`);
      const amounts = [...leavesOf(run.state)].map((inState) => inState.leaf).filter(Number.isFinite).map(
        Number,
      );
      return amounts.flatMap((n) => [n, n + 1]);
    };
    return seen.reuse(input, picks, more, (changed) => fits(schema, changed));
  }

  #count(command: string, { result }: CheckedTurn, seen: Seen): void {
    this.#report.turns++;
    if (result.kind === "rejected") {
      add(this.#report.rejected, result.rejection);
      seen.add(result.details);
    }
    if (result.kind !== "done") return;
    add(this.#report.done, command);
    for (const { type, payload } of result.events) {
      add(this.#report.events, type);
      seen.add(payload);
    }
    for (const { request } of result.sends) seen.add(request.input);
    for (const { set } of result.timers) seen.add(set?.request.input);
    seen.add(result.reply);
  }

  /** Without any command that it fails without. */
  #fewest(steps: readonly Step[]): readonly Step[] {
    for (let place = 0; place < steps.length; place++) {
      const fewer = steps.toSpliced(place, 1);
      if (this.#play(fewer).error) return this.#fewest(fewer);
    }
    return steps;
  }

  /** With inputs as simple as they can be, but for those whose author has said what they are. */
  #simplest(calls: readonly Call[]): readonly Call[] {
    const isOwn = (command: string) => this.options.inputs?.[command] !== undefined;
    const isSame = (a: Call, b: Call) => JSON.stringify(a) === JSON.stringify(b);
    return simplify(calls, (simpler) => {
      const isFit = simpler.every((each) => {
        if (isOwn(each[0]) && !calls.some((known) => isSame(known, each))) return false;
        const schema = this.actor.commands.get(each[0])?.input;
        const { random = 0, after = 0 } = each[2] ?? {};
        return schema && fits(schema, each[1]) && random >= 0 && random < 1 && after >= 0;
      });
      return isFit && this.#fail(simpler)?.place === simpler.length;
    });
  }

  #fail(calls: readonly Call[]): CommandError | undefined {
    const run = new ActorRun(this.actor, this.options);
    try {
      for (const each of calls) run.take(each);
      return undefined;
    } catch (error) {
      if (error instanceof CommandError) return error;
      throw error;
    }
  }

  #failure(steps: readonly Step[], run: number, runs: number): FuzzError {
    const calls = this.#simplest(this.#play(steps).calls);
    const cause = this.#fail(calls)?.cause ??
      new TypeError("it did, and did not when it was run again: it is not pure");
    const variable = this.actor.name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const { given, now, key } = this.options;
    const where = Object.entries({ given, now, key }).filter(([, value]) => value !== undefined);
    const message = [
      `${this.actor.name} fails at command ${calls.length}: ${errorMessage(cause)}`,
      "",
      `Found by run ${run} of ${runs} with seed ${this.#seed}, and shrunk to this test:`,
      "",
      `checkCommands(${variable}, [`,
      ...calls.map((each) => `  ${literal(each)},`),
      `]${where.length > 0 ? `, ${literal(Object.fromEntries(where))}` : ""});`,
      "",
    ].join("\n");
    const invariant = cause instanceof InvariantError ? cause.invariant : undefined;
    return new FuzzError(this.#seed, calls, invariant, message, { cause });
  }
}

function call(command: string, input: unknown, after: number, random: number | undefined): Call {
  const options = { ...(after === 0 ? {} : { after }), ...(random === undefined ? {} : { random }) };
  return Object.keys(options).length === 0 ? [command, input] : [command, input, options];
}

function add(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
