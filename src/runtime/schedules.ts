import { errorMessage, FolioError } from "../core/errors.ts";
import type { Schedule } from "../core/schedule.ts";
import type { Runtime } from "./runtime.ts";
import { initialSchedule, SCHEDULE_TYPE, scheduleRequest, type ScheduleState } from "./schedule_actor.ts";

const RETRY_DELAY_MS = 1_000;
/** Times to come that are shown of a schedule. */
const NEXT_TIMES = 10;

/** A schedule as it is now. Times are in milliseconds since the Unix epoch. */
export interface ScheduleStatus extends Pick<ScheduleState, "isPaused" | "firedAt" | "fired" | "missed"> {
  readonly name: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly misfire: string;
  readonly jitterMs: number;
  /** Actor and command that it is for. */
  readonly actor: string;
  readonly command: string;
  /** The next times of the expression; none while it is paused. */
  readonly next: readonly number[];
}

/** @param state Of the schedule's actor; undefined where it has no events yet. */
export function scheduleStatus(definition: Schedule, state: unknown): ScheduleStatus {
  const { name, cron, timeZone, misfire, jitterMs, request } = definition;
  // A state of this type is what its `evolve` made.
  const { dueAt, isPaused, firedAt, fired, missed } = (state ?? initialSchedule) as ScheduleState;
  const next: number[] = [];
  for (let at = dueAt ?? undefined; at !== undefined && next.length < NEXT_TIMES; at = definition.next(at)) {
    next.push(at);
  }
  return {
    ...{ name, cron, timeZone, misfire, jitterMs, isPaused, firedAt, fired, missed, next },
    actor: `${request.type}/${request.key}`,
    command: request.command,
  };
}

/** The schedules of the runtime's modules. Each is an actor; this starts them, and says what they will do. */
export class Schedules {
  #isStopped = false;
  readonly #cancels = new Set<() => void>();

  constructor(private readonly runtime: Runtime) {}

  /** Lets each schedule plan its next time, unless it has. */
  start(): void {
    for (const name of this.runtime.registry.schedules.keys()) this.#plan(name);
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#cancels) cancel();
  }

  async list(): Promise<ScheduleStatus[]> {
    return await Promise.all([...this.runtime.registry.schedules.keys()].map((name) => this.get(name)));
  }

  /** @throws {FolioError} `unknown-schedule`. */
  async get(name: string): Promise<ScheduleStatus> {
    const definition = this.#definition(name);
    return scheduleStatus(definition, (await this.runtime.state(SCHEDULE_TYPE, name)).state);
  }

  /** Lets nothing come of it until it is resumed. @throws {FolioError} `unknown-schedule`. */
  pause(name: string): Promise<ScheduleStatus> {
    return this.#tell(name, "pause");
  }

  /** Goes on from now: times that passed meanwhile are not made up for. @throws {FolioError} `unknown-schedule`. */
  resume(name: string): Promise<ScheduleStatus> {
    return this.#tell(name, "resume");
  }

  async #tell(name: string, command: string): Promise<ScheduleStatus> {
    this.#definition(name);
    await this.runtime.ask(scheduleRequest(name, command));
    return await this.get(name);
  }

  #definition(name: string) {
    const definition = this.runtime.registry.schedules.get(name);
    if (definition) return definition;
    const schedule = name.slice(0, 64);
    throw new FolioError("unknown-schedule", `There is no schedule "${schedule}"`, { schedule });
  }

  async #plan(name: string): Promise<void> {
    try {
      await this.runtime.ask(scheduleRequest(name, "plan"));
    } catch (error) {
      if (this.#isStopped) return;
      this.runtime.log("warn", "Schedule cannot be planned yet", {
        schedule: name,
        error: errorMessage(error),
      });
      const cancel = this.runtime.clock.after(RETRY_DELAY_MS, () => {
        this.#cancels.delete(cancel);
        this.#plan(name);
      });
      this.#cancels.add(cancel);
    }
  }
}
