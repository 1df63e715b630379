import fc from "fast-check";
import type { AnyActor } from "../core/actor.ts";
import type { AnyCommand, CommandRequest } from "../core/command.ts";
import type { ActorRun } from "./commands.ts";
import { inputsOf } from "./inputs.ts";

/** A command that is still to be made one of what earlier turns have given. */
export interface Step {
  readonly command: string;
  readonly input: unknown;
  readonly picks: readonly (number | undefined)[];
  readonly wait: Wait;
  readonly random: number;
}

/**
 * Milliseconds; or until so long after one of the timers that are set is due, the newest being 0, whose command is
 * then sent instead of the step's own where it is said to fire.
 */
export type Wait = number | { readonly timer: number; readonly byMs: number; readonly fires: boolean };

/** Any step that an actor may be sent. */
export function stepOf(
  { name, commands }: AnyActor,
  { only, inputs = {} }: {
    readonly only?: readonly string[];
    readonly inputs?: Readonly<Record<string, fc.Arbitrary<unknown> | undefined>>;
  },
): fc.Arbitrary<Step> {
  const sent = [...commands].filter(([command]) => !only || only.includes(command));
  if (sent.length === 0) throw new RangeError(`Cannot fuzz ${name}: it has no such commands`);
  return fc.oneof(...sent.map(([command, { input }]: [string, AnyCommand]) => {
    const own = inputs[command];
    return fc.record({
      command: fc.constant(command),
      input: own ?? inputsOf(input, `${name}/${command}`),
      // Who says what inputs are means just these.
      picks: own ? fc.constant([]) : picks,
      wait: waits,
      random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    });
  }));
}

/** How much time passes before a step, and what fires at its end instead of it. */
export function passed(
  wait: Wait,
  { timers, now, actor }: ActorRun,
): { readonly after: number; readonly fired: CommandRequest | undefined } {
  if (typeof wait === "number") return { after: wait, fired: undefined };
  const timer = [...timers.values()].at(-1 - wait.timer % Math.max(timers.size, 1));
  const isOwn = timer?.request.type === actor.name;
  return {
    after: Math.max((timer?.dueAt ?? now) + wait.byMs - now, 0),
    fired: wait.fires && isOwn ? timer.request : undefined,
  };
}

/** Half of all values are left as they were made. */
const pick = fc.oneof(fc.constant(0), fc.nat({ max: 11 }));
export const picks = fc.array(fc.option(pick, { nil: undefined, freq: 2 }), { minLength: 4, maxLength: 4 });

const waits: fc.Arbitrary<Wait> = fc.oneof(
  { withCrossShrink: true },
  { arbitrary: fc.constant(0), weight: 6 },
  { arbitrary: fc.integer({ min: 1, max: 1_000 }), weight: 1 },
  { arbitrary: fc.constantFrom(60_000, 3_600_000, 86_400_000, 31 * 86_400_000), weight: 1 },
  {
    arbitrary: fc.record({
      timer: fc.constantFrom(0, 0, 1, 2),
      byMs: fc.constantFrom(0, 0, -1, 1),
      fires: fc.boolean(),
    }),
    weight: 3,
  },
);
