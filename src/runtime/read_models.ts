import type { EventPlace } from "../core/event.ts";
import type { SqlArgument } from "../core/projection.ts";
import type { LogStart } from "./log_start.ts";

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
  /** Consistency token of events that a rebuild has left out, where one has. */
  readonly startsAfter?: string;
  /** Events on disk that the served rows do not reflect yet. */
  readonly lagEvents: number;
  readonly failure?: EventFailure;
  /** New tables that are being filled beside those that serve. */
  readonly build?: {
    readonly eventsDone: number;
    readonly eventsTotal: number;
    readonly startedAt: number;
    readonly failure?: EventFailure;
  };
  readonly queries: readonly string[];
}

/** Why a projection or a reactor has stopped, and at which event. It goes on from there when its code is mended. */
export interface EventFailure {
  readonly error: string;
  readonly event: EventPlace;
  readonly at: number;
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

/**
 * Whether a projection's rows are what a replay of the logs gives.
 *
 * `different`: `difference` is the first row of the first table in which they part. `failed`: the code of today
 * cannot handle an event that the rows reflect. `cancelled`: somebody gave it up.
 */
export interface ProjectionCheck {
  readonly projection: string;
  readonly status: "equal" | "different" | "failed" | "cancelled";
  /** Consistency token of what was compared. */
  readonly token: string;
  /** Rows that serve, in all tables that were compared. */
  readonly rowsCompared: number;
  readonly difference?: RowDifference;
  readonly failure?: Omit<EventFailure, "at">;
}

/** A row that serves, and what a replay makes of it; one of the two may not be there. */
export interface RowDifference {
  readonly table: string;
  /** What names the row: its primary key, or all of it where the table has none. */
  readonly key: Readonly<Record<string, SqlArgument>>;
  readonly served?: Readonly<Record<string, SqlArgument>>;
  readonly replayed?: Readonly<Record<string, SqlArgument>>;
  /** The event where the two part: before it the replay gave the row as it serves, and never after it. */
  readonly partedAt?: EventPlace;
  /**
   * Where the replay never gave the row as it serves: the event that made it what is replayed. If there is
   * neither, no event of the log has anything to do with the row.
   */
  readonly writtenBy?: EventPlace;
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
   * Builds new tables beside those that serve, and lets them serve when they have caught up. A build that is
   * under way goes on.
   *
   * @param from Where to begin, if the projection allows it; undefined for the beginning of the log.
   * @throws {FolioError} `unknown-projection`; `partial-rebuild-refused`; `malformed` when `from` is not in the
   * log; `projection-behind` when a build is under way that may have begun elsewhere.
   */
  rebuild(name: string, from?: LogStart): Promise<ProjectionStatus>;
  /** Gives a build up. @throws {FolioError} `unknown-projection`. */
  cancelRebuild(name: string): Promise<ProjectionStatus>;
  /**
   * Replays the logs beside what serves, and compares the rows: a proof that they have not drifted apart.
   *
   * @throws {FolioError} `unknown-projection`; `projection-behind` while rows of an earlier version serve.
   */
  check(name: string): Promise<ProjectionCheck>;
}
