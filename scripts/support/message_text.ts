import type { deadLetterView, messageView } from "../../src/http/views.ts";
import { fields, pretty, printable } from "./printable.ts";

/** A message or a dead letter, as JSON has it. */
export type ShownMessage = ReturnType<typeof messageView> & Partial<ReturnType<typeof deadLetterView>>;

/** A message for people: what it is, what became of it, and what went wrong on the way. */
export function messageText(message: ShownMessage): string {
  const { status, attempts, rejection, progress } = message;
  const parts = [fields([
    ["message", message.id],
    ["to", [message.actor, message.command].filter(Boolean).join(" ")],
    ["status", attempts > 1 ? `${status}, ${attempts} attempts` : status],
    ["version", message.version ? String(message.version) : undefined],
    ["sent", message.enqueuedAt],
    ["due", message.deliverAt],
    ["expires", message.expiresAt],
    ["next attempt", message.nextAttemptAt],
    ["handled", message.handledAt],
    ["caused by", message.causationId],
    ["correlation", message.correlationId],
    ["progress", progress && `${JSON.stringify(progress.detail)}, ${progress.at}`],
    ["rejected as", rejection && `${rejection.code} ${JSON.stringify(rejection.details ?? {})}`],
  ])];
  for (const failure of message.failures ?? []) parts.push(failureText(failure));
  const values = [["reply", message.reply], ["input", message.input], [
    "input at first",
    message.originalInput,
  ]];
  for (const [name, value] of values) if (value !== undefined) parts.push(`${name}: ${pretty(value)}`);
  return parts.join("\n");
}

function failureText({ attempt, at, error }: { attempt: number; at: string; error: string }): string {
  return printable(attempt === 0 ? `operator, ${at}: ${error}` : `attempt ${attempt} failed ${at}: ${error}`);
}
