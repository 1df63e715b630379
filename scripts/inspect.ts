/**
 * Shows the state that an actor has, or had at any version or time, from its events alone. Only reads: a
 * server may run on the same folder.
 *
 * @module
 */
import { parseActorName } from "../src/core/message.ts";
import { shardOf } from "../src/core/shard_of.ts";
import { parseTime } from "../src/http/request.ts";
import { defaultModules, loadRegistry } from "./support/modules.ts";
import { foldPast, type PastState } from "./support/past_state.ts";
import { countFlag, printable, runScript, ScriptError, UsageError } from "./support/script.ts";
import { defaultData, openStoreFolder, type StoreFolder } from "./support/store_folder.ts";

const usage =
  `Usage: deno task inspect ACTOR [--version N | --at TIME] [--data FOLDER] [--modules FILE] [--json]

  ACTOR       type/key
  --version   as it was after its Nth event
  --at        as it was at a time, with its zone
  --data      the folder (FOLIO_DATA, or ./data)
  --modules   whose default export lists the modules (FOLIO_MODULES, or ./actors/mod.ts)
  --json      one line of JSON: actor, version, versions (how many there are), at, state

Only reads, from the events alone; a server may run on the folder.

  deno task inspect account/alice
  deno task inspect account/alice --version 3
  deno task inspect account/alice --at 2026-01-31T12:00:00Z --json`;

await runScript({
  usage,
  options: {
    version: { type: "string" },
    at: { type: "string" },
    data: { type: "string", default: defaultData() },
    modules: { type: "string", default: defaultModules() },
    json: { type: "boolean", default: false },
  },
}, async (flags, words) => {
  const [name, ...others] = words;
  if (name === undefined || others.length > 0) {
    throw new UsageError("Cannot inspect: name one actor, type/key");
  }
  if (!name.includes("/")) throw new UsageError(`Cannot inspect ${name}: an actor is type/key`);
  if (flags.version !== undefined && flags.at !== undefined) {
    throw new UsageError("Cannot inspect: give --version or --at, not both");
  }
  const version = countFlag("version", flags.version);
  const at = flags.at === undefined ? undefined : parseTime(flags.at);
  if (flags.at !== undefined && at === undefined) {
    throw new UsageError(
      `Cannot use --at ${flags.at}: it must be a time with its zone, 2026-01-31T12:00:00Z`,
    );
  }

  const registry = await loadRegistry(flags.modules);
  const { type, key } = parseActorName(name);
  const actor = registry.actor(type, key);
  const folder = await openStoreFolder(flags.data);
  try {
    const shard = folder.shards[shardOf(name, folder.shards.length)];
    if (!shard) throw new RangeError("Store has no shards");
    const past = await foldPast(shard, actor, name, { version, at });
    const versions = await countVersions(shard, name);
    if (!past || (version !== undefined && past.version !== version)) {
      throw new ScriptError(whyNothing(name, versions, flags));
    }
    show(name, past, versions, flags.json);
  } finally {
    await folder.close();
  }
});

async function countVersions(shard: StoreFolder["shards"][number], actor: string): Promise<number> {
  const [row] = await shard.database.execute({
    sql: `SELECT coalesce(max(version), 0) FROM events WHERE actor = ?`,
    args: [actor],
  });
  return Number(row?.[0]);
}

function whyNothing(
  actor: string,
  versions: number,
  flags: { readonly version?: string | undefined; readonly at?: string | undefined },
): string {
  if (versions === 0) return `Cannot show ${actor}: it has no events`;
  if (flags.version !== undefined) {
    return `Cannot show ${actor} at version ${flags.version}: it has got to ${versions}`;
  }
  return `Cannot show ${actor} at ${flags.at}: it had no events then`;
}

function show(actor: string, { state, version, at }: PastState, versions: number, isJson: boolean): void {
  const since = new Date(at).toISOString();
  if (isJson) return console.log(JSON.stringify({ actor, version, versions, at: since, state }));
  console.log(printable(`${actor}  version ${version} of ${versions}, since ${since}`));
  console.log(printable(JSON.stringify(state, null, 2) ?? String(state)));
}
