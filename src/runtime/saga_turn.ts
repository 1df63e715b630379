import { errorMessage } from "../core/errors.ts";
import { Journal, type StepRecord } from "../core/journal.ts";
import { parseActorName } from "../core/message.ts";
import { sagaCommands, StepContext } from "../core/saga_actor.ts";
import type { AnySaga } from "../core/saga.ts";
import type { SagaFailure, SagaPayload } from "../core/saga_events.ts";
import { StepError } from "../core/step.ts";
import { clip, failureOf, SagaInstance, type SagaTurnWorld } from "./saga_instance.ts";
import { type Call, PartedError, SagaRun } from "./saga_run.ts";
import { startStep, undoOf } from "./saga_steps.ts";
import { checkJson, type TurnInput, type TurnResult } from "./turn.ts";

/** What comes of a turn of a saga: what comes of any, or that its code does not fit its journal. */
export type SagaTurnResult = TurnResult | { readonly kind: "stopped"; readonly error: Error };

const DEADLINE = "deadline";

/**
 * One turn of a saga instance: what the message says joins the journal, `run` goes on until it waits for steps
 * again, and what it has asked for joins the journal, too. All of it is one commit.
 *
 * The journal of `input.state` is changed on the way: unless the result is recorded, it has to be rolled back and
 * the run dropped.
 */
