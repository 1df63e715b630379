import type { AnyActor } from "../core/actor.ts";
import type { FolioError } from "../core/errors.ts";
import { type Entry, Queue } from "./mailbox.ts";
import type { SagaRun } from "./saga_run.ts";
import type { SagaTurnResult } from "./saga_turn.ts";

/**
 * One live actor: its state, and the messages that wait for it. States: `cold` (to be loaded), `loading`,
 * `live`, `running` (a saga's turn takes a while) and `ran`, `held` (its first message waits for its next attempt, or it is
 * stopped).
 */
export class Activation {
  phase: "cold" | "loading" | "live" | "running" | "ran" | "held" = "cold";
  state: unknown = undefined;
  version = 0;
  snapshotVersion = 0;
  readonly mailbox = new Queue<Entry>();
  /** The newest commit that holds events of this actor; it cannot be passivated until that is durable. */
  dirtyCommit = 0;
  lastUsedAt = 0;
  /** Whether it stands in the shard's run queue. */
  scheduled = false;
  /** Why its log could not be read: every message fails with this until it can. */
  loadError: unknown = undefined;
  /** Of a saga: its run, while that is in memory. */
  run: SagaRun | undefined = undefined;
  /** What came of the saga's turn for the first message, until it joins a commit. */
  result: SagaTurnResult | undefined = undefined;
  /** Why the saga is stopped. */
  stopped: string | undefined = undefined;
  /** Reads that wait for it to be live. */
  readonly readers: { resolve(): void; reject(error: FolioError): void }[] = [];

  constructor(readonly name: string, readonly key: string, readonly actor: AnyActor | undefined) {}
}
