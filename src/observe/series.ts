import { bytesBuckets, secondsBuckets, sizeBuckets } from "./histogram.ts";
import type { Metrics } from "./metrics.ts";
import { gauge, type Series } from "./series_types.ts";
import { sightSeries, type SightSources } from "./sight_series.ts";

/** Where the series are read from. */
export interface SeriesSources extends SightSources {
  readonly metrics: Metrics;
  memory(): { readonly rss: number; readonly heapUsed: number };
  readonly startedAt: number;
}

const perCommand = ["type", "command"];
const outcomes = ["done", "rejected", "failed", "dead"] as const;

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
