import { Command } from "@commander-js/extra-typings";
import { createRuntime, type OpenRuntime } from "../../src/create_runtime.ts";
import { parseLogStart } from "../../src/http/request.ts";
import type { AnyModule, Registry } from "../../src/runtime/registry.ts";
import { projectionAt, type ProjectionReplayer, replayProjection, statusOf } from "../replay/projection.ts";
import { reactorAt, type ReactorReplayer, replayReactor } from "../replay/reactor.ts";
import { ScriptError, UsageError } from "../support/errors.ts";
import { loadRegistry } from "../support/modules.ts";
import { readIdentity } from "../support/store_folder.ts";
import type { Output, Terminal } from "../support/terminal.ts";
import { dataOf, dataOption, jsonOption, modulesOf, modulesOption, serverOf, urlOption } from "./options.ts";
import { examples } from "./wording.ts";

const about =
  `Replays the logs, on a folder or on a server that goes on serving: builds a projection's tables anew
(--projection), proves that they have not drifted (--check), drops the tables of one that is not among the modules
(--drop), and tells what a reactor would send (--reactor), or lets it send that again (--resend).

A folder is opened to be written, so no server may hold it. What waits in mailboxes is handled meanwhile;
activities, schedules and other reactors stand still. Exit code 1 when it failed, or rows differ.`;

/** What is to be replayed, and how. */
interface Flags {
  readonly projection?: string | undefined;
  readonly check?: true | undefined;
  readonly reactor?: string | undefined;
  readonly resend?: true | undefined;
  readonly drop?: string | undefined;
  readonly from?: string | undefined;
}

/** Builds a projection anew or proves that it has not drifted; says what a reactor would send, or lets it. */
export function replay(terminal: Terminal) {
  return new Command("replay")
    .description(about)
    .option("--projection <name>", "builds its tables anew beside those that serve, which they replace")
    .option("--check", "compares what a replay gives with what serves instead, and leaves that as it is")
    .option(
      "--reactor <name>",
      "tells what it would send about the events that it has seen, and sends nothing",
    )
    .option("--resend", "sends it again, in messages of other ids than the first time")
    .option("--drop <name>", "drops the tables of a projection that is not among the modules")
    .option(
      "--from <place>",
      "begins at a time (2026-01-31T12:00:00Z) or after a consistency token; a projection must say with " +
        "`partialRebuild` what becomes of earlier rows",
    )
    .addOption(dataOption())
    .addOption(urlOption())
    .addOption(modulesOption())
    .addOption(jsonOption("a line of JSON: what was built, found or sent"))
    .addHelpText(
      "after",
      examples(
        "replay --projection balances --url http://127.0.0.1:8000",
        "replay --projection balances --check",
        "replay --reactor welcome --from 2026-01-31T12:00:00Z",
      ),
    )
    .action(async (flags) => {
      const name = nameOf(flags);
      const output = { terminal, isJson: flags.json };
      const server = serverOf(flags, terminal);
      if (!server) {
        return await replayFolder(name, flags, dataOf(flags, terminal), modulesOf(flags, terminal), output);
      }
      if (flags.drop !== undefined) {
        throw new UsageError("Cannot drop at a server: name a folder that no server holds");
      }
      await replayWith(name, flags, {
        projection: () => projectionAt(server, name),
        reactor: () => reactorAt(server, name),
      }, output);
    });
}

/** The one thing that is to be replayed. @throws {UsageError} */
function nameOf({ projection, check, reactor, resend, drop, from }: Flags): string {
  const [name, another] = [projection, reactor, drop].filter((each) => each !== undefined);
  if (name === undefined || another !== undefined) {
    throw new UsageError("Cannot replay: name one thing, with --projection, --reactor or --drop");
  }
  if (check && projection === undefined) throw new UsageError("Cannot check but a --projection");
  if (resend && reactor === undefined) throw new UsageError("Cannot resend but a --reactor");
  if (from !== undefined && (check || drop !== undefined)) {
    throw new UsageError("Cannot replay: --from excludes --check and --drop");
  }
  return name;
}

function replayWith(
  name: string,
  flags: Flags,
  replayers: { projection: () => ProjectionReplayer; reactor: () => ReactorReplayer },
  output: Output,
): Promise<void> {
  return flags.reactor === undefined
    ? replayProjection(name, flags, replayers.projection(), output)
    : replayReactor(name, flags, replayers.reactor(), output);
}

async function replayFolder(
  name: string,
  flags: Flags,
  data: string,
  modulesFile: string,
  output: Output,
): Promise<void> {
  const { shards } = await readIdentity(data, 0);
  const registry = await loadRegistry(modulesFile);
  const start = flags.from === undefined ? undefined : parseLogStart(flags.from, shards);
  const modules = modulesFor(registry, flags.reactor);
  await using runtime = await createRuntime({ modules, data, shards, performs: false }).catch(toldWhereElse);
  if (flags.drop !== undefined) return await dropTables(runtime, registry, name, output);
  const { projections, reactors } = runtime;
  await replayWith(name, flags, {
    projection: () => ({
      status: () => Promise.resolve(statusOf(projections.list(), name)),
      rebuild: async () => void await projections.rebuild(name, start),
      check: () => projections.check(name),
    }),
    reactor: () => ({
      list: () => Promise.resolve(reactors.list()),
      rehearse: () => reactors.rehearse(name, start),
      resend: () => reactors.resend(name, start),
    }),
  }, output);
}

/** A folder that is held is replayed by who holds it. */
function toldWhereElse(error: unknown): never {
  if (error instanceof Error && error.message.includes("it is held by")) {
    throw new ScriptError(`${error.message}; let the server there replay, with --url`, { cause: error });
  }
  throw error;
}

/** All that turns need, and what is to be replayed. What other reactors would send is left to the server. */
function modulesFor({ given }: Registry, reactor: string | undefined): AnyModule[] {
  return given.filter(({ kind, name }) =>
    kind === "projection" ? reactor === undefined : kind === "reactor" ? name === reactor : true
  );
}

async function dropTables(
  { projections }: OpenRuntime,
  registry: Registry,
  name: string,
  { terminal, isJson }: Output,
): Promise<void> {
  if (registry.projections.has(name)) throw new ScriptError(`Cannot drop ${name}: it is among the modules`);
  if (!await projections.drop(name)) throw new ScriptError(`Cannot drop ${name}: it has no tables`);
  terminal.print(isJson ? JSON.stringify({ dropped: name }) : `Dropped the tables of ${name}.`);
}
