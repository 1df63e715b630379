import { systemClock } from "../../src/core/clock.ts";
import { errorMessage } from "../../src/core/errors.ts";
import { Journal } from "../../src/core/journal.ts";
import type { AnySaga } from "../../src/core/saga.ts";
import { SagaRun } from "../../src/runtime/saga_run.ts";
import { readSagas } from "../../src/store/sagas.ts";
import { foldPast } from "./past_state.ts";
import type { StoreFolder } from "./store_folder.ts";

/** A saga's instance that has not ended. */
export interface RunningInstance {
  readonly saga: AnySaga;
  readonly shard: StoreFolder["shards"][number];
  readonly actor: string;
}

/** Instances read in one query. */
const PAGE = 1_000;
/** What an instance has recorded last of how it stands, if it has not ended. */
const running = ["Started", "Aborted", "CompensationStarted", "CompensationDone", "Stuck"];
const ended = ["Completed", "Failed", "Cancelled", "TimedOut"];

/** All instances of some sagas that have not ended. */
export async function runningInstances(
  sagas: readonly AnySaga[],
  { shards }: StoreFolder,
): Promise<RunningInstance[]> {
  const found: RunningInstance[] = [];
  const types = [...running, ...ended];
  for (const saga of sagas) {
    for (const shard of shards) {
      for (let after = "", hasMore = true; hasMore;) {
        const query = { saga: saga.name, after, types, only: running, limit: PAGE };
        const page = await readSagas(shard.database, query);
        found.push(...page.map(({ actor }) => ({ saga, shard, actor })));
        hasMore = page.length === PAGE;
        after = page.at(-1)?.actor.slice(saga.name.length + 1) ?? after;
      }
    }
  }
  return found;
}

/** Why the present code does not fit an instance; undefined where it does. */
export async function misfitOf({ saga, shard, actor }: RunningInstance): Promise<string | undefined> {
  const quiet = () => new Promise<void>((resolve) => systemClock.soon(resolve));
  try {
    const past = await foldPast(shard, saga.actor, actor, {});
    if (!(past?.state instanceof Journal)) return undefined;
    // What has failed and waits for nothing any more is undone without its code.
    if (past.state.status !== "running" && past.state.pending.size === 0) return undefined;
    const run = await SagaRun.replay(saga, actor, past.state, quiet);
    for (const step of past.state.pending) run.callOf(step);
    return undefined;
  } catch (error) {
    return error instanceof Error && error.name === "PartedError"
      ? error.message
      : `${actor} cannot be replayed: ${errorMessage(error)}`;
  }
}
