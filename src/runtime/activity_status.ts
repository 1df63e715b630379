/** How an activity is doing in this process. */
export interface ActivityStatus {
  readonly name: string;
  /** Waiting: for their turn, for their next attempt, for a limit. Those delayed are not among them. */
  readonly queued: number;
  readonly running: number;
  /** Attempts since this process has started, and how many of them failed. */
  readonly attempts: number;
  readonly failures: number;
  /** So long, or less, took 99 of the newest 100 runs; left out before the first. */
  readonly p99Ms?: number;
  /** Where it has a circuit breaker. */
  readonly circuit?: {
    readonly state: "closed" | "open" | "half-open";
    /** When one attempt is let through to see, in milliseconds since the Unix epoch. */
    readonly probeAt?: number;
    readonly error?: string;
  };
}

/** What an attempt has said of itself while it runs. */
export interface ActivityProgress {
  /** What it gave with its latest heartbeat. */
  readonly detail: unknown;
  /** When that was, in milliseconds since the Unix epoch. */
  readonly at: number;
}

/** The activities of this process, as seen from outside. */
export interface ActivityMonitor {
  list(): ActivityStatus[];
  /** The attempt at a message that runs now; undefined if none does. */
  running(message: { readonly id: string; readonly actor: string }):
    | { readonly attempt: number; readonly progress: ActivityProgress | undefined }
    | undefined;
}
