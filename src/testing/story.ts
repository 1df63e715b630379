/** Of a trace, what is shown: the last lines, and of each the beginning. */
const LINES_MAX = 40;
const LENGTH_MAX = 160;

/** What has happened in a simulation, for a message. */
export function story(trace: readonly string[]): string {
  const shown = trace.slice(-LINES_MAX).map((line) =>
    line.length > LENGTH_MAX ? `${line.slice(0, LENGTH_MAX - 1)}…` : line
  );
  const before = trace.length - shown.length;
  const lines = before > 0 ? [`… ${before} lines before`, ...shown] : shown;
  return ["What happened, in seconds since the beginning:", ...lines.map((line) => `  ${line}`)].join("\n");
}
