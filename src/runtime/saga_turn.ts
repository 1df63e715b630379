import { errorMessage } from "../core/errors.ts";
import { Journal } from "../core/journal.ts";
import { sagaCommands, StepContext } from "../core/saga_actor.ts";
import type { AnySaga } from "../core/saga.ts";
import type { SagaFailure } from "../core/saga_events.ts";
import { StepError } from "../core/step.ts";
import { PartedError } from "./recorded_steps.ts";
import type { Call } from "./saga_call.ts";
import { DEADLINE, SagaEnding } from "./saga_ending.ts";
import { clip, failureOf, SagaInstance, type SagaTurnWorld } from "./saga_instance.ts";
import { SagaRun } from "./saga_run.ts";
import { startStep, undoOf } from "./saga_steps.ts";
import type { TurnInput, TurnResult } from "./turn.ts";

/** What comes of a turn of a saga: what comes of any, or that its code does not fit its journal. */
export type SagaTurnResult = TurnResult | { readonly kind: "stopped"; readonly error: Error };

/**
 * One turn of a saga instance: what the message says joins the journal, `run` goes on until it waits for steps
 * again, and what it has asked for joins the journal, too. All of it is one commit.
 *
 * The journal of `input.state` is changed on the way: unless the result is recorded, it has to be rolled back and
 * the run dropped.
 */
export class SagaTurn {
  readonly #instance: SagaInstance;
  readonly #ending: SagaEnding;
  /** Steps that have ended in the turn in which they were asked for; `run` is told one after the other. */
  readonly #atOnce: (() => boolean)[] = [];

  constructor(
    saga: AnySaga,
    input: TurnInput,
    world: SagaTurnWorld,
    /** The instance's run, where it is in memory; afterwards, what it is then. */
    public run: SagaRun | undefined,
  ) {
    this.#instance = new SagaInstance(saga, input, world);
    this.#ending = new SagaEnding(this.#instance);
  }

  async result(): Promise<SagaTurnResult> {
    const turn = this.#instance.turn;
    try {
      await this.#handle();
      const reply = { status: this.#instance.journal.status };
      const { state, version, events, sends, timers } = turn;
      return {
        kind: "done",
        state,
        version,
        events,
        sends,
        timers,
        reply,
        replyChars: JSON.stringify(reply).length,
      };
    } catch (error) {
      if (turn.rejection) return turn.rejection;
      return error instanceof PartedError ? { kind: "stopped", error } : { kind: "failed", error };
    } finally {
      turn.close();
      if (this.run) this.run.world = undefined;
    }
  }

  async #handle(): Promise<void> {
    const { input: { command, input }, journal: { status, isEnded }, turn } = this.#instance;
    if (command === "start") return await this.#start(input);
    if (command.startsWith("$")) {
      if (command === "$deadline") {
        return status === "running" ? this.#ending.abort("timed-out", deadlinePassed) : undefined;
      }
      if (command === "$due") return await this.#due(input);
      return await this.#told(input);
    }
    if (status === "new") turn.reject("not-started");
    if (command === "retry") return this.#ending.retry();
    if (isEnded) turn.reject("ended", { status });
    if (command === "signal") return await this.#signal(input);
    const { reason } = sagaCommands.cancel.parse(input);
    if (status === "running") {
      this.#ending.abort("cancelled", { code: "cancelled", message: reason ?? "cancelled" });
    }
  }

  async #start(input: unknown): Promise<void> {
    const { input: started, tell } = sagaCommands.start.parse(input);
    const { journal: { status }, saga: { deadlineMs }, turn } = this.#instance;
    if (status !== "new") turn.reject("already-started", { status });
    const deadlineAt = deadlineMs === undefined ? null : turn.now + deadlineMs;
    this.#instance.emit("Started", { input: started, at: turn.now, deadlineAt, tell });
    if (deadlineAt !== null) {
      turn.schedule(DEADLINE, { at: deadlineAt }, this.#instance.toSelf("$deadline", {}));
    }
    await this.#begin();
  }

