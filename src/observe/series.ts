import type { Alert } from "../runtime/observation.ts";
import { bytesBuckets, type Histogram, secondsBuckets, sizeBuckets } from "./histogram.ts";
import type { Labels, Metrics } from "./metrics.ts";
import type { Sight } from "./watched.ts";

/** A value with its labels. */
export type Point<Value> = readonly [labels: Labels, value: Value];

interface Described {
  /** By the conventions of Prometheus: base units, `_total` for counters. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** One metric: how it is called, and how its series are read now. */
export type Series =
  | Described & { readonly kind: "counter" | "gauge"; read(): Iterable<Point<number>> }
  | Described & {
    readonly kind: "histogram";
    readonly bounds: readonly number[];
    read(): Iterable<Point<Histogram>>;
  };

/** Where the series are read from. */
export interface SeriesSources {
  readonly metrics: Metrics;
  /** The newest look. */
  sight(): Sight;
  alerts(): readonly Alert[];
  memory(): { readonly rss: number; readonly heapUsed: number };
  readonly startedAt: number;
}

const perCommand = ["type", "command"];
const outcomes = ["done", "rejected", "failed", "dead"] as const;
const circuitStates = ["closed", "half-open", "open"] as const;

/** Every metric there is. */
export function allSeries(sources: SeriesSources): Series[] {
  return [
    ...commandSeries(sources),
    ...storeSeries(sources),
    ...sightSeries(sources),
    ...processSeries(sources),
  ];
}

function commandSeries({ metrics }: SeriesSources): Series[] {
  return [
    {
      kind: "counter",
      name: "folio_messages_admitted_total",
      help: "Messages taken into mailboxes, whoever sent them: the rate of enqueueing.",
      labels: perCommand,
      *read() {
        for (const { labels, admitted } of metrics.allCommands()) yield [labels, admitted];
      },
    },
    {
      kind: "counter",
      name: "folio_messages_refused_total",
      help: "Messages refused for want of room (429), by code: producers that were throttled.",
      labels: [...perCommand, "code"],
      *read() {
        for (const { labels, refused } of metrics.allCommands()) {
          for (const [code, count] of refused) yield [{ ...labels, code }, count];
        }
      },
    },
    {
      kind: "counter",
      name: "folio_commands_total",
      help: "Commands that came to an end, by outcome: the rate of processing.",
      labels: [...perCommand, "outcome"],
      *read() {
        for (const counts of metrics.allCommands()) {
          for (const outcome of outcomes) yield [{ ...counts.labels, outcome }, counts[outcome]];
        }
      },
    },
    {
      kind: "counter",
      name: "folio_retries_total",
      help: "Attempts that failed and are made again.",
      labels: perCommand,
      *read() {
        for (const { labels, retries } of metrics.allCommands()) yield [labels, retries];
      },
    },
    {
      kind: "histogram",
      name: "folio_command_duration_seconds",
      help: "From the time a message is due until its outcome is on disk, waits and retries included.",
      labels: perCommand,
      bounds: secondsBuckets,
      *read() {
        for (const { labels, duration } of metrics.allCommands()) yield [labels, duration];
      },
    },
    {
      kind: "counter",
      name: "folio_activity_attempts_total",
      help: "Attempts of activities, by what came of them.",
      labels: ["activity", "outcome"],
      *read() {
        for (const { labels, attempts } of metrics.activities.values()) {
          for (const [outcome, count] of Object.entries(attempts)) yield [{ ...labels, outcome }, count];
        }
      },
    },
    {
      kind: "histogram",
      name: "folio_activity_attempt_duration_seconds",
      help: "How long attempts of activities took.",
      labels: ["activity"],
      bounds: secondsBuckets,
      *read() {
        for (const { labels, duration } of metrics.activities.values()) yield [labels, duration];
      },
    },
    {
      kind: "histogram",
      name: "folio_timer_lateness_seconds",
      help: "How long after their time timers were sent.",
      labels: [],
      bounds: secondsBuckets,
      *read() {
        yield [{}, metrics.timerLateness];
      },
    },
  ];
}

function storeSeries({ metrics }: SeriesSources): Series[] {
  const shards = () => metrics.shards.filter((shard) => shard !== undefined);
  return [
    {
      kind: "counter",
      name: "folio_commits_total",
      help: "Commits by result; a lost one takes back what its turns did.",
      labels: ["shard", "result"],
      *read() {
        for (const { labels, commits, lost } of shards()) {
          yield [{ ...labels, result: "durable" }, commits];
          yield [{ ...labels, result: "lost" }, lost];
        }
      },
    },
    {
      kind: "counter",
      name: "folio_events_total",
      help: "Events in commits, lost ones included.",
      labels: ["shard"],
      *read() {
        for (const { labels, events } of shards()) yield [labels, events];
      },
    },
    {
      kind: "histogram",
      name: "folio_commit_duration_seconds",
      help: "From handing a commit to the store until its answer.",
      labels: ["shard"],
      bounds: secondsBuckets,
      *read() {
        for (const { labels, duration } of shards()) yield [labels, duration];
      },
    },
    {
      kind: "histogram",
      name: "folio_commit_turns",
      help: "Turns and admissions in a commit.",
      labels: ["shard"],
      bounds: sizeBuckets,
      *read() {
        for (const { labels, turns } of shards()) yield [labels, turns];
      },
    },
    {
      kind: "histogram",
      name: "folio_commit_size_bytes",
      help: "JSON text in a commit, roughly.",
      labels: ["shard"],
      bounds: bytesBuckets,
      *read() {
        for (const { labels, bytes } of shards()) yield [labels, bytes];
      },
    },
  ];
}

function sightSeries({ sight, alerts }: SeriesSources): Series[] {
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
    gauge("folio_alerts", "Alerts that fire.", ["alert"], function* () {
      const counts = new Map<string, number>();
      for (const { name } of alerts()) counts.set(name, (counts.get(name) ?? 0) + 1);
      for (const [alert, count] of counts) yield [{ alert }, count];
    }),
  ];
}

function followerSeries(kind: "projection" | "reactor", sight: SeriesSources["sight"]): Series[] {
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

function processSeries({ memory, startedAt }: SeriesSources): Series[] {
  return [
    gauge("process_resident_memory_bytes", "Resident memory.", [], function* () {
      yield [{}, memory().rss];
    }),
    gauge("folio_heap_used_bytes", "Memory that JavaScript values take.", [], function* () {
      yield [{}, memory().heapUsed];
    }),
    gauge(
      "process_start_time_seconds",
      "When this runtime was started, since the Unix epoch.",
      [],
      function* () {
        yield [{}, startedAt / 1_000];
      },
    ),
  ];
}

function gauge(
  name: string,
  help: string,
  labels: readonly string[],
  read: () => Iterable<Point<number>>,
): Series {
  return { kind: "gauge", name, help, labels, read };
}
