const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A length of time: a whole number and a unit, e.g. `"250ms"`, `"30s"`, `"15m"`, `"24h"`, `"7d"`. */
export type Duration = `${number}${keyof typeof unitsMs}`;

/** The latest time that a `Date` can hold, in milliseconds since the Unix epoch. */
export const TIME_MAX = 8.64e15;

/** The longest duration: 50 million days. A time so far from now is still one that a `Date` can hold. */
export const DURATION_MS_MAX = 4.32e15;

/**
 * Milliseconds of a duration, or undefined if `text` is not one, or longer than `DURATION_MS_MAX`.
 *
 * @example
 * ```ts
 * import { parseDuration } from "folio";
 *
 * console.assert(parseDuration("15m") === 900_000);
 * console.assert(parseDuration("soon") === undefined);
 * ```
 */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,15})(ms|s|m|h|d)$/.exec(text);
  if (!match) return undefined;
  const ms = Number(match[1]) * unitsMs[match[2] as keyof typeof unitsMs];
  return ms <= DURATION_MS_MAX ? ms : undefined;
}
