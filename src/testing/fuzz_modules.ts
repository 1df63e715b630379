import fc from "fast-check";
import type { CommandRequest } from "../core/command.ts";
import type { AnyModule } from "../runtime/registry.ts";
import { type ModuleCall, ModulesError } from "./check_modules.ts";
import type { FuzzReport } from "./fuzz.ts";
import { literal } from "./literal.ts";
import { ModuleCommands, type ModuleInputs, type SentTo } from "./module_commands.ts";
import { type ModulesOptions, ModulesRunner, type Played, type RunWorld } from "./modules_run.ts";
import { seededIds } from "./seeded_ids.ts";
import { type FailedRun, Shrinking } from "./shrink_modules.ts";
import { checkFaults, type FaultCounts, type Faults } from "./simulated_faults.ts";
import { story } from "./story.ts";

export interface FuzzModulesOptions<M extends AnyModule = AnyModule> extends ModulesOptions {
  /** Sequences that are tried (25). */
  readonly runs?: number;
  /** The same seed gives the same sequences and the same faults (1). */
  readonly seed?: number;
  /** Commands of a sequence, at the most (20). */
  readonly commandsMax?: number;
  /** Only these are sent: `account`, `account/deposit`, `transfer/start`, `follow-up/signal`, `booking/cancel`. */
  readonly only?: readonly SentTo<M>[];
  /** Inputs of commands, and what sagas are started with, instead of what their schemas take. */
  readonly inputs?: ModuleInputs<M>;
  /** Keys of actors and ids of sagas, which inputs are made to name, too (`["a", "b"]`). */
  readonly keys?: readonly string[];
  /** How likely each fault is, at the most: a run has some of them, less likely ones too. `{}` for none. */
  readonly faults?: Faults;
}

/** What sequences that all went well have come to; names are `account/deposit`, `account/Deposited`. */
export interface FuzzModulesReport extends FuzzReport {
  /** What went wrong, by kind. */
  readonly faults: FaultCounts;
}

/** Modules have done what none may. The message has it as a test. */
export class FuzzModulesError extends Error {
  override readonly name = "FuzzModulesError";

