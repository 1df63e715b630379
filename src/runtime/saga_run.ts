import type { z } from "zod";
import type { AnyActivity } from "../core/activity.ts";
import type { CommandRequest } from "../core/command.ts";
import { parseDuration } from "../core/duration.ts";
import { errorMessage } from "../core/errors.ts";
import type { Journal, StepRecord } from "../core/journal.ts";
import { deepFreeze } from "../core/json.ts";
import type { AnySaga } from "../core/saga.ts";
import type { StepKind } from "../core/saga_events.ts";
import { type Step, StepError, type Undo } from "../core/step.ts";

/** What a step asks of the runtime. */
export type Effect =
  | { readonly kind: "ask"; readonly request: CommandRequest }
  | {
    readonly kind: "perform";
    readonly activity: AnyActivity;
    readonly input: unknown;
    readonly key: string;
  }
  | { readonly kind: "sleep"; readonly ms: number }
  | { readonly kind: "waitFor"; readonly signal: string; readonly withinMs: number | undefined }
  | { readonly kind: "child"; readonly saga: AnySaga; readonly input: unknown }
  | { readonly kind: "value"; readonly value: unknown }
  /** It cannot be done: the step fails at once. */
  | { readonly kind: "invalid"; readonly error: unknown };

/** A step that `run` has asked for. */
export interface Call {
  readonly kind: StepKind;
  /** Unique within the run. */
  readonly name: string;
  readonly effect: Effect;
  /** What `run` is given of what was recorded. */
  readonly decode: (output: unknown) => unknown;
  readonly undo: ((output: unknown) => Undo) | undefined;
  readonly promise: PromiseWithResolvers<unknown>;
}

/** How a run has come to its end. */
export type RunEnd =
  | { readonly kind: "done"; readonly output: unknown }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "continued"; readonly input: unknown };

/** What values are made of while a turn goes on. */
export interface RunWorld {
  readonly now: number;
  id(): string;
  random(): number;
}

/** The code of a saga does not do what an instance of it has recorded. */
export class PartedError extends Error {
  override readonly name = "PartedError";
}

/**
 * The `run` of one saga instance while it is in memory. It only ever goes on within a turn, and after a restart it is
 * built again from the journal: run from the start, it is told the recorded end of each step in the recorded order,
 * and must ask for the same steps at each point.
 *
 * Invariants:
 * 1. Nothing leaves here but calls, to be collected; a run that is dropped has done nothing.
 * 2. Between two ends that it is told, all it does has come to rest.
 * 3. In replay, between two ends the same steps are asked for as were recorded there; otherwise it has parted.
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
  /** In replay: what was recorded at this point and has not been asked for, by `keyOf`. */
  #recorded: { readonly isStrict: boolean; readonly steps: Map<string, StepRecord> } | undefined;
  #parted: PartedError | undefined;

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
      run.#recorded = {
        isStrict,
        steps: new Map(steps.slice(from, upTo).map((step) => [keyOf(step), step])),
      };
      const last = ends[next - 1];
      if (last) run.tell(last.step);
      else run.begin(journal.started?.input);
      await quiet();
      if (isStrict) run.#checkPoint();
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
        `${this.actor} cannot go on: its recorded input does not fit the saga any more, ${parsed.error.message}`,
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
    if (this.end || this.#parted) return given;
    const name = this.#unique(base);
    const call = { kind, name, promise, decode, undo: undo as Call["undo"] };
    if (this.#recorded) {
      const step = this.#match(kind, name);
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
      const step = this.#match(kind, name);
      if (!step) throw this.#parted ?? new Error(`${this.actor} has failed before this step`);
      return step.output;
    }
    const value = make(this.#checkTurn(kind, name));
    this.#asked.push(valueCall(kind, name, value));
    return value;
  }

  #version(name: string, version: number): number {
    const known = this.#versions.get(name);
    if (known !== undefined) return known;
    let found = 0; // it was past this place before the call was there
    if (this.#recorded) {
      const step = this.#recorded.steps.get(keyOf({ kind: "version", name }));
      if (step) found = Number(step.output);
    } else {
      this.#checkTurn("version", name);
      found = version;
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

  /** The recorded step that is asked for. */
  #match(kind: StepKind, name: string): StepRecord | undefined {
    const recorded = this.#recorded;
    if (!recorded) return undefined;
    const key = keyOf({ kind, name });
    const step = recorded.steps.get(key);
    if (step?.kind === kind) {
      recorded.steps.delete(key);
      return step;
    }
    if (recorded.isStrict) this.#part(step ?? this.#firstMissing(), `asks for ${kind} "${name}"`);
    return undefined;
  }

  #firstMissing(): StepRecord | undefined {
    return this.#recorded?.steps.values().find(({ kind }) => kind !== "version");
  }

  #part(recorded: StepRecord | undefined, does: string): void {
    const was = recorded
      ? `has recorded ${recorded.kind} "${recorded.name}" (step ${recorded.number})`
      : "has recorded no further step here";
    this.#parted ??= new PartedError(`${this.actor} cannot go on: it ${was}, and its code ${does}`);
  }

  #checkPoint(): void {
    const missing = this.#firstMissing();
    if (this.end?.kind === "failed") this.#part(missing, `throws ${errorMessage(this.end.error)}`);
    else if (this.end) this.#part(missing, "has come to its end");
    else if (missing) this.#part(missing, "does not ask for it");
    if (this.#parted) throw this.#parted;
  }
}

/** Of a call whose step has been started before: nothing more is to be done. */
const alreadyStarted: Effect = { kind: "value", value: undefined };

/** Two steps are the same when they have this in common, and their kind. */
function keyOf({ kind, name }: { kind: StepKind; name: string }): string {
  return `${kind === "version" ? kind : "step"} ${name}`;
}

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
