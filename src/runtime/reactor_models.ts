/** What HTTP needs of reactors, which `processors/` runs. */
import type { LogStart } from "./log_start.ts";
import type { EventFailure } from "./read_models.ts";

/** How a reactor is doing. */
export interface ReactorStatus {
  readonly name: string;
  readonly status: "live" | "failed";
  /** Events on disk that it has not looked at yet. */
  readonly lagEvents: number;
  readonly failure?: EventFailure;
  /** What it is being made to send once more. */
  readonly replay?: {
    /** Ids of its messages begin with `name~run.`. */
    readonly run: number;
    readonly eventsLeft: number;
    readonly failure?: EventFailure;
  };
}

/** What a reactor of today would send about events that it has seen. */
export interface ReactorReplay {
  readonly reactor: string;
  /** Consistency token of the last events that were looked at. */
  readonly token: string;
  readonly eventsAnswered: number;
  readonly messages: number;
  /** By `actor-type/command`. */
  readonly messagesByCommand: Readonly<Record<string, number>>;
  /** The first event that it cannot handle; what is told above comes before it. */
  readonly failure?: Omit<EventFailure, "at">;
}

export interface ReactorModels {
  list(): ReactorStatus[];
  /**
   * Replays a reactor without sending.
   *
   * @param from Where to begin; undefined for the beginning of the log.
   * @throws {FolioError} `unknown-reactor`; `malformed` when `from` is not in the log.
   */
  rehearse(name: string, from?: LogStart): Promise<ReactorReplay>;
  /**
   * Sends again what a reactor of today sends about events that it has seen, in messages of other ids. Goes on
   * behind the answer, and after a restart.
   *
   * @throws {FolioError} As `rehearse`; `replay-in-progress`.
   */
  resend(name: string, from?: LogStart): Promise<ReactorStatus>;
  /** Ends sending again. What has been sent has been sent. @throws {FolioError} `unknown-reactor`. */
  cancelReplay(name: string): Promise<ReactorStatus>;
}
