import { activityType } from "../core/activity.ts";
import type { CommandRequest } from "../core/command.ts";
import { errorMessage, FolioError } from "../core/errors.ts";
import { Journal, type StepRecord } from "../core/journal.ts";
import type { Log } from "../core/log.ts";
import { invalidKeyReason, parseActorName, type ReplyTo } from "../core/message.ts";
import { sagaCommands, StepContext } from "../core/saga_actor.ts";
import type { AnySaga } from "../core/saga.ts";
import type { SagaEventName, SagaFailure, SagaPayload } from "../core/saga_events.ts";
import { StepError } from "../core/step.ts";
import { type Call, type Effect, PartedError, SagaRun } from "./saga_run.ts";
import { checkJson, TurnContext, type TurnInput, type TurnResult, type TurnWorld } from "./turn.ts";

/** What a turn of a saga is given beside what every turn is. */
export interface SagaTurnWorld extends TurnWorld {
  readonly log: Log;
  /** Resolves once all that needs only promises has come to rest. */
  quiet(): Promise<void>;
}

/** What comes of a turn of a saga: what comes of any, or that its code does not fit its journal. */
export type SagaTurnResult = TurnResult | { readonly kind: "stopped"; readonly error: Error };

const SIGNALS_MAX = 1_000;
const ERROR_CHARS_MAX = 2_000;
const DEADLINE = "deadline";

/**
 * One turn of a saga instance: what the message says joins the journal, `run` goes on until it waits for steps
 * again, and what it has asked for joins the journal, too. All of it is one commit.
 *
 * The journal of `input.state` is changed on the way: unless the result is recorded, it has to be rolled back and
 * the run dropped.
 */
export class SagaTurn {
  readonly #turn: TurnContext;
  readonly #actor: string;
  /** Steps that have ended in the turn in which they were asked for; `run` is told one after the other. */
  readonly #atOnce: (() => boolean)[] = [];

  constructor(
    private readonly saga: AnySaga,
    private readonly input: TurnInput,
    private readonly world: SagaTurnWorld,
    /** The instance's run, where it is in memory; afterwards, what it is then. */
    public run: SagaRun | undefined,
  ) {
    this.#turn = new TurnContext(saga.actor, input, world);
    this.#actor = `${saga.name}/${input.key}`;
  }

  async result(): Promise<SagaTurnResult> {
    const turn = this.#turn;
    try {
      await this.#handle();
      const reply = { status: this.#journal.status };
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

  get #journal(): Journal {
    // The state of a saga's actor is never anything else.
    return this.#turn.state as Journal;
  }

  #emit<Name extends SagaEventName>(type: Name, payload: SagaPayload<Name>): void {
    this.#turn.emit(type, payload);
  }

  async #handle(): Promise<void> {
    const { command, input } = this.input;
    const { status, isEnded } = this.#journal;
    if (command === "start") return await this.#start(input);
    if (command.startsWith("$")) {
      if (command === "$deadline") {
        return status === "running" ? this.#abort("timed-out", deadlinePassed) : undefined;
      }
      if (command === "$due") return await this.#due(input);
      return await this.#told(input);
    }
    if (status === "new") this.#turn.reject("not-started");
    if (command === "retry") return this.#retry();
    if (isEnded) this.#turn.reject("ended", { status });
    if (command === "signal") return await this.#signal(input);
    const { reason } = sagaCommands.cancel.parse(input);
    if (status === "running") this.#abort("cancelled", { code: "cancelled", message: reason ?? "cancelled" });
  }

