import type { z } from "zod";
import { parseDuration } from "../core/duration.ts";
import { errorMessage, issuesOf, issuesText } from "../core/errors.ts";
import type { Journal, StepRecord } from "../core/journal.ts";
import { deepFreeze } from "../core/json.ts";
import type { AnySaga } from "../core/saga.ts";
import type { StepKind } from "../core/saga_events.ts";
import { type Step, StepError, type Undo } from "../core/step.ts";
import { PartedError, RecordedSteps } from "./recorded_steps.ts";
import type { Call, Effect, RunEnd } from "./saga_call.ts";

/** What values are made of while a turn goes on. */
export interface RunWorld {
  readonly now: number;
  id(): string;
  random(): number;
}

/**
 * The `run` of one saga instance while it is in memory. It only ever goes on within a turn, and after a restart it is
 * built again from the journal: run from the start, it is told the recorded end of each step in the recorded order,
 * and must ask for the same steps at each point.
 *
 * Invariants:
 * 1. Nothing leaves here but calls, to be collected; a run that is dropped has done nothing.
 * 2. Between two ends that it is told, all it does has come to rest.
 * 3. In replay, between two ends the same steps are asked for as were recorded there (`RecordedSteps`).
 */
export class SagaRun {
  /** Set while a turn goes on. */
  world: RunWorld | undefined;
  end: RunEnd | undefined;
  #asked: Call[] = [];
  readonly #waiting = new Map<number, Call>();
  readonly #names = new Set<string>();
  readonly #counts = new Map<string, number>();
  readonly #versions = new Map<string, number>();
  /** In replay: what was recorded at this point. */
  #recorded: RecordedSteps | undefined;

  constructor(private readonly saga: AnySaga, private readonly actor: string) {}

  /** Builds a run again that has been recorded. @throws {PartedError} When the code does something else. */
  static async replay(
    saga: AnySaga,
    actor: string,
    journal: Journal,
    quiet: () => Promise<void>,
  ): Promise<SagaRun> {
    const run = new SagaRun(saga, actor);
    const { steps, ends } = journal;
    let from = 0;
    for (let next = 0; next <= ends.length; next++) {
      const upTo = ends[next]?.after ?? steps.length;
      // Where it failed, it does not matter what mended code would do instead.
      const isStrict = next < ends.length || journal.status === "running";
      run.#recorded = new RecordedSteps(actor, steps.slice(from, upTo), isStrict);
      const last = ends[next - 1];
      if (last) run.tell(last.step);
      else run.begin(journal.started?.input);
      await quiet();
      run.#recorded.check(run.end);
      from = upTo;
    }
    run.#recorded = undefined;
    return run;
  }