export class SagaTurn {
  readonly #instance: SagaInstance;
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
        return status === "running" ? this.#abort("timed-out", deadlinePassed) : undefined;
      }
      if (command === "$due") return await this.#due(input);
      return await this.#told(input);
    }
    if (status === "new") turn.reject("not-started");
    if (command === "retry") return this.#retry();
    if (isEnded) turn.reject("ended", { status });
    if (command === "signal") return await this.#signal(input);
    const { reason } = sagaCommands.cancel.parse(input);
    if (status === "running") this.#abort("cancelled", { code: "cancelled", message: reason ?? "cancelled" });
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
    if (where.isUndo) return this.#undone(where, id, error);
    const step = this.#instance.pendingStep(where);
    if (!step) return this.#tooLate(where, error);
    const isRunning = this.#instance.journal.status === "running";
    const run = isRunning || (step.started.isUndoable && !error) ? await this.#liveRun() : undefined;
    if (error) this.#instance.emit("StepFailed", { step: step.number, error });
    else {
      const undo = run && undoOf(this.#instance, run.callOf(step), output);
      this.#instance.emit("StepDone", { step: step.number, output, ...(undo ? { undo } : {}) });
    }
    if (!isRunning || !run) return this.#compensate();
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
      return this.#fail({ code: "not-a-step", message: "run awaits something that is no step" });
    }
    if (end.kind === "failed") {
      const failure = failureOf(end.error);
      // What a step was answered is an answer; all else is a fault in the code.
      return end.error instanceof StepError ? this.#abort("failed", failure) : this.#fail(failure);
    }
    if (end.kind === "done") return this.#complete(end.output);
    for (const step of this.#instance.journal.pending) this.#giveUp(step);
    this.#instance.emit("Continued", { input: end.input ?? null });
    this.#atOnce.length = 0;
    await this.#begin();
  }

  /** @returns Whether there was one to be told. */
  #tellOne(): boolean {
    for (let tell = this.#atOnce.shift(); tell; tell = this.#atOnce.shift()) if (tell()) return true;
    return false;
  }

  #complete(returned: unknown): void {
    let output: unknown;
    try {
      const { saga, world } = this.#instance;
      const parsed = saga.output ? saga.output.parse(returned) : returned ?? null;
      output = JSON.parse(checkJson("Output", parsed, world.limits.payloadBytesMax));
    } catch (error) {
      return this.#fail({ code: "invalid-output", message: clip(errorMessage(error)) });
    }
    for (const step of this.#instance.journal.pending) this.#giveUp(step);
    this.#instance.emit("Completed", { output });
    this.#ended({ output });
  }

  /** Nobody waits for a step any more. */
  #giveUp(step: StepRecord): void {
    this.#instance.cancelTimer(step);
    if (step.kind !== "child" || !step.started.to) return;
    const child = parseActorName(step.started.to);
    const input = { reason: `${this.#instance.actor} has ended` };
    this.#instance.turn.pushSend({ request: { ...child, command: "cancel", input }, delayMs: 0 });
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

  #fail(error: SagaFailure): void {
    this.#instance.world.log("warn", "Saga failed", {
      actor: this.#instance.actor,
      code: error.code,
      error: error.message,
    });
    this.#abort("failed", error);
  }

  /** Stops `run` where it is; what it has done is undone. */
  #abort(as: SagaPayload<"Aborted">["as"], error: SagaFailure): void {
    for (const step of this.#instance.journal.pending) this.#giveUp(step);
    this.#instance.emit("Aborted", { as, error });
    this.#compensate();
  }

  /** Undoes the newest step that is left; ends the saga where there is none. */
  #compensate(): void {
    const journal = this.#instance.journal;
    if (journal.pending.size > 0) return; // what these do may have to be undone, too
    const step = journal.nextUndo;
    if (step) return this.#sendUndo(step);
    const { as, error } = journal.aborted ?? {};
    if (!as || !error) throw new Error(`${this.#instance.actor} compensates without a reason`);
    this.#instance.emit(ends[as], { error });
    this.#ended({ error: as === "failed" ? error : { ...error, code: as } });
  }

  #sendUndo({ number: step, undo: request }: StepRecord): void {
    if (!request) throw new Error(`Step ${step} of ${this.#instance.actor} cannot be undone`);
    const id = this.#instance.turn.id();
    this.#instance.emit("CompensationStarted", { step, messageId: id, to: `${request.type}/${request.key}` });
    const replyTo = this.#instance.replyTo(
      { step, run: this.#instance.journal.continued, isUndo: true },
      "$told",
    );
    this.#instance.turn.pushSend({ request, delayMs: 0, id, replyTo });
  }

  #undone({ step: number, run }: StepContext, id: string, error: SagaFailure | undefined): void {
    const journal = this.#instance.journal;
    const step = journal.nextUndo;
    if (step?.number !== number || run !== journal.continued || !step.compensation) return;
    if (!error) {
      this.#instance.emit("CompensationDone", { step: number });
      return this.#compensate();
    }
    if (step.compensation.status !== "pending" || step.compensation.messageId !== id) return;
    this.#instance.emit("Stuck", { step: number, error });
    this.#instance.world.log("error", "Saga is stuck: a compensation has failed for good", {
      actor: this.#instance.actor,
      step: step.name,
      messageId: id,
      error: error.message,
    });
  }

  #retry(): void {
    const { status, nextUndo } = this.#instance.journal;
    if (status !== "stuck" || !nextUndo) return this.#instance.turn.reject("not-stuck", { status });
    this.#sendUndo(nextUndo);
  }

  /** Tells the saga that waits for the end of this one. */
  #ended(end: { output: unknown } | { error: SagaFailure }): void {
    const { deadlineAt, tell } = this.#instance.journal.started ?? {};
    if (deadlineAt !== null) this.#instance.turn.cancel(DEADLINE);
    if (!tell) return;
    const input = { id: this.#instance.actor, context: tell.context, ...end };
    this.#instance.turn.pushSend({
      request: { ...parseActorName(tell.actor), command: "$told", input },
      delayMs: 0,
    });
  }
}

const ends = { "failed": "Failed", "cancelled": "Cancelled", "timed-out": "TimedOut" } as const;
const deadlinePassed: SagaFailure = { code: "timed-out", message: "its deadline has passed" };

/** The state before a turn that has not been recorded. */
export function rolledBack(state: unknown, version: number): unknown {
  return state instanceof Journal ? state.upTo(version) : state;
}