  async #start(input: unknown): Promise<void> {
    const { input: started, tell } = sagaCommands.start.parse(input);
    const { status } = this.#journal;
    if (status !== "new") this.#turn.reject("already-started", { status });
    const { deadlineMs } = this.saga;
    const at = this.#turn.now;
    const deadlineAt = deadlineMs === undefined ? null : at + deadlineMs;
    this.#emit("Started", { input: started, at, deadlineAt, tell });
    if (deadlineAt !== null) this.#turn.schedule(DEADLINE, { at: deadlineAt }, this.#toSelf("$deadline", {}));
    await this.#begin();
  }

  /** Lets a run begin, the first one or one that goes on anew. */
  async #begin(): Promise<void> {
    this.run = new SagaRun(this.saga, this.#actor);
    this.run.world = this.#turn;
    this.run.begin(this.#journal.started?.input);
    await this.#goOn(this.run);
  }

  async #signal(input: unknown): Promise<void> {
    const { name, payload } = sagaCommands.signal.parse(input);
    const journal = this.#journal;
    if (journal.status !== "running") this.#turn.reject("ended", { status: journal.status });
    const schema = this.saga.signals?.get(name);
    if (this.saga.signals && !schema) this.#turn.reject("unknown-signal", { signal: name });
    this.#checkSignal(name, () => schema?.parse(payload));
    const waiting = journal.pending.values().find(({ started }) => started.signal === name);
    if (!waiting) {
      if (journal.signals.length >= SIGNALS_MAX) {
        this.#turn.reject("too-many-signals", { signalsMax: SIGNALS_MAX });
      }
      return this.#emit("SignalReceived", { name, payload });
    }
    const run = await this.#liveRun();
    this.#checkSignal(name, () => run.callOf(waiting).decode(payload));
    this.#emit("SignalReceived", { name, payload });
    this.#endWait(waiting, payload);
    run.tell(waiting);
    await this.#goOn(run);
  }

  #checkSignal(signal: string, parse: () => unknown): void {
    try {
      parse();
    } catch (error) {
      this.#turn.reject("invalid-signal", { signal, error: clip(errorMessage(error)) });
    }
  }

  /** A step that waits is given its signal. */
  #endWait(step: StepRecord, payload: unknown): void {
    this.#cancelTimer(step);
    this.#emit("StepDone", { step: step.number, output: payload });
  }

  async #due(input: unknown): Promise<void> {
    const step = this.#pendingStep(sagaCommands.$due.parse(input));
    if (!step) return;
    const run = await this.#liveRun();
    const isTimeout = step.kind === "waitFor";
    this.#emit("StepDone", { step: step.number, output: null, ...(isTimeout ? { isTimeout } : {}) });
    run.tell(step);
    await this.#goOn(run);
  }

  async #told(input: unknown): Promise<void> {
    const { id, context, output = null, error } = sagaCommands.$told.parse(input);
    const where = StepContext.parse(context);
    if (where.isUndo) return this.#undone(where, id, error);
    const step = this.#pendingStep(where);
    if (!step) return; // it was told before, or it is of no interest any more
    const isRunning = this.#journal.status === "running";
    const run = isRunning || (step.started.isUndoable && !error) ? await this.#liveRun() : undefined;
    if (error) this.#emit("StepFailed", { step: step.number, error });
    else {
      const undo = run && this.#undoOf(run.callOf(step), output);
      this.#emit("StepDone", { step: step.number, output, ...(undo ? { undo } : {}) });
    }
    if (!isRunning || !run) return this.#compensate();
    run.tell(step);
    await this.#goOn(run);
  }

  #pendingStep({ step, run }: { step: number; run: number }): StepRecord | undefined {
    const journal = this.#journal;
    const found = run === journal.continued ? journal.steps[step] : undefined;
    return found && journal.pending.has(found) ? found : undefined;
  }

  /** @throws {PartedError} When it cannot be said: a step whose way back is not known must not be recorded. */
  #undoOf(call: Call, output: unknown): CommandRequest | undefined {
    try {
      const undo = call.undo?.(output);
      if (!undo) return undefined;
      if (!("command" in undo)) {
        const [activity, input] = undo;
        this.world.checkActivity(activity, input);
        return this.#copyOf({ type: activityType(activity.name), key: "-", command: "run", input });
      }
      this.world.checkRequest(undo);
      return this.#copyOf(undo);
    } catch (error) {
      throw new PartedError(
        `${this.#actor} cannot go on: undo of ${call.kind} "${call.name}" fails, ${errorMessage(error)}`,
        { cause: error },
      );
    }
  }

  async #liveRun(): Promise<SagaRun> {
    this.run ??= await SagaRun.replay(this.saga, this.#actor, this.#journal, this.world.quiet);
    this.run.world = this.#turn;
    return this.run;
  }

  /** Lets the run go on until it waits for steps, or has ended. */
  async #goOn(run: SagaRun): Promise<void> {
    while (true) {
      await this.world.quiet();
      for (const call of run.collect()) this.#startStep(run, call);
      // One after the other, as they will be in a replay.
      if (!this.#tellOne()) break;
    }
    const { end } = run;
    if (!end) {
      if (this.#journal.pending.size > 0) return;
      return this.#fail({ code: "not-a-step", message: "run awaits something that is no step" });
    }
    if (end.kind === "failed") {
      const failure = failureOf(end.error);
      // What a step was answered is an answer; all else is a fault in the code.
      return end.error instanceof StepError ? this.#abort("failed", failure) : this.#fail(failure);
    }
    if (end.kind === "done") return this.#complete(end.output);
    for (const step of this.#journal.pending) this.#giveUp(step);
    this.#emit("Continued", { input: end.input ?? null });
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
      const parsed = this.saga.output ? this.saga.output.parse(returned) : returned ?? null;
      output = JSON.parse(checkJson("Output", parsed, this.world.limits.payloadBytesMax));
    } catch (error) {
      return this.#fail({ code: "invalid-output", message: clip(errorMessage(error)) });
    }
    for (const step of this.#journal.pending) this.#giveUp(step);
    this.#emit("Completed", { output });
    this.#ended({ output });
  }

  /** Nobody waits for a step any more. */
  #giveUp(step: StepRecord): void {
    this.#cancelTimer(step);
    if (step.kind !== "child" || !step.started.to) return;
    const child = parseActorName(step.started.to);
    const input = { reason: `${this.#actor} has ended` };
    this.#turn.pushSend({ request: { ...child, command: "cancel", input }, delayMs: 0 });
  }

  #startStep(run: SagaRun, call: Call): void {
    const { effect, kind, name } = call;
    if (!effect) throw new Error(`Step "${name}" of ${this.#actor} has no effect`);
    const number = this.#journal.steps.length;
    const common = { step: number, kind, name };
    if (effect.kind === "value") return this.#emit("StepStarted", { ...common, value: effect.value });
    run.wait(number, call);
    const fails = (error: unknown) => {
      this.#emit("StepStarted", common);
      this.#endAtOnce(run, number, () => this.#emit("StepFailed", { step: number, error: failureOf(error) }));
    };
    const { now } = this.#turn;
    if (effect.kind === "invalid") return fails(effect.error);
    if (effect.kind === "sleep") {
      const dueAt = now + effect.ms;
      this.#emit("StepStarted", { ...common, dueAt });
      return this.#setTimer(number, dueAt);
    }
    if (effect.kind === "waitFor") {
      const { signal, withinMs } = effect;
      const dueAt = withinMs === undefined ? {} : { dueAt: now + withinMs };
      this.#emit("StepStarted", { ...common, signal, ...dueAt });
      if (dueAt.dueAt !== undefined) this.#setTimer(number, dueAt.dueAt);
      // One that came early.
      return this.#endAtOnce(run, number, (step) => {
        const received = this.#journal.signals.find(({ name }) => name === signal);
        if (received) this.#endWait(step, received.payload);
      });
    }
    const isUndoable = call.undo ? { isUndoable: true } : {};
    const id = this.#turn.id();
    const toParent = { step: number, run: this.#journal.continued, isUndo: false };
    let request: CommandRequest;
    try {
      request = this.#requestOf(effect, name, toParent);
    } catch (error) {
      return fails(error);
    }
    this.#emit("StepStarted", {
      ...common,
      messageId: id,
      to: `${request.type}/${request.key}`,
      ...isUndoable,
    });
    // A child tells of its end itself; of its start only that there is none.
    const done = effect.kind === "child" ? null : "$told";
    this.#turn.pushSend({ request, delayMs: 0, id, replyTo: this.#replyTo(toParent, done) });
  }

  /** @throws When it could not be handled by whom it is for. */
  #requestOf(
    effect: Extract<Effect, { kind: "ask" | "perform" | "child" }>,
    name: string,
    context: StepContext,
  ): CommandRequest {
    if (effect.kind === "ask") {
      this.world.checkRequest(effect.request);
      return this.#copyOf(effect.request);
    }
    if (effect.kind === "perform") {
      const { activity, input, key } = effect;
      const badKey = invalidKeyReason(key);
      if (badKey) throw new TypeError(`Cannot perform ${activity.name}: its key cannot be used, ${badKey}`);
      this.world.checkActivity(activity, input);
      return this.#copyOf({ type: activityType(activity.name), key, command: "run", input });
    }
    const { continued } = this.#journal;
    const run = continued > 0 ? `~${continued}` : "";
    const key = `${this.saga.name}:${this.input.key}${run}:${name}`;
    const input = { input: effect.input, tell: { actor: this.#actor, context } };
    const request = { type: effect.saga.name, key, command: "start", input };
    this.world.checkRequest(request);
    return this.#copyOf(request);
  }

  /** A step may end in the turn that asks for it: `run` is told once the ends before it have come to rest. */
  #endAtOnce(run: SagaRun, number: number, end: (step: StepRecord) => void): void {
    this.#atOnce.push(() => {
      const step = this.#journal.steps[number];
      if (!step || step.status !== "pending") return false;
      end(step);
      if (this.#journal.pending.has(step)) return false;
      run.tell(step);
      return true;
    });
  }

  #fail(error: SagaFailure): void {
    this.world.log("warn", "Saga failed", { actor: this.#actor, code: error.code, error: error.message });
    this.#abort("failed", error);
  }

  /** Stops `run` where it is; what it has done is undone. */
  #abort(as: SagaPayload<"Aborted">["as"], error: SagaFailure): void {
    for (const step of this.#journal.pending) this.#giveUp(step);
    this.#emit("Aborted", { as, error });
    this.#compensate();
  }

  /** Undoes the newest step that is left; ends the saga where there is none. */
  #compensate(): void {
    const journal = this.#journal;
    if (journal.pending.size > 0) return; // what these do may have to be undone, too
    const step = journal.nextUndo;
    if (step) return this.#sendUndo(step);
    const { as, error } = journal.aborted ?? {};
    if (!as || !error) throw new Error(`${this.#actor} compensates without a reason`);
    this.#emit(({ "failed": "Failed", "cancelled": "Cancelled", "timed-out": "TimedOut" } as const)[as], {
      error,
    });
    this.#ended({ error: as === "failed" ? error : { ...error, code: as } });
  }

  #sendUndo({ number: step, undo: request }: StepRecord): void {
    if (!request) throw new Error(`Step ${step} of ${this.#actor} cannot be undone`);
    const id = this.#turn.id();
    this.#emit("CompensationStarted", { step, messageId: id, to: `${request.type}/${request.key}` });
    const replyTo = this.#replyTo({ step, run: this.#journal.continued, isUndo: true }, "$told");
    this.#turn.pushSend({ request, delayMs: 0, id, replyTo });
  }

  #undone({ step: number, run }: StepContext, id: string, error: SagaFailure | undefined): void {
    const journal = this.#journal;
    const step = journal.nextUndo;
    if (step?.number !== number || run !== journal.continued || !step.compensation) return;
    if (!error) {
      this.#emit("CompensationDone", { step: number });
      return this.#compensate();
    }
    if (step.compensation.status !== "pending" || step.compensation.messageId !== id) return;
    this.#emit("Stuck", { step: number, error });
    this.world.log("error", "Saga is stuck: a compensation has failed for good", {
      actor: this.#actor,
      step: step.name,
      messageId: id,
      error: error.message,
    });
  }

  #retry(): void {
    const { status, nextUndo } = this.#journal;
    if (status !== "stuck" || !nextUndo) return this.#turn.reject("not-stuck", { status });
    this.#sendUndo(nextUndo);
  }

  /** Tells the saga that waits for the end of this one. */
  #ended(end: { output: unknown } | { error: SagaFailure }): void {
    const { deadlineAt, tell } = this.#journal.started ?? {};
    if (deadlineAt !== null) this.#turn.cancel(DEADLINE);
    if (!tell) return;
    const input = { id: this.#actor, context: tell.context, ...end };
    this.#turn.pushSend({ request: { ...parseActorName(tell.actor), command: "$told", input }, delayMs: 0 });
  }

  #replyTo(context: StepContext, done: "$told" | null): ReplyTo {
    return { actor: this.#actor, done, failed: "$told", context };
  }

  #setTimer(step: number, at: number): void {
    const run = this.#journal.continued;
    this.#turn.schedule(timerName(run, step), { at }, this.#toSelf("$due", { step, run }));
  }

  #cancelTimer({ number, started }: StepRecord): void {
    if (started.dueAt !== undefined) this.#turn.cancel(timerName(this.#journal.continued, number));
  }

  #toSelf(command: string, input: unknown): CommandRequest {
    return { type: this.saga.name, key: this.input.key, command, input };
  }

  #copyOf(request: CommandRequest): CommandRequest {
    const json = checkJson(`Input of ${request.command}`, request.input, this.world.limits.payloadBytesMax);
    return { ...request, input: JSON.parse(json) };
  }
}

const deadlinePassed: SagaFailure = { code: "timed-out", message: "its deadline has passed" };

function timerName(run: number, step: number): string {
  return `step-${run}-${step}`;
}

function failureOf(error: unknown): SagaFailure {
  if (error instanceof StepError) {
    const { code, message, details } = error;
    return { code, message: clip(message), ...(details === undefined ? {} : { details }) };
  }
  if (error instanceof FolioError) {
    return { code: error.code, message: clip(error.message), details: error.fields };
  }
  return { code: "run-failed", message: clip(errorMessage(error)) };
}

function clip(text: string): string {
  return text.slice(0, ERROR_CHARS_MAX);
}

/** The state before a turn that has not been recorded. */
export function rolledBack(state: unknown, version: number): unknown {
  return state instanceof Journal ? state.upTo(version) : state;
}
