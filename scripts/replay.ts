/**
 * Replays the logs, on a folder or on a server that goes on serving: builds a projection's tables anew or proves
 * that they have not drifted, drops the tables of one that is not among the modules any more, and tells what a
 * reactor would send, or lets it send that again.
 *
 * @module
 */
import { createRuntime, type OpenRuntime } from "../src/create_runtime.ts";
import { parseLogStart } from "../src/http/request.ts";
import type { LogStart } from "../src/runtime/log_start.ts";
import type { AnyModule, Registry } from "../src/runtime/registry.ts";
import { projectionAt, replayProjection, statusOf } from "./replay/projection.ts";
import { reactorAt, replayReactor } from "./replay/reactor.ts";
import { callerOf } from "./replay/server.ts";
import { defaultModules, loadRegistry } from "./support/modules.ts";
import { runScript, ScriptError, UsageError } from "./support/script.ts";
import { defaultData, readIdentity } from "./support/store_folder.ts";

const usage =
  `Usage: deno task replay --projection NAME [--check | --from PLACE] [--url URL | --data FOLDER] [--modules FILE]
       deno task replay --reactor NAME [--resend] [--from PLACE] [--url URL | --data FOLDER] [--modules FILE]
       deno task replay --drop NAME [--data FOLDER] [--modules FILE]

  --projection  builds its tables anew from the first event on, beside those that serve, which they replace
  --check       compares what a replay gives with what serves instead, and leaves that as it is
  --reactor     tells what it would send about the events that it has seen, and sends nothing
  --resend      sends it again, in messages of other ids than the first time
  --from        begins at a time (2026-01-31T12:00:00Z) or after a consistency token; a projection must say with
                \`partialRebuild\` what becomes of earlier rows
  --drop        drops the tables of a projection that is not among the modules
  --url         asks the server there, which goes on serving; it is sent FOLIO_TOKEN, where that is set
  --data        opens the folder itself, which no server may hold (FOLIO_DATA, or ./data). What waits in
                mailboxes is handled meanwhile; activities, schedules and other reactors stand still
  --modules     what the folder is run with (FOLIO_MODULES, or ./actors/mod.ts)

Exit code 0: built, dropped, sent, or equal; 1: it failed, or rows differ; 2: the command line is at fault.

  deno task replay --projection balances --url http://127.0.0.1:8000
  deno task replay --projection balances --check
  deno task replay --reactor welcome --from 2026-01-31T12:00:00Z`;

await runScript({
  usage,
  options: {
    projection: { type: "string" },
    check: { type: "boolean", default: false },
    reactor: { type: "string" },
    resend: { type: "boolean", default: false },
    from: { type: "string" },
    drop: { type: "string" },
    url: { type: "string" },
    data: { type: "string" },
    modules: { type: "string" },
  },
}, async (flags, words) => {
  if (words.length > 0) throw new UsageError(`Cannot replay: nothing is known of "${words[0]}"`);
  const { projection, reactor, drop, url, from } = flags;
  const [name, another] = [projection, reactor, drop].filter((each) => each !== undefined);
  if (name === undefined || another !== undefined) {
    throw new UsageError("Cannot replay: name one thing, with --projection, --reactor or --drop");
  }
  if (url !== undefined && (flags.data ?? flags.modules ?? drop) !== undefined) {
    throw new UsageError("Cannot replay: --url excludes --data, --modules and --drop");
  }
  if (flags.check && projection === undefined) throw new UsageError("Cannot check but a --projection");
  if (flags.resend && reactor === undefined) throw new UsageError("Cannot resend but a --reactor");
  if (from !== undefined && (flags.check || drop !== undefined)) {
    throw new UsageError("Cannot replay: --from excludes --check and --drop");
  }
  if (url !== undefined) {
    const call = callerOf(url);
    return reactor === undefined
      ? await replayProjection(name, flags, projectionAt(call, name))
      : await replayReactor(name, flags, reactorAt(call, name));
  }
  const data = flags.data ?? defaultData();
  const { shards } = await readIdentity(data, 0);
  const registry = await loadRegistry(flags.modules ?? defaultModules());
  const start = from === undefined ? undefined : parseLogStart(from, shards);
  const modules = modulesFor(registry, reactor);
  await using runtime = await createRuntime({ modules, data, shards, performs: false });
  if (drop !== undefined) return await dropTables(runtime, registry, name);
  if (reactor !== undefined) return await replayHere(runtime, name, flags, start);
  const { projections } = runtime;
  await replayProjection(name, flags, {
    status: () => Promise.resolve(statusOf(projections.list(), name)),
    rebuild: async () => void await projections.rebuild(name, start),
    check: () => projections.check(name),
  });
});

/** All that turns need, and what is to be replayed. What other reactors would send is left to the server. */
function modulesFor({ given }: Registry, reactor: string | undefined): AnyModule[] {
  return given.filter(({ kind, name }) =>
    kind === "projection" ? reactor === undefined : kind === "reactor" ? name === reactor : true
  );
}

function replayHere(
  { reactors }: OpenRuntime,
  name: string,
  flags: { resend: boolean },
  start: LogStart | undefined,
): Promise<void> {
  return replayReactor(name, flags, {
    list: () => Promise.resolve(reactors.list()),
    rehearse: () => reactors.rehearse(name, start),
    resend: () => reactors.resend(name, start),
  });
}

async function dropTables({ projections }: OpenRuntime, registry: Registry, name: string): Promise<void> {
  if (registry.projections.has(name)) throw new ScriptError(`Cannot drop ${name}: it is among the modules`);
  if (!await projections.drop(name)) throw new ScriptError(`Cannot drop ${name}: it has no tables`);
  console.log(`Dropped the tables of ${name}.`);
}
