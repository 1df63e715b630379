import { errorMessage, fit } from "../core/errors.ts";
import type { StepRecord } from "../core/journal.ts";
import { parseActorName } from "../core/message.ts";
import type { StepContext } from "../core/saga_actor.ts";
import type { SagaFailure, SagaPayload } from "../core/saga_events.ts";
import { clip, type SagaInstance } from "./saga_instance.ts";
import { checkJson } from "./turn.ts";

/** Name of the timer of an instance's deadline. */
export const DEADLINE = "deadline";

const ends = { "failed": "Failed", "cancelled": "Cancelled", "timed-out": "TimedOut" } as const;

/**
 * How a saga instance ends, within one turn: with its output, or by undoing what it has done. Of `run` it needs
 * nothing any more: what undoes a step was recorded when the step was done.
 *
 * Invariants:
 * 1. Nothing is undone while a step is in flight that may have to be undone, too.
 * 2. Steps are undone one at a time, the newest first; one that cannot be leaves the instance stuck.
 * 3. Who waits for the end is told in the turn that records it.
 */
export class SagaEnding {
  constructor(private readonly instance: SagaInstance) {}

  /** `run` has given its output. */
  complete(returned: unknown): void {
    let output: unknown;
    try {
      const { saga, world } = this.instance;
      const parsed = saga.output ? fit(saga.output, returned, "Output") : returned ?? null;
      output = JSON.parse(checkJson("Output", parsed, world.limits.payloadBytesMax));
    } catch (error) {
      return this.fail({ code: "invalid-output", message: clip(errorMessage(error)) });
    }
    this.giveUp();
    this.instance.emit("Completed", { output });
    this.#ended({ output });
  }

  /** `run` has failed by a fault in its code. */
  fail(error: SagaFailure): void {
    this.instance.world.log("warn", "Saga failed", {
      actor: this.instance.actor,
      code: error.code,
      error: error.message,
    });
    this.abort("failed", error);
  }

  /** Stops `run` where it is; what it has done is undone. */
  abort(as: SagaPayload<"Aborted">["as"], error: SagaFailure): void {
    this.giveUp();
    this.instance.emit("Aborted", { as, error });
    this.compensate();
  }

  /** Undoes the newest step that is left; ends the saga where there is none. */
  compensate(): void {
    const journal = this.instance.journal;
    if (journal.pending.size > 0) return; // what these do may have to be undone, too
    const step = journal.nextUndo;
    if (step) return this.#sendUndo(step);
    const { as, error } = journal.aborted ?? {};
    if (!as || !error) throw new Error(`${this.instance.actor} compensates without a reason`);
    this.instance.emit(ends[as], { error });
    this.#ended({ error: as === "failed" ? error : { ...error, code: as } });
  }

  /** A compensation is done, or has failed for good. @param id Of its message. */
  undone({ step: number, run }: StepContext, id: string, error: SagaFailure | undefined): void {
    const journal = this.instance.journal;
    const step = journal.nextUndo;
    if (step?.number !== number || run !== journal.continued || !step.compensation) return;
    if (!error) {
      this.instance.emit("CompensationDone", { step: number });
      return this.compensate();
    }
    if (step.compensation.status !== "pending" || step.compensation.messageId !== id) return;
    this.instance.emit("Stuck", { step: number, error });
    this.instance.world.log("error", "Saga is stuck: a compensation has failed for good", {
      actor: this.instance.actor,
      step: step.name,
      messageId: id,
      error: error.message,
    });
  }

  /** Sends a compensation again that has failed for good. */
  retry(): void {
    const { status, nextUndo } = this.instance.journal;
    if (status !== "stuck" || !nextUndo) return this.instance.turn.reject("not-stuck", { status });
    this.#sendUndo(nextUndo);
  }

  /** Nobody waits for the steps in flight any more. */
  giveUp(): void {
    const { journal, turn, actor } = this.instance;
    for (const step of journal.pending) {
      this.instance.cancelTimer(step);
      if (step.kind !== "child" || !step.started.to) continue;
      const request = {
        ...parseActorName(step.started.to),
        command: "cancel",
        input: { reason: `${actor} has ended` },
      };
      turn.pushSend({ request, delayMs: 0 });
    }
  }

  #sendUndo({ number: step, undo: request }: StepRecord): void {
    if (!request) throw new Error(`Step ${step} of ${this.instance.actor} cannot be undone`);
    const id = this.instance.turn.id();
    this.instance.emit("CompensationStarted", { step, messageId: id, to: `${request.type}/${request.key}` });
    const replyTo = this.instance.replyTo(
      { step, run: this.instance.journal.continued, isUndo: true },
      "$told",
    );
    this.instance.turn.pushSend({ request, delayMs: 0, id, replyTo });
  }

  /** Tells the saga that waits for the end of this one. */
  #ended(end: { output: unknown } | { error: SagaFailure }): void {
    const { deadlineAt, tell } = this.instance.journal.started ?? {};
    if (deadlineAt !== null) this.instance.turn.cancel(DEADLINE);
    if (!tell) return;
    const input = { id: this.instance.actor, context: tell.context, ...end };
    this.instance.turn.pushSend({
      request: { ...parseActorName(tell.actor), command: "$told", input },
      delayMs: 0,
    });
  }
}
