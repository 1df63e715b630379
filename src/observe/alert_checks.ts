import type { Limits } from "../config.ts";
import type { Alert } from "../runtime/observation.ts";
import { COUNTED_MAX, type Sight } from "./watched.ts";

/** Something that a check has found. */
export type Finding = Omit<Alert, "firstSeenAt" | "lastSeenAt" | "clearedAt">;
export type AlertLimits = Pick<
  Limits,
  | "alertEveryMs"
  | "alertQueueDepthMin"
  | "alertQueueWindowMs"
  | "alertLagMsMax"
  | "alertActivityAgeMsMax"
  | "alertCircuitOpenMsMax"
  | "alertStrayMs"
>;

/** Names of all alerts; Prometheus' rules in `docs/` have the same. */
export const alertNames = [
  "dead-letters",
  "queue-growing",
  "projection-lag",
  "projection-failed",
  "reactor-lag",
  "reactor-failed",
  "activity-lag",
  "saga-stuck",
  "circuit-open",
  "store-unavailable",
  "stray-rejection",
] as const;
export type AlertName = (typeof alertNames)[number];

/** Looks for what an operator should know of. Remembers only what it needs to see a trend. */
export class AlertChecks {
  readonly #depths = new Map<string, { at: number; depth: number }[]>();
  readonly #openSince = new Map<string, number>();

  constructor(private readonly limits: AlertLimits) {}

  run(sight: Sight): Finding[] {
    return [
      ...this.#store(sight),
      ...this.#deadLetters(sight),
      ...this.#queues(sight),
      ...this.#followers(sight),
      ...this.#activities(sight),
      ...this.#sagas(sight),
      ...this.#circuits(sight),
      ...this.#strays(sight),
    ];
  }