  /** Lets a run begin, the first one or one that goes on anew. */
  async #begin(): Promise<void> {
    const { saga, actor, journal, turn } = this.#instance;
    this.run = new SagaRun(saga, actor);
    this.run.world = turn;
    this.run.begin(journal.started?.input);
    await this.#goOn(this.run);
  }

  async #signal(input: unknown): Promise<void> {
    const { name, payload } = sagaCommands.signal.parse(input);
    const { journal, saga, turn, world: { limits: { sagaSignalsMax } } } = this.#instance;
    if (journal.status !== "running") turn.reject("ended", { status: journal.status });
    const schema = saga.signals?.get(name);
    if (saga.signals && !schema) turn.reject("unknown-signal", { signal: name });
    this.#checkSignal(name, () => schema?.parse(payload));
    const waiting = journal.pending.values().find(({ started }) => started.signal === name);
    if (!waiting) {
      if (journal.signals.length >= sagaSignalsMax) turn.reject("too-many-signals", { sagaSignalsMax });
      return this.#instance.emit("SignalReceived", { name, payload });
    }
    const run = await this.#liveRun();
    this.#checkSignal(name, () => run.callOf(waiting).decode(payload));
    this.#instance.emit("SignalReceived", { name, payload });
    this.#instance.endWait(waiting, payload);
    run.tell(waiting);
    await this.#goOn(run);
  }

  #checkSignal(signal: string, parse: () => unknown): void {
    try {
      parse();
    } catch (error) {
      this.#instance.turn.reject("invalid-signal", { signal, error: clip(errorMessage(error)) });
    }
  }

  async #due(input: unknown): Promise<void> {
    const step = this.#instance.pendingStep(sagaCommands.$due.parse(input));
    if (!step) return;
    const run = await this.#liveRun();
    const isTimeout = step.kind === "waitFor";
    this.#instance.emit("StepDone", { step: step.number, output: null, ...(isTimeout ? { isTimeout } : {}) });
    run.tell(step);
    await this.#goOn(run);
  }

  async #told(input: unknown): Promise<void> {
    const { id, context, output = null, error } = sagaCommands.$told.parse(input);
    const where = StepContext.parse(context);
    if (where.isUndo) return this.#ending.undone(where, id, error);
    const step = this.#instance.pendingStep(where);
    if (!step) return this.#tooLate(where, error);
    const isRunning = this.#instance.journal.status === "running";
    const run = isRunning || (step.started.isUndoable && !error) ? await this.#liveRun() : undefined;
    if (error) this.#instance.emit("StepFailed", { step: step.number, error });
    else {
      const undo = run && undoOf(this.#instance, run.callOf(step), output);
      this.#instance.emit("StepDone", { step: step.number, output, ...(undo ? { undo } : {}) });
    }
    if (!isRunning || !run) return this.#ending.compensate();
    run.tell(step);
    await this.#goOn(run);
  }

  /** A step was told of before, or is of no interest any more. */
  #tooLate({ step: number, run }: StepContext, error: SagaFailure | undefined): void {
    const { journal, world, actor } = this.#instance;
    const step = run === journal.continued ? journal.steps[number] : undefined;
    if (error || step?.status !== "failed") return;
    // A dead letter that was redriven: the saga has gone on without it, and does not take it back.
    world.log("error", "A step that had failed was done after all", { actor, step: step.name });
  }

  async #liveRun(): Promise<SagaRun> {
    const { saga, actor, journal, world, turn } = this.#instance;
    this.run ??= await SagaRun.replay(saga, actor, journal, world.quiet);
    this.run.world = turn;
    return this.run;
  }

  /** Lets the run go on until it waits for steps, or has ended. */
  async #goOn(run: SagaRun): Promise<void> {
    while (true) {
      await this.#instance.world.quiet();
      for (const call of run.collect()) this.#startStep(run, call);
      // One after the other, as they will be in a replay.
      if (!this.#tellOne()) break;
    }
    const { end } = run;
    if (!end) {
      if (this.#instance.journal.pending.size > 0) return;
      return this.#ending.fail({ code: "not-a-step", message: "run awaits something that is no step" });
    }
    if (end.kind === "failed") {
      const failure = failureOf(end.error);
      // What a step was answered is an answer; all else is a fault in the code.
      return end.error instanceof StepError
        ? this.#ending.abort("failed", failure)
        : this.#ending.fail(failure);
    }
    if (end.kind === "done") return this.#ending.complete(end.output);
    this.#ending.giveUp();
    this.#instance.emit("Continued", { input: end.input ?? null });
    this.#atOnce.length = 0;
    await this.#begin();
  }

  /** @returns Whether there was one to be told. */
  #tellOne(): boolean {
    for (let tell = this.#atOnce.shift(); tell; tell = this.#atOnce.shift()) if (tell()) return true;
    return false;
  }

  #startStep(run: SagaRun, call: Call): void {
    const { journal } = this.#instance;
    const number = journal.steps.length;
    const end = startStep(this.#instance, call);
    if (call.effect.kind !== "value") run.wait(number, call);
    if (!end) return;
    this.#atOnce.push(() => {
      const step = journal.steps[number];
      if (step?.status === "pending") end(step);
      if (!step || step.status === "pending") return false;
      run.tell(step);
      return true;
    });
  }
}

const deadlinePassed: SagaFailure = { code: "timed-out", message: "its deadline has passed" };

/** The state before a turn that has not been recorded. */
export function rolledBack(state: unknown, version: number): unknown {
  return state instanceof Journal ? state.upTo(version) : state;
}
