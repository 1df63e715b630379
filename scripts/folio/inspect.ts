import { Command, Option } from "@commander-js/extra-typings";
import { parseActorName } from "../../src/core/message.ts";
import { shardOf } from "../../src/core/shard_of.ts";
import { actorPath } from "../../src/client/reads.ts";
import type { EventPage } from "../../src/client/types.ts";
import { ScriptError, UsageError } from "../support/errors.ts";
import { loadRegistry } from "../support/modules.ts";
import { foldPast } from "../support/past_state.ts";
import { pretty, printable } from "../support/printable.ts";
import type { Server } from "../support/server.ts";
import { openStoreFolder, type StoreFolder } from "../support/store_folder.ts";
import type { Terminal } from "../support/terminal.ts";
import {
  actorName,
  dataOf,
  dataOption,
  jsonOption,
  modulesOf,
  modulesOption,
  serverOf,
  time,
  urlOption,
  wholeFrom1,
} from "./options.ts";
import { examples } from "./wording.ts";

/** An actor as it was after one of its events. */
interface Past {
  readonly actor: string;
  readonly version: number;
  /** How many there are. */
  readonly versions: number;
  /** When that event was recorded. */
  readonly at: string;
  readonly state: unknown;
}

interface Moment {
  readonly version?: number | undefined;
  readonly at?: number | undefined;
}

/** Shows the state that an actor has, or had at any version or time. */
export function inspect(terminal: Terminal) {
  return new Command("inspect")
    .description(
      "Shows the state that an actor has, or had. Of a folder it is folded from the events alone, and a server " +
        "may run on it.",
    )
    .argument("<actor>", "actor: type/key", actorName)
    .addOption(new Option("--version <n>", "as it was after its Nth event").argParser(wholeFrom1))
    .addOption(new Option("--at <time>", "as it was at a time, with its zone").argParser(time))
    .addOption(dataOption())
    .addOption(urlOption())
    .addOption(modulesOption())
    .addOption(jsonOption("a line of JSON: actor, version, versions (how many there are), at, state"))
    .addHelpText(
      "after",
      examples(
        "inspect account/alice",
        "inspect account/alice --version 3 --url http://127.0.0.1:8000",
        "inspect account/alice --at 2026-01-31T12:00:00Z --json",
      ),
    )
    .action(async (actor, flags) => {
      if (flags.version !== undefined && flags.at !== undefined) {
        throw new UsageError("Cannot inspect: give --version or --at, not both");
      }
      const server = serverOf(flags, terminal);
      const past = server
        ? await fromServer(server, actor, flags)
        : await fromFolder(dataOf(flags, terminal), modulesOf(flags, terminal), actor, flags);
      if (flags.json) return terminal.print(JSON.stringify(past));
      const { version, versions, at, state } = past;
      terminal.print(printable(`${actor}  version ${version} of ${versions}, since ${at}`));
      terminal.print(pretty(state));
    });
}

async function fromServer(server: Server, actor: string, { version, at }: Moment): Promise<Past> {
  const path = actorPath(parseActorName(actor));
  const time = at === undefined ? undefined : new Date(at).toISOString();
  type State = Pick<Past, "version" | "state">;
  const past = await server.get<State>(path, { version, at: time });
  const { version: versions } = version === undefined && at === undefined
    ? past
    : await server.get<State>(path);
  const page = { after: past.version - 1, limit: 1 };
  const { events: [event] } = await server.get<EventPage>(`${path}/events`, page);
  if (!event) throw new ScriptError(`Cannot show ${actor}: its event ${past.version} is not there`);
  return { actor, version: past.version, versions, at: event.at, state: past.state };
}

async function fromFolder(data: string, modules: string, name: string, moment: Moment): Promise<Past> {
  const registry = await loadRegistry(modules);
  const { type, key } = parseActorName(name);
  const actor = registry.actor(type, key);
  const folder = await openStoreFolder(data);
  try {
    const shard = folder.shards[shardOf(name, folder.shards.length)];
    if (!shard) throw new RangeError("Store has no shards");
    const past = await foldPast(shard, actor, name, moment);
    const versions = await countVersions(shard, name);
    if (!past || (moment.version !== undefined && past.version !== moment.version)) {
      throw new ScriptError(whyNothing(name, versions, moment));
    }
    const { version, at, state } = past;
    return { actor: name, version, versions, at: new Date(at).toISOString(), state };
  } finally {
    await folder.close();
  }
}

async function countVersions(shard: StoreFolder["shards"][number], actor: string): Promise<number> {
  const [row] = await shard.database.execute({
    sql: `SELECT coalesce(max(version), 0) FROM events WHERE actor = ?`,
    args: [actor],
  });
  return Number(row?.[0]);
}

function whyNothing(actor: string, versions: number, { version, at }: Moment): string {
  if (versions === 0) return `Cannot show ${actor}: it has no events`;
  if (version !== undefined) return `Cannot show ${actor} at version ${version}: it has got to ${versions}`;
  return `Cannot show ${actor} at ${new Date(at ?? 0).toISOString()}: it had no events then`;
}
