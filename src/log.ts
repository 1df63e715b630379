import type { Log, LogLevel } from "./core/log.ts";

const order: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/**
 * A log that writes one entry a line: readable text for a terminal, JSON for everything else.
 *
 * @param options `level`: entries below it are dropped. `now`: in milliseconds since the Unix epoch.
 *
 * @example
 * ```ts
 * import { createLog } from "./log.ts";
 *
 * const log = createLog({ level: "info", isTerminal: false, write: console.log });
 * log("warn", "Handler failed", { actor: "account/alice", messageId: "m1" });
 * // {"actor":"account/alice","messageId":"m1","time":"…","level":"warn","message":"Handler failed"}
 * ```
 */
export function createLog(
  options: { level: LogLevel; isTerminal: boolean; write: (line: string) => void; now?: () => number },
): Log {
  const least = order.indexOf(options.level);
  return (level, message, fields = {}) => {
    if (order.indexOf(level) < least) return;
    const time = new Date(options.now?.() ?? Date.now()).toISOString();
    if (!options.isTerminal) {
      // These three last: no field may pretend to be one of them.
      return options.write(lineOf({ ...fields, time, level, message }));
    }
    const details = Object.entries(fields).filter(([, value]) => value !== undefined).map(([name, value]) =>
      ` ${name}=${isPlain(value) ? value : textOf(value)}`
    );
    options.write(`${time.slice(11, 23)} ${level.padEnd(5)} ${oneLine(message)}${details.join("")}`);
  };
}

/** One by one, so that a value that is no JSON costs the entry that value only. */
function lineOf(entry: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(entry).filter(([, value]) => value !== undefined);
  return `{${parts.map(([name, value]) => `${JSON.stringify(name)}:${textOf(value)}`).join(",")}}`;
}

/** Whether it can stand in a line as it is. */
function isPlain(value: unknown): value is string {
  return typeof value === "string" && /^[^\s"\p{Cc}]+$/u.test(value);
}

/** No entry may look like two. */
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ");
}

/** As JSON, whatever it is: a log that throws takes its caller down. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return JSON.stringify(String(value));
  }
}
