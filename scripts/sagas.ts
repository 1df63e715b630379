/**
 * Replays the running instances of all sagas against the present code and lists those that would part from what
 * they have recorded, before a deploy. Only reads: a server may run on the same folder.
 *
 * @module
 */
import { systemClock } from "../src/core/clock.ts";
import { errorMessage } from "../src/core/errors.ts";
import { Journal } from "../src/core/journal.ts";
import type { AnySaga } from "../src/core/saga.ts";
import { SagaRun } from "../src/runtime/saga_run.ts";
import { readSagas } from "../src/store/sagas.ts";
import { defaultModules, loadRegistry } from "./support/modules.ts";
import { foldPast } from "./support/past_state.ts";
import { printable, runScript, ScriptError, UsageError } from "./support/script.ts";
import { defaultData, openStoreFolder, type StoreFolder } from "./support/store_folder.ts";

const usage = `Usage: deno task sagas check [SAGA...] [--data FOLDER] [--modules FILE] [--json]

  SAGA        only those of these names
  --data      the folder (FOLIO_DATA, or ./data)
  --modules   whose default export lists the modules (FOLIO_MODULES, or ./actors/mod.ts)
  --json      JSON lines, one an instance that does not fit: actor, error

Replays all running instances against the code of the modules. Exit code 1 when the code does not do what some of
them have recorded: those would stop. Only reads; a server may run on the folder.

  deno task sagas check
  deno task sagas check booking --modules ./next/mod.ts`;

/** Instances read in one query. */
const PAGE = 1_000;
/** What an instance has recorded last of how it stands, if it has not ended. */
const running = ["Started", "Aborted", "CompensationStarted", "CompensationDone", "Stuck"];
const ended = ["Completed", "Failed", "Cancelled", "TimedOut"];

await runScript({
  usage,
  options: {
    data: { type: "string", default: defaultData() },
    modules: { type: "string", default: defaultModules() },
    json: { type: "boolean", default: false },
  },
}, async (flags, [verb, ...names]) => {
  if (verb !== "check") throw new UsageError("Cannot tell what to do: say check");
  const { sagas } = await loadRegistry(flags.modules);
  for (const name of names) if (!sagas.has(name)) throw new UsageError(`Cannot check ${name}: no such saga`);
  const wanted = [...sagas.values()].filter(({ name }) => names.length === 0 || names.includes(name));
  const folder = await openStoreFolder(flags.data);
  let checked = 0;
  let misfits = 0;
  try {
    for (const saga of wanted) {
      for (const shard of folder.shards) {
        for await (const actor of runningOf(saga, shard)) {
          checked++;
          const error = await misfitOf(saga, shard, actor);
          if (error === undefined) continue;
          misfits++;
          console.log(flags.json ? JSON.stringify({ actor, error }) : printable(error));
        }
      }
    }
  } finally {
    await folder.close();
  }
  if (misfits > 0) throw new ScriptError(`${misfits} of ${checked} running instances do not fit the code`);
  if (!flags.json) console.log(`${checked} running instances fit the code`);
});

type Shard = StoreFolder["shards"][number];

async function* runningOf({ name: saga }: AnySaga, { database }: Shard): AsyncIterable<string> {
  const types = [...running, ...ended];
  for (let after = "";;) {
    const page = await readSagas(database, { saga, after, types, only: running, limit: PAGE });
    for (const { actor } of page) yield actor;
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    after = last.actor.slice(saga.length + 1);
  }
}

/** Why the code does not fit an instance; undefined where it does. */
async function misfitOf(saga: AnySaga, shard: Shard, actor: string): Promise<string | undefined> {
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
