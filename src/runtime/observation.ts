/** What HTTP needs of metrics and alerts, which `observe/` makes. */

/** The metrics of this process. */
export interface MetricsPage {
  /** @param accept What the client can read: an `Accept` header. */
  page(accept: string | undefined): Promise<{ readonly contentType: string; readonly text: string }>;
  /** @param options `looksAtDisk`: whether what is counted there (dead letters, sagas) is counted anew. */
  read(options: { readonly looksAtDisk: boolean }): Promise<readonly MetricReading[]>;
}

/** One series of one metric, as it is now. */
export interface MetricReading {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** A histogram's `counts` are not cumulative; the last is beyond all bounds. */
  readonly value: number | { readonly bounds: readonly number[]; readonly counts: readonly number[] };
}

/** Something that an operator should know of, from its first sight until it is over. */
export interface Alert {
  /** Which check it is of, e.g. `dead-letters`. */
  readonly name: string;
  /** What it is about, e.g. `{ type: "account" }`; together with `name` it tells one alert from others. */
  readonly labels: Readonly<Record<string, string>>;
  readonly message: string;
  readonly whatToDo: string;
  /** What was measured when it was last seen, and the limit that it is beyond; in the unit of the limit. */
  readonly value: number;
  readonly limit: number;
  /** Milliseconds since the Unix epoch. */
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  /** Set once it is over. */
  readonly clearedAt?: number;
}

/** What is wrong now, and what was lately. */
export interface AlertMonitor {
  /** Firing, the oldest first. */
  list(): readonly Alert[];
  /** Those that are over, the newest first; so many are remembered. */
  cleared(): readonly Alert[];
}
