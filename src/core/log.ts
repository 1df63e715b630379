export type LogLevel = "debug" | "info" | "warn" | "error";

/** Where the runtime says what happened. Fields never hold payloads. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Says nothing. */
export const silentLog: Log = () => {};
