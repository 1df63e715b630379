import type { StepView } from "../core/saga_view.ts";
import type { SagaStatus } from "../runtime/sagas.ts";

/** A saga instance in JSON: what it gave is its `result`, times are ISO 8601 in UTC. */
export function sagaView(status: SagaStatus) {
  const { attempts, output, startedAt, deadlineAt, steps, ...rest } = status;
  return {
    ...rest,
    startedAt: isoTime(startedAt),
    deadlineAt: isoTime(deadlineAt),
    ...(status.status === "completed" ? { result: output ?? null } : {}),
    steps: steps.map((step) => stepView(step, attempts)),
  };
}

function stepView(step: StepView, attempts: SagaStatus["attempts"]) {
  const { compensation, dueAt, messageId, ...rest } = step;
  return {
    ...rest,
    messageId,
    attempts: messageId === undefined ? undefined : attempts[messageId],
    dueAt: isoTime(dueAt),
    compensation: compensation && { ...compensation, attempts: attempts[compensation.messageId] },
  };
}

function isoTime(at: number | null | undefined): string | undefined {
  return at === null || at === undefined ? undefined : new Date(at).toISOString();
}
