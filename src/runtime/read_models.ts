/**
 * What HTTP needs of projections. They are filled behind the commits, by `processors/`, which `http/` does not
 * know: this is where the two meet.
 */

/** How a projection is doing. */
export interface ProjectionStatus {
  readonly name: string;
  /** Version of the code that runs. */
  readonly version: number;
  /** Version that made the rows that are served. */
  readonly servedVersion: number;
  /** `stale`: rows of an earlier version serve while new ones are built. `failed`: stopped at an event. */
  readonly status: "live" | "stale" | "failed";
  /** Consistency token of what the served rows reflect. */
  readonly token: string;
  /** Events on disk that the served rows do not reflect yet. */
  readonly lagEvents: number;
  readonly failure?: ProjectionFailure;
  /** New tables that are being filled beside those that serve. */
  readonly build?: {
    readonly eventsDone: number;
    readonly eventsTotal: number;
    readonly startedAt: number;
    readonly failure?: ProjectionFailure;
  };
  readonly queries: readonly string[];
}

/** Why a projection has stopped, and at which event. It goes on from there when its code is mended. */
export interface ProjectionFailure {
  readonly error: string;
  readonly event: {
    readonly shard: number;
    readonly position: number;
    readonly type: string;
    readonly actor: string;
  };
  readonly at: number;
}

/** How a reactor is doing. */
export interface ReactorStatus {
  readonly name: string;
  readonly status: "live" | "failed";
  /** Events on disk that it has not looked at yet. */
  readonly lagEvents: number;
  readonly failure?: ProjectionFailure;
}

/** The answer to a query. */
export interface QueryResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Whether there were more rows than may be given. */
  readonly isTruncated: boolean;
  /** Consistency token of what the rows reflect. */
  readonly token: string;
  readonly lagEvents: number;
  /** Whether the rows will not move on: the projection has failed, or is being built anew. */
  readonly isStale: boolean;
}

export interface ReadModels {
  list(): ProjectionStatus[];
  /**
   * @param input As it came, not yet parsed.
   * @param options `atLeast`: wait, `waitMs` at the most, until the rows reflect this token.
   * @throws {FolioError} `unknown-projection`, `unknown-query`, `invalid-input`, `projection-behind`,
   * `query-too-slow`.
   */
  query(
    name: string,
    query: string,
    input: unknown,
    options: { atLeast?: ReadonlyMap<number, number> | undefined; waitMs: number },
  ): Promise<QueryResult>;
  /**
   * Builds new tables from the first event on, beside those that serve, and lets them serve when they have
   * caught up. A build that is under way goes on.
   *
   * @throws {FolioError} `unknown-projection`.
   */
  rebuild(name: string): Promise<ProjectionStatus>;
  /** Gives a build up. @throws {FolioError} `unknown-projection`. */
  cancelRebuild(name: string): Promise<ProjectionStatus>;
}
