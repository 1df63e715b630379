import type { MessageRecord } from "../core/message.ts";
import type { RecordedEvent } from "../core/event.ts";
import type { ActivityMonitor, ActivityStatus } from "../runtime/activity_status.ts";
import type { ComingUp } from "../runtime/coming_up.ts";
import type { ScheduleStatus } from "../runtime/schedules.ts";
import { attemptsOf } from "../runtime/trace.ts";

/** How what the runtime knows looks in JSON: times are ISO 8601 in UTC, what is not there is left out. */

export function eventView(event: RecordedEvent & { token?: string }) {
  return {
    shard: event.shard,
    position: event.position,
    actor: event.actor,
    version: event.version,
    type: event.type,
    schemaVersion: event.schemaVersion,
    payload: event.payload,
    at: isoTime(event.at),
    messageId: event.messageId,
    correlationId: event.correlationId,
    causationId: event.causationId,
    token: event.token,
  };
}

/** @param running The attempt that runs now, of an activity. */
export function messageView(message: MessageRecord, running?: ReturnType<ActivityMonitor["running"]>) {
  const { outcome } = message;
  return {
    id: message.id,
    actor: message.actor,
    command: message.command === "" ? undefined : message.command,
    status: running ? "running" : message.status,
    attempts: attemptsOf({ ...message, hasOutcome: outcome !== null }),
    ...(outcome?.status === "done" ? { reply: outcome.reply } : {}),
    ...(outcome?.status === "rejected"
      ? { rejection: { code: outcome.rejection, details: outcome.details } }
      : {}),
    version: outcome?.version,
    position: outcome?.position,
    error: message.status === "dead" || message.status === "retrying"
      ? message.failures.at(-1)?.error
      : undefined,
    failures: message.failures.length > 0
      ? message.failures.map((failure) => ({ ...failure, at: isoTime(failure.at) }))
      : undefined,
    progress: running?.progress && { detail: running.progress.detail, at: isoTime(running.progress.at) },
    nextAttemptAt: running ? undefined : isoTime(message.nextAttemptAt),
    enqueuedAt: isoTime(message.enqueuedAt),
    expiresAt: isoTime(message.expiresAt),
    deliverAt: message.deliverAt > message.enqueuedAt ? isoTime(message.deliverAt) : undefined,
    handledAt: isoTime(message.handledAt),
    correlationId: message.correlationId,
    causationId: message.causationId ?? undefined,
  };
}

/** A dead letter is shown with its input, which whoever redrives it has to see. */
export function deadLetterView(message: MessageRecord) {
  return { ...messageView(message), input: message.input, originalInput: message.originalInput };
}

export function activityView(status: ActivityStatus) {
  const { circuit } = status;
  return { ...status, ...(circuit ? { circuit: { ...circuit, probeAt: isoTime(circuit.probeAt) } } : {}) };
}

export function timerView({ dueAt, causationId, ...rest }: ComingUp) {
  return { ...rest, dueAt: isoTime(dueAt), causationId: causationId ?? undefined };
}

export function scheduleView(schedule: ScheduleStatus) {
  const { name, cron, timeZone, misfire, jitterMs, actor, command, isPaused, fired, missed } = schedule;
  return {
    ...{ name, cron, timeZone, misfire, jitterMs, sends: { actor, command }, isPaused, fired, missed },
    firedAt: isoTime(schedule.firedAt),
    next: schedule.next.map((at) => isoTime(at)),
  };
}

export function isoTime(at: number): string;
export function isoTime(at: number | null | undefined): string | undefined;
export function isoTime(at: number | null | undefined): string | undefined {
  return at === null || at === undefined ? undefined : new Date(at).toISOString();
}