  /** Lets `run` begin. @throws {PartedError} When the recorded input does not fit the saga's schema any more. */
  begin(input: unknown): void {
    const parsed = this.saga.input.safeParse(input);
    if (!parsed.success) {
      throw new PartedError(
        `${this.actor} cannot go on: its recorded input does not fit the saga any more, ${
          issuesText(issuesOf(parsed.error))
        }`,
      );
    }
    const run = async () => await this.saga.run(this.#step(), deepFreeze(parsed.data));
    run().then(
      (output) => this.end ??= { kind: "done", output },
      (error) => this.end ??= { kind: "failed", error },
    );
  }

  /** Steps asked for since the last time. */
  collect(): Call[] {
    const asked = this.#asked;
    this.#asked = [];
    return asked;
  }

  /** From now on a call is known by its step's number. */
  wait(number: number, call: Call): void {
    this.#waiting.set(number, call);
  }

  /** The call that waits for a step. */
  callOf(step: StepRecord): Call {
    const call = this.#waiting.get(step.number);
    if (!call) throw new PartedError(`${this.actor} cannot go on: nothing waits for step "${step.name}"`);
    return call;
  }

  /** Tells `run` how a step has ended. */
  tell(step: StepRecord): void {
    const call = this.callOf(step);
    this.#waiting.delete(step.number);
    if (step.error) {
      const { code, message, details } = step.error;
      return call.promise.reject(new StepError(step.name, code, message, details));
    }
    try {
      call.promise.resolve(step.isTimeout ? undefined : call.decode(step.output));
    } catch (error) {
      call.promise.reject(new StepError(step.name, "invalid-signal", errorMessage(error)));
    }
  }

  #step(): Step<unknown> {
    return {
      ask: (name, request, { undo } = {}) =>
        this.#call({ kind: "ask", name, effect: () => ({ kind: "ask", request: copyOf(request) }), undo }),
      perform: (name, activity, input, { undo, key = "-" } = {}) =>
        this.#call({
          kind: "perform",
          name,
          effect: () => ({ kind: "perform", activity, input: copyOf(input), key }),
          undo,
        }),
      sleep: (...args: [name: string, duration: string] | [duration: string]) => {
        const [name, duration] = args.length === 2 ? args : ["sleep", args[0]];
        const effect = (): Effect => ({ kind: "sleep", ms: durationMs(duration) });
        return this.#call<void>({ kind: "sleep", name, effect, decode: () => undefined });
      },
      waitFor: <Schema extends z.ZodType>(name: string, schema: Schema, options?: { within: string }) =>
        this.#call<z.output<Schema>>({
          kind: "waitFor",
          name,
          effect: () => ({ kind: "waitFor", signal: name, withinMs: options && durationMs(options.within) }),
          decode: (payload) => schema.parse(payload),
        }),
      all: (steps) => Promise.all(steps),
      child: (saga, input, { undo, name = saga.name } = {}) =>
        this.#call({
          kind: "child",
          name,
          effect: () => ({ kind: "child", saga, input: copyOf(input) }),
          undo,
        }),
      now: () => Number(this.#value("now", ({ now }) => now)),
      id: () => String(this.#value("id", (world) => world.id())),
      random: () => Number(this.#value("random", (world) => world.random())),
      version: (name, version) => this.#version(name, version),
      continueAsNew: (input) => {
        // Said here and not by what is thrown, which the saga may catch.
        this.end ??= { kind: "continued", input: copyOf(input) };
        throw new Error("Saga goes on anew: nothing more can be done in this run");
      },
    };
  }

  #call<Output>({ kind, name: base, effect, undo, decode = (output) => output }: {
    readonly kind: StepKind;
    readonly name: string;
    readonly effect: () => Effect;
    readonly undo?: ((output: Output) => Undo) | undefined;
    readonly decode?: (output: unknown) => unknown;
  }): Promise<Output> {
    const promise = Promise.withResolvers<unknown>();
    promise.promise.catch(() => {}); // nobody may be waiting for it yet
    // What a step gives is of the type that its request, activity, schema or saga declares.
    const given = promise.promise as Promise<Output>;
    if (this.end || this.#recorded?.parted) return given;
    const name = this.#unique(base);
    const call = { kind, name, promise, decode, undo: undo as Call["undo"] };
    if (this.#recorded) {
      const step = this.#recorded.take(kind, name);
      if (step) this.#waiting.set(step.number, { ...call, effect: alreadyStarted });
    } else {
      this.#checkTurn(kind, name);
      this.#asked.push({ ...call, effect: tried(effect) });
    }
    return given;
  }

  #value(kind: "now" | "id" | "random", make: (world: RunWorld) => unknown): unknown {
    const name = this.#unique(kind);
    if (this.#recorded) {
      const step = this.#recorded.take(kind, name);
      if (!step) throw this.#recorded.parted ?? new Error(`${this.actor} has failed before this step`);
      return step.output;
    }
    const value = make(this.#checkTurn(kind, name));
    this.#asked.push(valueCall(kind, name, value));
    return value;
  }

  #version(name: string, version: number): number {
    const known = this.#versions.get(name);
    if (known !== undefined) return known;
    // Where there is none, it was past this place before the call was there.
    const found = this.#recorded ? this.#recorded.version(name) ?? 0 : version;
    if (!this.#recorded) {
      this.#checkTurn("version", name);
      this.#asked.push(valueCall("version", name, version));
    }
    this.#versions.set(name, found);
    return found;
  }

  #unique(base: string): string {
    let name = base;
    let count = this.#counts.get(base) ?? 1;
    while (this.#names.has(name)) name = `${base}#${++count}`;
    this.#counts.set(base, count);
    this.#names.add(name);
    return name;
  }

  #checkTurn(kind: StepKind, name: string): RunWorld {
    if (this.world) return this.world;
    throw new Error(`Cannot ${kind} "${name}": run has awaited something that is no step`);
  }
}

/** Of a call whose step has been started before: nothing more is to be done. */
const alreadyStarted: Effect = { kind: "value", value: undefined };

function valueCall(kind: StepKind, name: string, value: unknown): Call {
  const promise = Promise.withResolvers<unknown>();
  return { kind, name, effect: { kind: "value", value }, promise, decode: () => value, undo: undefined };
}

function tried(effect: () => Effect): Effect {
  try {
    return effect();
  } catch (error) {
    return { kind: "invalid", error };
  }
}

/** A copy: what the saga does to the object afterwards is not sent. */
function copyOf<T>(value: T): T {
  return value === undefined ? value : JSON.parse(JSON.stringify(value));
}

function durationMs(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new TypeError(`Cannot use "${text}": not a duration`);
  return ms;
}
