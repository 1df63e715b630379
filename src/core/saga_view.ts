import type { Journal, JournalStatus, StepRecord } from "./journal.ts";
import type { SagaFailure, StepKind } from "./saga_events.ts";

/** A saga instance, as JSON. */
export interface SagaView {
  readonly status: JournalStatus;
  readonly input: unknown;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number | null;
  readonly deadlineAt: number | null;
  /** Once it is completed. */
  readonly output?: unknown;
  /** Why it does not complete. */
  readonly error?: SagaFailure;
  readonly steps: readonly StepView[];
  /** Signals that nothing has waited for yet, oldest first. */
  readonly signals: readonly { readonly name: string; readonly payload: unknown }[];
  /** How often it was continued as new; `steps` are those since. */
  readonly continued: number;
}

/** A step of a saga instance, as JSON. */
export interface StepView {
  readonly name: string;
  readonly kind: StepKind;
  readonly status: "pending" | "done" | "failed";
  readonly output?: unknown;
  readonly error?: SagaFailure;
  /** No signal came in time. */
  readonly isTimeout?: boolean;
  /** Who it waits for, and with which message. */
  readonly to?: string;
  readonly messageId?: string;
  /** When it is over at the latest, in milliseconds since the Unix epoch. */
  readonly dueAt?: number;
  /** Where it is being undone, or has been. */
  readonly compensation?: {
    readonly status: "pending" | "done" | "stuck";
    readonly to: string;
    readonly messageId: string;
    readonly error?: SagaFailure;
  };
}

/** What a journal says, as it is shown to readers. */
export function sagaViewOf(journal: Journal): SagaView {
  const { status, started, aborted, output, steps, signals, continued } = journal;
  const { input = null, at = null, deadlineAt = null } = started ?? {};
  return {
    status,
    input,
    startedAt: at,
    deadlineAt,
    ...(status === "completed" ? { output } : {}),
    ...(aborted ? { error: aborted.error } : {}),
    steps: steps.map(stepViewOf),
    signals: [...signals],
    continued,
  };
}

function stepViewOf(step: StepRecord): StepView {
  const { name, kind, status, started, output, error, isTimeout, compensation } = step;
  const { to, messageId, dueAt } = started;
  // What is undefined is left out, as JSON does.
  return JSON.parse(
    JSON.stringify({ name, kind, status, output, error, isTimeout, to, messageId, dueAt, compensation }),
  );
}
