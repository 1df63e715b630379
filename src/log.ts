import type { Log, LogLevel } from "./core/log.ts";

const order: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/**
 * A log that writes one entry a line: readable text for a terminal, JSON for everything else.
 *
 * @param level Entries below it are dropped.
 */
export function createLog(
  options: { level: LogLevel; isTerminal: boolean; write: (line: string) => void },
): Log {
  const least = order.indexOf(options.level);
  return (level, message, fields = {}) => {
    if (order.indexOf(level) < least) return;
    const time = new Date().toISOString();
    if (!options.isTerminal) return options.write(JSON.stringify({ time, level, message, ...fields }));
    const details = Object.entries(fields).map(([name, value]) =>
      ` ${name}=${typeof value === "string" ? value : JSON.stringify(value)}`
    );
    options.write(`${time.slice(11, 23)} ${level.padEnd(5)} ${message}${details.join("")}`);
  };
}