  *#store({ shards, isDraining }: Sight): Iterable<Finding> {
    if (isDraining) return;
    for (const { number } of shards.filter(({ isServing }) => !isServing)) {
      yield finding("store-unavailable", { shard: String(number) }, 1, 0, {
        message: `Shard ${number} takes no commands`,
        whatToDo: "Look at the disk and at the log: it is full, gone, or another process holds the shard.",
      });
    }
  }

  *#deadLetters({ deadLetters }: Sight): Iterable<Finding> {
    const total = deadLetters.reduce((sum, { count }) => sum + count, 0);
    const more = total < COUNTED_MAX ? "" : " or more";
    for (const { type, command, count } of deadLetters) {
      const messages = `${count}${more} ${count === 1 ? "message" : "messages"}`;
      yield finding("dead-letters", { type, command }, count, 0, {
        message: `${messages} for ${type}/${command} used up all attempts`,
        whatToDo:
          `Look at GET /dead-letters?type=${type}&command=${command}, mend the cause, and redrive or ` +
          "discard them.",
      });
    }
  }

  *#queues({ at, queues }: Sight): Iterable<Finding> {
    const { alertQueueDepthMin: depthMin, alertQueueWindowMs: windowMs } = this.limits;
    for (const type of this.#depths.keys()) if (!queues.has(type)) this.#depths.delete(type);
    for (const [type, { depth }] of queues) {
      const depths = this.#depths.get(type) ?? [];
      this.#depths.set(type, depths);
      depths.push({ at, depth });
      while (depths.length > 1 && (depths[1]?.at ?? at) <= at - windowMs) depths.shift();
      const isWhole = (depths[0]?.at ?? at) <= at - windowMs;
      if (!isWhole || depth < depthMin || !isGrowing(depths, at - windowMs / 2)) continue;
      yield finding("queue-growing", { type }, depth, depthMin, {
        message: `${depth} messages wait for ${type}, and more all the time`,
        whatToDo:
          "More comes in than is handled: look at folio_command_duration_seconds and at what fails, " +
          "slow the producers down, or spread the keys.",
      });
    }
  }

  *#followers({ followers }: Sight): Iterable<Finding> {
    const limit = this.limits.alertLagMsMax;
    for (const { kind, name, isFailed, error, lagEvents, lagMs } of followers) {
      const labels = { [kind]: name };
      if (isFailed) {
        yield finding(`${kind}-failed`, labels, lagEvents, 0, {
          message: `${kind} ${name} has stopped at an event${error === undefined ? "" : `: ${error}`}`,
          whatToDo: "Mend its handler and start again: it goes on at that event.",
        });
      } else if (lagMs > limit) {
        yield finding(`${kind}-lag`, labels, lagMs, limit, {
          message: `${kind} ${name} is ${seconds(lagMs)} and ${lagEvents} events behind`,
          whatToDo: kind === "projection"
            ? "Its handler or the read database is too slow for what comes in; queries serve old rows meanwhile."
            : "Those it sends to have no room, or its handler is too slow; see folio_queue_depth.",
        });
      }
    }
  }

  *#activities({ queues }: Sight): Iterable<Finding> {
    const limit = this.limits.alertActivityAgeMsMax;
    for (const [type, { depth, oldestMs }] of queues) {
      const [kind, activity] = type.split(":", 2);
      if (kind !== "activity" || activity === undefined || oldestMs <= limit) continue;
      yield finding("activity-lag", { activity }, oldestMs, limit, {
        message: `${activity} was asked for ${seconds(oldestMs)} ago and is not done; ${depth} wait`,
        whatToDo: "Look at whom it calls, and at its concurrency and rate limits.",
      });
    }
  }

  *#sagas({ sagas }: Sight): Iterable<Finding> {
    for (const { saga, state, count } of sagas) {
      if (state !== "stuck" || count === 0) continue;
      yield finding("saga-stuck", { saga }, count, 0, {
        message: `${count} of saga ${saga} cannot take back what was done: half of it is undone`,
        whatToDo: "Look at the compensation that failed, mend its cause, and retry the saga.",
      });
    }
  }

  *#circuits({ at, activities }: Sight): Iterable<Finding> {
    const limit = this.limits.alertCircuitOpenMsMax;
    for (const { name: activity, circuit } of activities) {
      if (!circuit || circuit.state === "closed") {
        this.#openSince.delete(activity);
        continue;
      }
      const since = this.#openSince.get(activity) ?? at;
      this.#openSince.set(activity, since);
      if (at - since < limit) continue;
      yield finding("circuit-open", { activity }, at - since, limit, {
        message: `Circuit of ${activity} is open for ${seconds(at - since)}` +
          (circuit.error === undefined ? "" : `: ${circuit.error}`),
        whatToDo: "Whom it calls fails all the time: look there. It is tried again by itself.",
      });
    }
  }

  /** Each is over at once; it is told of for a while, so that somebody hears of it. */
  *#strays({ at, strays }: Sight): Iterable<Finding> {
    for (const { activity, count, at: latestAt, error } of strays) {
      if (at - latestAt >= this.limits.alertStrayMs) continue;
      const whose = activity === "none" ? "Code of a module" : `Activity ${activity}`;
      yield finding("stray-rejection", { activity }, count, 0, {
        message: `${whose} left a promise rejected, which nothing awaits: ${error}`,
        whatToDo: "Find it by the stack in the log, and await it or catch what it throws.",
      });
    }
  }
}

/** Whether the least of the newer half is more than the most of the older one. */
function isGrowing(depths: readonly { at: number; depth: number }[], middle: number): boolean {
  const older = depths.filter(({ at }) => at <= middle).map(({ depth }) => depth);
  const newer = depths.filter(({ at }) => at > middle).map(({ depth }) => depth);
  return newer.length > 0 && Math.min(...newer) > Math.max(...older);
}

function finding(
  name: AlertName,
  labels: Finding["labels"],
  value: number,
  limit: number,
  texts: Pick<Finding, "message" | "whatToDo">,
): Finding {
  return { name, labels, value, limit, ...texts };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