  constructor(
    /** What `fuzzModules` was given. */
    readonly seed: number,
    /** As few as still fail, with inputs as simple as still do. */
    readonly calls: readonly ModuleCall[],
    /** What `checkModules` has to be given for these calls to fail. */
    readonly world: RunWorld,
    /** Each thing that is wrong. */
    readonly findings: readonly string[],
    message: string,
    options: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** How likely faults are, at the most: more often, and hardly anything is done between two of them. */
const faultsMax: Faults = {
  ...{ lost: 0.05, unanswered: 0.05, crash: 0.05, takeover: 0.05, late: 0.03, clock: 0.05, repeated: 0.3 },
  ...{ diskMsMax: 40, activity: 0.3, hanging: 0.1, slow: 0.2 },
};
/** How many of them a run has. */
const SHARE_OF_FAULTS = 0.5;

/**
 * Runs modules in simulations, sends them sequences of commands made from their schemas while processes crash, are
 * overtaken, and activities fail, and shrinks the first that goes wrong: a handler, projection or reactor that throws, an
 * invariant that is broken, a reply or an event that does not fit its schema, a saga that is stuck or that its code
 * does not fit, a `check` of the author's that throws. Rejections are answers.
 *
 * @param modules Activities among them should do nothing outside: the same seed gives the same run only as long as
 * nothing takes real time. `{ ...chargeCard, run: … }` stands in for one.
 * @returns How far the sequences came.
 * @throws {FuzzModulesError} With the seed, the sequence as a test, and what is wrong.
 * @throws {TypeError} When a schema says what no values can be made for: give `inputs`.
 * @throws {RangeError} When there is nothing to send, or something is named that clients may not send; when there is
 * no such fault.
 *
 * @example
 * ```ts
 * import { fuzzModules } from "folio/testing";
 * import { account } from "../../actors/account.ts";
 * import { transfer } from "../../actors/transfer.ts";
 *
 * const { faults } = await fuzzModules([account, transfer], {
 *   runs: 5,
 *   only: ["transfer/start"],
 *   given: async (sim) => {
 *     for (const key of ["a", "b"]) {
 *       await sim.ask(account.ref(key).open({ owner: key }));
 *       await sim.ask(account.ref(key).deposit({ amount: 100 }));
 *     }
 *   },
 *   check: async (sim) => {
 *     const states = await Promise.all(["a", "b"].map((key) => sim.state(account, key)));
 *     const sum = states.reduce((total, { state }) => total + Object(state).balance, 0);
 *     if (sum !== 200) throw new Error(`there are ${sum} cents`);
 *   },
 * });
 * console.assert(Object.keys(faults).length > 0);
 * ```
 */
export function fuzzModules<M extends AnyModule>(
  modules: readonly M[],
  options: FuzzModulesOptions<M> = {},
): Promise<FuzzModulesReport> {
  // How the modules are typed does not matter from here on.
  return new ModulesFuzzer(modules, options as FuzzModulesOptions).run();
}

class ModulesFuzzer {
  readonly #seed: number;
  readonly #runs: number;
  readonly #commands: ModuleCommands;
  readonly #runner: ModulesRunner;

  constructor(modules: readonly AnyModule[], private readonly options: FuzzModulesOptions) {
    checkFaults(options.faults ?? {});
    this.#seed = options.seed ?? 1;
    this.#runs = options.runs ?? 25;
    this.#commands = new ModuleCommands(modules, options);
    this.#runner = new ModulesRunner(modules, options, this.#commands);
  }

  async run(): Promise<FuzzModulesReport> {
    const report = { turns: 0, done: {}, rejected: {}, events: {}, faults: {} };
    const steps = this.#commands.steps(this.options.commandsMax ?? 20);
    for (const [index, tried] of fc.sample(steps, { numRuns: this.#runs, seed: this.#seed }).entries()) {
      const world = this.#worldOf(this.#seed + index);
      const played = await this.#runner.play(tried, world);
      if (played.findings.length > 0) {
        const shrinking = new Shrinking(this.#runner, this.#commands, { steps: tried, world, played });
        throw this.#failure(await shrinking.run(), index + 1);
      }
      count(report, played);
    }
    return report;
  }

  /** Which faults a run has, and how likely they are in it: one kind only in some, all in others. */
  #worldOf(seed: number): RunWorld {
    const { random } = seededIds(seed ^ 0xface);
    const kinds = Object.entries(this.options.faults ?? faultsMax).flatMap(([kind, most]) => {
      const [isThere, share] = [random() < SHARE_OF_FAULTS, 0.3 + 0.7 * random()];
      // As a test would write it.
      return isThere && most > 0 ? [[kind, Number((most * share).toPrecision(1))]] : [];
    });
    return { seed, faults: Object.fromEntries(kinds) };
  }

  #failure({ world, played }: FailedRun, run: number): FuzzModulesError {
    const { findings, sent, trace } = played;
    const calls = sent.map(({ request, after }): ModuleCall => after > 0 ? [request, { after }] : [request]);
    const { given, check, shards, limits, rest } = this.options;
    const asTheyAre = Object.entries({ given, check }).flatMap(([name, value]) => value ? [name] : []);
    const others = Object.entries({ ...world, shards, limits, rest }).filter(([, value]) =>
      value !== undefined && literal(value) !== "{}"
    ).map(([name, value]) => `${name}: ${literal(value)}`);
    const message = [
      ...findings,
      "",
      `Found by run ${run} of ${this.#runs} with seed ${this.#seed}, and shrunk to this test:`,
      "",
      "await checkModules(modules, [",
      ...calls.map(([request, options]) =>
        `  [${this.#written(request)}${options ? `, ${literal(options)}` : ""}],`
      ),
      `], { ${[...others, ...asTheyAre].join(", ")} });`,
      "",
      story(trace),
      "",
    ].join("\n");
    const cause = new ModulesError(findings, trace);
    return new FuzzModulesError(this.#seed, calls, world, findings, message, { cause });
  }

  /** A request as a test makes it. */
  #written({ type, key, command, input }: CommandRequest): string {
    const variable = type.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    const method = /^[A-Za-z_$][\w$]*$/.test(command) ? `.${command}` : `[${JSON.stringify(command)}]`;
    const { input: started, name, payload } = Object(input);
    const args = !this.#commands.isSaga(type)
      ? [input]
      : command === "start"
      ? [started]
      : command === "signal"
      ? [name, payload]
      : [];
    const shown = args.length === 1 && literal(args[0]) === "{}" ? "" : args.map(literal).join(", ");
    return `${variable}.ref(${JSON.stringify(key)})${method}(${shown})`;
  }
}

function count(
  report: { turns: number; done: Counts; rejected: Counts; events: Counts; faults: Counts },
  played: Played,
): void {
  report.turns += played.done.length + played.rejected.length;
  for (const part of ["done", "rejected", "events"] as const) {
    for (const name of played[part]) add(report[part], name, 1);
  }
  for (const [kind, times] of Object.entries(played.faults)) add(report.faults, kind, times);
}

type Counts = Record<string, number>;

function add(counts: Counts, name: string, times: number): void {
  counts[name] = (counts[name] ?? 0) + times;
}
