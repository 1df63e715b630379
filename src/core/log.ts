import type { Message } from "./message.ts";
import { LEFT_OUT } from "./traceparent.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Where the runtime says what happened. Fields never hold payloads. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Says nothing. */
export const silentLog: Log = () => {};

/** What finds a message, and all that belongs to it, again: never what is in it. */
export function aboutMessage(
  { id, actor, command, correlationId, traceparent }: Pick<
    Message,
    "id" | "actor" | "command" | "correlationId" | "traceparent"
  >,
): Readonly<Record<string, string>> {
  const traceId = traceparent === LEFT_OUT ? undefined : traceparent?.split("-")[1];
  return { actor, command, messageId: id, correlationId, ...(traceId === undefined ? {} : { traceId }) };
}
