import type { CommandRequest } from "../core/command.ts";
import { errorMessage, FolioError } from "../core/errors.ts";
import type { Journal, StepRecord } from "../core/journal.ts";
import type { Log } from "../core/log.ts";
import type { ReplyTo } from "../core/message.ts";
import type { StepContext } from "../core/saga_actor.ts";
import type { AnySaga } from "../core/saga.ts";
import type { SagaEventName, SagaFailure, SagaPayload } from "../core/saga_events.ts";
import { StepError } from "../core/step.ts";
import { TurnContext, type TurnInput, type TurnWorld } from "./turn.ts";

/** What a turn of a saga is given beside what every turn is. */
export interface SagaTurnWorld extends TurnWorld {
  readonly log: Log;
  /** Resolves once all that needs only promises has come to rest. */
  quiet(): Promise<void>;
}

const ERROR_CHARS_MAX = 2_000;

/** A saga instance within one turn: its journal, and what the turn asks for. */
export class SagaInstance {
  readonly turn: TurnContext;
  /** `saga/id`. */
  readonly actor: string;

  constructor(readonly saga: AnySaga, readonly input: TurnInput, readonly world: SagaTurnWorld) {
    this.turn = new TurnContext(saga.actor, input, world);
    this.actor = `${saga.name}/${input.key}`;
  }

  get journal(): Journal {
    // The state of a saga's actor is never anything else.
    return this.turn.state as Journal;
  }

  emit<Name extends SagaEventName>(type: Name, payload: SagaPayload<Name>): void {
    this.turn.emit(type, payload);
  }

  /** A step that is waited for; undefined where it was told of before, or is of no interest any more. */
  pendingStep({ step, run }: { step: number; run: number }): StepRecord | undefined {
    const journal = this.journal;
    const found = run === journal.continued ? journal.steps[step] : undefined;
    return found && journal.pending.has(found) ? found : undefined;
  }

  replyTo(context: StepContext, done: "$told" | null): ReplyTo {
    return { actor: this.actor, done, failed: "$told", context };
  }

  /** A step that waits is given its signal. */
  endWait(step: StepRecord, payload: unknown): void {
    this.cancelTimer(step);
    this.emit("StepDone", { step: step.number, output: payload });
  }

  setTimer(step: number, at: number): void {
    const run = this.journal.continued;
    this.turn.schedule(timerName(run, step), { at }, this.toSelf("$due", { step, run }));
  }

  cancelTimer({ number, started }: StepRecord): void {
    if (started.dueAt !== undefined) this.turn.cancel(timerName(this.journal.continued, number));
  }

  toSelf(command: string, input: unknown): CommandRequest {
    return { type: this.saga.name, key: this.input.key, command, input };
  }
}

/** Name of the timer of a step. @param run How many runs were continued as new before it. */
export function timerName(run: number, step: number): string {
  return `step-${run}-${step}`;
}

/** An error as it is recorded. */
export function failureOf(error: unknown): SagaFailure {
  if (error instanceof StepError) {
    const { code, message, details } = error;
    return { code, message: clip(message), ...(details === undefined ? {} : { details }) };
  }
  if (error instanceof FolioError) {
    return { code: error.code, message: clip(error.message), details: error.fields };
  }
  return { code: "run-failed", message: clip(errorMessage(error)) };
}

/** The beginning of a text; a pair that the cut goes through, or that was none before, is made whole. */
export function clip(text: string): string {
  return text.slice(0, ERROR_CHARS_MAX).toWellFormed();
}
