import { Cron } from "croner";
import { checkName } from "./actor.ts";
import type { CommandRequest } from "./command.ts";
import { type Duration, parseDuration } from "./duration.ts";

/**
 * What becomes of times that passed while nothing ran: `skip`: nothing; `run-once`: one message for all of them;
 * `catch-up`: one for each.
 */
export type MisfirePolicy = "skip" | "run-once" | "catch-up";

/** A message sent again and again, as `schedule(...)` makes it. */
export interface Schedule<Name extends string = string> {
  readonly kind: "schedule";
  readonly name: Name;
  readonly cron: string;
  readonly timeZone: string;
  readonly misfire: MisfirePolicy;
  readonly jitterMs: number;
  readonly request: CommandRequest;
  /** The first time after another one (milliseconds since the Unix epoch); undefined where there is none. */
  next(after: number): number | undefined;
}

/**
 * Defines a schedule: a command sent at the times of a cron expression. Where a time does not exist (clocks go
 * forward), it is that much later; where one comes twice (clocks go back), its first counts for hours that are
 * named, and both for `*`.
 *
 * @param options `cron`: five fields, or six with seconds first, as `croner` reads them. `timeZone`: an IANA
 * name (`UTC`). `misfire`: `skip` unless said otherwise. `jitter`: each time is later by chance, up to this.
 * @throws {TypeError} When the expression or the time zone cannot be read, or no time fits it.
 *
 * @example Every weekday at 7:30 in Berlin
 * ```ts
 * import { schedule } from "folio";
 * import { counter } from "../../actors/counter.ts";
 *
 * export const mornings = schedule(
 *   "mornings",
 *   { cron: "30 7 * * 1-5", timeZone: "Europe/Berlin", misfire: "run-once" },
 *   counter.ref("mornings").increment({ by: 1 }),
 * );
 * ```
 */
export function schedule<Name extends string>(
  name: Name,
  options: {
    readonly cron: string;
    readonly timeZone?: string;
    readonly misfire?: MisfirePolicy;
    readonly jitter?: Duration;
  },
  request: CommandRequest,
): Schedule<Name> {
  checkName("schedule", name, /^[a-z][a-z0-9-]{0,63}$/);
  const { cron, timeZone = "UTC", misfire = "skip", jitter = "0ms" } = options;
  const jitterMs = parseDuration(jitter);
  if (jitterMs === undefined) throw new TypeError(`Cannot define schedule ${name}: no duration, "${jitter}"`);
  let job: Cron;
  let first: Date | null;
  try {
    // With a zone, croner asks the machine's tables of zones for each time it looks at.
    job = new Cron(cron, timeZone === "UTC" ? { utcOffset: 0 } : { timezone: timeZone });
    first = job.nextRun(new Date(0));
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new TypeError(`Cannot define schedule ${name}: ${reason}`, { cause: error });
  }
  if (!first) throw new TypeError(`Cannot define schedule ${name}: no time fits "${cron}"`);
  return {
    kind: "schedule",
    name,
    cron,
    timeZone,
    misfire,
    jitterMs,
    request,
    next: (after) => job.nextRun(new Date(after))?.getTime(),
  };
}
