import { errorMessage, FolioError } from "../core/errors.ts";
import { Journal } from "../core/journal.ts";
import type { Activation } from "./activation.ts";
import type { Committer } from "./committer.ts";
import type { Directory } from "./directory.ts";
import { notOwner, type Serving } from "./serving.ts";

/** What reading states needs of a shard. */
export interface StateReaderOwner {
  readonly shard: number;
  readonly directory: Directory;
  readonly committer: Committer;
  readonly serving: Serving;
  load(activation: Activation): void;
}

/** The state of an actor, as it is known to be on disk. */
export interface ReadState {
  readonly state: unknown;
  readonly version: number;
  /** Why a saga is stopped. */
  readonly stopped?: string | undefined;
}

/**
 * Reads the state that an actor has in memory, where it is loaded first if it is not there. Turns run ahead of the
 * disk: the answer waits until all that the state was made of is durable, and the shard is known to be still ours.
 */
export class StateReader {
  constructor(private readonly owner: StateReaderOwner) {}

  /**
   * @throws {FolioError} `handler-failed` when the actor's log cannot be read; `draining`, `not-owner`,
   * `store-unavailable`.
   */
  async read(actor: string): Promise<ReadState> {
    const { shard, directory, committer, serving } = this.owner;
    serving.check();
    const activation = directory.activate(actor);
    const isAtRest = activation.phase === "live" || activation.phase === "held";
    const { dirtyCommit, loadError, ...seen } = isAtRest
      ? look(activation)
      : await new Promise<ReturnType<typeof look>>((resolve, reject) => {
        activation.readers.push({ resolve: () => resolve(look(activation)), reject });
        if (activation.phase === "cold") this.owner.load(activation);
      });
    if (loadError) {
      throw new FolioError("handler-failed", errorMessage(loadError), { actor }, { cause: loadError });
    }
    // It may have been overtaken since: then the state is nobody's to know.
    if (serving.isFenced) throw notOwner(shard);
    if (dirtyCommit > committer.durableIndex) await committer.flushed();
    else await committer.confirmed();
    return seen;
  }
}

/** What is to be known of an activation. At once, since the next turn changes the state of a saga in place. */
function look({ state, version, stopped, dirtyCommit, loadError }: Activation) {
  return {
    state: state instanceof Journal ? state.toJSON() : state,
    version,
    stopped,
    dirtyCommit,
    loadError,
  };
}
