import { z } from "zod";
import { actor, type AnyActor } from "../core/actor.ts";
import { command } from "../core/command.ts";
import type { Schedule } from "../core/schedule.ts";
import type { Turn } from "../core/turn.ts";

/** The actor type that schedules are of. */
export const SCHEDULE_TYPE = "schedule";

/** A time that passed so long ago was missed: the process did not run, or was far behind. */
const MISSED_AFTER_MS = 60_000;

/** What is known of a schedule. Times are in milliseconds since the Unix epoch. */
export interface ScheduleState {
  /** Time of the expression that comes next; null while it is paused, or ended. */
  readonly dueAt: number | null;
  /** What it was planned by: when this changes, it is planned anew. */
  readonly plan: string;
  readonly isPaused: boolean;
  readonly firedAt: number | null;
  readonly fired: number;
  readonly missed: number;
}

const none = z.object({});
/** A time of the expression, in milliseconds since the Unix epoch. */
const due = z.object({ dueAt: z.int() });
const events = {
  Planned: z.object({ dueAt: z.int(), plan: z.string() }),
  Fired: due,
  /** This time passed while nothing ran, and perhaps more up to the next `Planned`. */
  Missed: due,
  Paused: none,
  Resumed: none,
  /** It is no longer among the modules, or no time is left. */
  Ended: none,
};
const rejections = { "unknown-schedule": none };

/** One that nothing is recorded of yet. */
export const initialSchedule: ScheduleState = {
  dueAt: null,
  plan: "",
  isPaused: false,
  firedAt: null,
  fired: 0,
  missed: 0,
};

/**
 * Schedules as actors, one each: a timer leads from each time of the expression to the next, and all that they
 * do is in the log.
 */
export function scheduleActor(definitions: ReadonlyMap<string, Schedule>): AnyActor {
  return actor(SCHEDULE_TYPE, {
    initialState: () => initialSchedule,
    events,
    rejections,
    // Each time leads to the next: that must not end because, say, there is no room for what it sends.
    retry: { attemptsMax: 20 },
    evolve: {
      Planned: (state, { dueAt, plan }) => ({ ...state, dueAt, plan }),
      Fired: (state, { dueAt }) => ({ ...state, firedAt: dueAt, fired: state.fired + 1 }),
      Missed: (state) => ({ ...state, missed: state.missed + 1 }),
      Paused: (state) => ({ ...state, isPaused: true, dueAt: null }),
      Resumed: (state) => ({ ...state, isPaused: false }),
      Ended: (state) => ({ ...state, dueAt: null }),
    },
    commands: {
      /**
       * Sent at each start: plans what is new, or has changed; and goes on from a time whose message has come to
       * nothing, because there were no schedules among the modules, or it has become a dead letter.
       */
      plan: command(none, (turn) => {
        const definition = definitions.get(turn.key) ?? turn.reject("unknown-schedule");
        const { dueAt, plan, isPaused } = turn.state;
        if (isPaused) return;
        if (dueAt === null || plan !== planOf(definition)) planNext(turn, definition, turn.now);
        else if (turn.now > dueAt + definition.jitterMs) pass(turn, definition, dueAt);
      }),
      /** Sent by the timer. */
      fire: command(due, (turn, { dueAt }) => {
        if (turn.state.dueAt !== dueAt) return;
        const definition = definitions.get(turn.key);
        if (definition) pass(turn, definition, dueAt);
        else turn.emit("Ended", {});
      }),
      pause: command(none, (turn) => {
        if (!definitions.has(turn.key)) turn.reject("unknown-schedule");
        if (turn.state.isPaused) return;
        turn.emit("Paused", {});
        turn.cancel("next");
      }),
      resume: command(none, (turn) => {
        const definition = definitions.get(turn.key) ?? turn.reject("unknown-schedule");
        if (!turn.state.isPaused) return;
        turn.emit("Resumed", {});
        planNext(turn, definition, turn.now);
      }),
    },
  });
}

/** A command to a schedule. */
export function scheduleRequest(name: string, command: string, input: object = {}) {
  return { type: SCHEDULE_TYPE, key: name, command, input };
}

type ScheduleTurn = Turn<ScheduleState, typeof events, typeof rejections>;

/** A time has come, or has passed. */
function pass(turn: ScheduleTurn, definition: Schedule, dueAt: number): void {
  const wasMissed = turn.now - dueAt - definition.jitterMs > MISSED_AFTER_MS;
  if (wasMissed && definition.misfire === "skip") turn.emit("Missed", { dueAt });
  else {
    turn.emit("Fired", { dueAt });
    turn.send(definition.request);
  }
  // One that catches up goes from each time to the next, however long ago that was; for others, one message is for
  // all times that have passed meanwhile, also within the minute that counts as in time.
  const passed = wasMissed ? turn.now : Math.max(dueAt, turn.now - definition.jitterMs);
  planNext(turn, definition, definition.misfire === "catch-up" ? dueAt : passed);
}

function planNext(
  turn: ScheduleTurn,
  definition: Schedule,
  after: number,
): void {
  const dueAt = definition.next(after);
  if (dueAt === undefined) return turn.emit("Ended", {});
  turn.emit("Planned", { dueAt, plan: planOf(definition) });
  const at = dueAt + Math.floor(turn.random() * definition.jitterMs);
  turn.schedule("next", { at }, scheduleRequest(turn.key, "fire", { dueAt }));
}

function planOf({ cron, timeZone, jitterMs }: Schedule): string {
  return JSON.stringify([cron, timeZone, jitterMs]);
}
