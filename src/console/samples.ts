import type { Clock } from "../core/clock.ts";
import { Signal } from "../core/signal.ts";
import type { MetricReading, MetricsPage } from "../runtime/observation.ts";

/** How the runtime did in the time up to `at`. Rates are per second; latencies are of what ended then. */
export interface Sample {
  readonly at: number;
  readonly done: number;
  readonly rejected: number;
  readonly failed: number;
  readonly retries: number;
  readonly refused: number;
  readonly events: number;
  readonly queued: number;
  /** Null where nothing came to an end. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly lagEvents: number;
  readonly lagMs: number;
  readonly dead: number;
}

/** Ten minutes of them while somebody watches. */
const SAMPLES_MAX = 300;
const WATCHED_EVERY_MS = 2_000;
const UNWATCHED_EVERY_MS = 10_000;

/** Totals since the process began, and what is there now. */
interface Totals {
  /** By activity. */
  readonly attempts: ReadonlyMap<string, number>;
  readonly sums: ReadonlyMap<string, number>;
  readonly maxima: ReadonlyMap<string, number>;
  readonly bounds: readonly number[];
  readonly buckets: readonly number[];
}

/** The last minutes, for charts: looks at the metrics every now and then, oftener while somebody watches. */
export class Samples {
  readonly taken = new Signal();
  #samples: Sample[] = [];
  #last: { at: number; totals: Totals } | undefined;
  #attemptRates: ReadonlyMap<string, number> = new Map();
  #viewers = 0;
  #cancel: () => void = () => {};
  #isStopped = false;

  constructor(private readonly metrics: MetricsPage | undefined, private readonly clock: Clock) {}

  list(): readonly Sample[] {
    return this.#samples;
  }

  /** Attempts that ended per second in the time of the newest sample, by activity. */
  get attemptRates(): ReadonlyMap<string, number> {
    return this.#attemptRates;
  }

  start(): void {
    if (!this.metrics) return;
    // What the first sample is compared with.
    void this.runOnce().catch(() => {}).finally(() => this.#plan());
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  /** Is told of each new sample until what it gives is called. */
  watch(wake: () => void): () => void {
    const end = this.taken.subscribe(wake);
    if (this.#viewers++ === 0) this.#plan();
    return () => {
      end();
      this.#viewers--;
    };
  }

  /** Takes one sample. */
  async runOnce(): Promise<void> {
    if (!this.metrics) return;
    const totals = totalsOf(await this.metrics.read({ looksAtDisk: this.#viewers > 0 }));
    const at = this.clock.now();
    const before = this.#last;
    this.#last = { at, totals };
    if (!before || at <= before.at) return;
    this.#attemptRates = ratesOf(totals.attempts, before.totals.attempts, (at - before.at) / 1_000);
    this.#samples = [...this.#samples, sampleOf(at, totals, before)].slice(-SAMPLES_MAX);
    this.taken.emit();
  }

  #plan(): void {
    this.#cancel();
    if (this.#isStopped) return;
    const everyMs = this.#viewers > 0 ? WATCHED_EVERY_MS : UNWATCHED_EVERY_MS;
    // What cannot be read this time may be the next time: the page says since when it has nothing.
    this.#cancel = this.clock.after(
      everyMs,
      () => void this.runOnce().catch(() => {}).finally(() => this.#plan()),
    );
  }
}

function totalsOf(readings: Iterable<MetricReading>): Totals {
  const sums = new Map<string, number>();
  const maxima = new Map<string, number>();
  const attempts = new Map<string, number>();
  let bounds: readonly number[] = [];
  const buckets: number[] = [];
  for (const { name, labels, value } of readings) {
    if (typeof value !== "number") {
      if (name !== "folio_command_duration_seconds") continue;
      bounds = value.bounds;
      value.counts.forEach((count, index) => buckets[index] = (buckets[index] ?? 0) + count);
      continue;
    }
    if (name === "folio_activity_attempts_total" && labels.activity !== undefined) {
      attempts.set(labels.activity, (attempts.get(labels.activity) ?? 0) + value);
    }
    const key = labels.outcome === undefined ? name : `${name} ${labels.outcome}`;
    sums.set(key, (sums.get(key) ?? 0) + value);
    maxima.set(key, Math.max(maxima.get(key) ?? 0, value));
  }
  return { sums, maxima, attempts, bounds, buckets };
}

function ratesOf(
  now: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
  seconds: number,
): ReadonlyMap<string, number> {
  return new Map(
    [...now].map(([name, total]) => [name, Math.max(0, total - (before.get(name) ?? 0)) / seconds]),
  );
}

function sampleOf(at: number, totals: Totals, before: { at: number; totals: Totals }): Sample {
  const seconds = (at - before.at) / 1_000;
  const now = (key: string) => totals.sums.get(key) ?? 0;
  const rate = (key: string) => Math.max(0, now(key) - (before.totals.sums.get(key) ?? 0)) / seconds;
  const most = (name: string) =>
    Math.max(
      totals.maxima.get(`folio_projection_${name}`) ?? 0,
      totals.maxima.get(`folio_reactor_${name}`) ?? 0,
    );
  const ended = totals.buckets.map((count, index) => count - (before.totals.buckets[index] ?? 0));
  return {
    at,
    done: rate("folio_commands_total done"),
    rejected: rate("folio_commands_total rejected"),
    failed: rate("folio_commands_total failed") + rate("folio_commands_total dead"),
    retries: rate("folio_retries_total"),
    refused: rate("folio_messages_refused_total"),
    events: rate("folio_events_total"),
    queued: now("folio_queue_depth"),
    p50Ms: quantileMs(0.5, totals.bounds, ended),
    p99Ms: quantileMs(0.99, totals.bounds, ended),
    lagEvents: most("lag_events"),
    lagMs: most("lag_seconds") * 1_000,
    dead: now("folio_dead_letters"),
  };
}

/** Within its bucket a value is taken to be anywhere with the same chance, as Prometheus does. */
function quantileMs(quantile: number, bounds: readonly number[], counts: readonly number[]): number | null {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let below = 0;
  for (const [index, count] of counts.entries()) {
    if (below + count >= quantile * all && count > 0) {
      const low = bounds[index - 1] ?? 0;
      const high = bounds[index] ?? low;
      return 1_000 * (low + (high - low) * (quantile * all - below) / count);
    }
    below += count;
  }
  return 1_000 * (bounds.at(-1) ?? 0);
}
