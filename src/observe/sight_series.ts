import type { Alert } from "../runtime/observation.ts";
import { gauge, type Series } from "./series_types.ts";
import type { Sight } from "./watched.ts";

const perCommand = ["type", "command"];
const circuitStates = ["closed", "half-open", "open"] as const;

/** Where they are read from. */
export interface SightSources {
  /** The newest look. */
  sight(): Sight;
  alerts(): readonly Alert[];
}

/** What is measured by looking. */
export function sightSeries({ sight, alerts }: SightSources): Series[] {
  return [
    gauge("folio_queue_depth", "Messages that wait, by actor type or activity.", ["type"], function* () {
      for (const [type, { depth }] of sight().queues) yield [{ type }, depth];
    }),
    gauge(
      "folio_queue_oldest_age_seconds",
      "How long the oldest message that waits is due.",
      ["type"],
      function* () {
        for (const [type, { oldestMs }] of sight().queues) yield [{ type }, Math.max(0, oldestMs) / 1_000];
      },
    ),
    gauge(
      "folio_dead_letters",
      "Dead letters that nobody has dealt with.",
      perCommand,
      function* () {
        for (const { type, command, count } of sight().deadLetters) yield [{ type, command }, count];
      },
    ),
    ...(["projection", "reactor"] as const).flatMap((kind) => followerSeries(kind, sight)),
    gauge(
      "folio_circuit_state",
      "1 for the state that the circuit of an activity is in.",
      ["activity", "state"],
      function* () {
        for (const { name: activity, circuit } of sight().activities) {
          if (!circuit) continue;
          for (const state of circuitStates) yield [{ activity, state }, Number(state === circuit.state)];
        }
      },
    ),
    gauge("folio_activities_running", "Attempts of activities that run.", ["activity"], function* () {
      for (const { name: activity, running } of sight().activities) yield [{ activity }, running];
    }),
    gauge(
      "folio_sagas",
      "Saga instances that are not at their end, by state.",
      ["saga", "state"],
      function* () {
        for (const { saga, state, count } of sight().sagas) yield [{ saga, state }, count];
      },
    ),
    gauge("folio_activations", "Actors in memory.", ["shard"], function* () {
      for (const { number, activations } of sight().shards) yield [{ shard: String(number) }, activations];
    }),
    gauge("folio_shard_serving", "1 when a shard takes commands.", ["shard"], function* () {
      for (const { number, isServing } of sight().shards) {
        yield [{ shard: String(number) }, Number(isServing)];
      }
    }),
    {
      kind: "counter",
      name: "folio_stray_rejections_total",
      help: "Promises that were left rejected and that nothing awaits, by the activity that ran.",
      labels: ["activity"],
      *read() {
        for (const { activity, count } of sight().strays) yield [{ activity }, count];
      },
    },
    gauge("folio_alerts", "Alerts that fire.", ["alert"], function* () {
      const counts = new Map<string, number>();
      for (const { name } of alerts()) counts.set(name, (counts.get(name) ?? 0) + 1);
      for (const [alert, count] of counts) yield [{ alert }, count];
    }),
  ];
}

function followerSeries(kind: "projection" | "reactor", sight: SightSources["sight"]): Series[] {
  const followers = () => sight().followers.filter((follower) => follower.kind === kind);
  return [
    gauge(`folio_${kind}_lag_events`, `Events on disk that a ${kind} has not seen.`, [kind], function* () {
      for (const { name, lagEvents } of followers()) yield [{ [kind]: name }, lagEvents];
    }),
    gauge(
      `folio_${kind}_lag_seconds`,
      `How long ago the oldest event was recorded that a ${kind} has not seen.`,
      [kind],
      function* () {
        for (const { name, lagMs } of followers()) yield [{ [kind]: name }, lagMs / 1_000];
      },
    ),
    gauge(`folio_${kind}_failed`, `1 when a ${kind} has stopped at an event.`, [kind], function* () {
      for (const { name, isFailed } of followers()) yield [{ [kind]: name }, Number(isFailed)];
    }),
  ];
}
