/**
 * Replays the logs into a projection: builds its tables anew beside those that serve, or compares the two, or
 * drops the tables of a projection that is not among the modules any more.
 *
 * @module
 */
import { createRuntime } from "../src/create_runtime.ts";
import { parseLogStart } from "../src/http/request.ts";
import type {
  EventPlace,
  ProjectionCheck,
  ProjectionStatus,
  RowDifference,
} from "../src/runtime/read_models.ts";
import { defaultModules, loadRegistry } from "./support/modules.ts";
import { ProgressBar } from "./support/progress_bar.ts";
import { printable, runScript, ScriptError, UsageError } from "./support/script.ts";
import { defaultData, readIdentity } from "./support/store_folder.ts";

const usage =
  `Usage: deno task replay --projection NAME [--check | --from PLACE] [--url URL | --data FOLDER] [--modules FILE]
       deno task replay --drop NAME [--data FOLDER] [--modules FILE]

  --projection  builds its tables anew from the first event on, beside those that serve, which they replace
  --from        begins at a time (2026-01-31T12:00:00Z) or after a consistency token, where the projection
                says with \`partialRebuild\` what becomes of earlier rows
  --check       compares what a replay gives with what serves instead, and leaves that as it is
  --drop        drops the tables of a projection that is not among the modules
  --url         asks the server there, which goes on serving; it is sent FOLIO_TOKEN, where that is set
  --data        opens the folder itself, which no server may hold (FOLIO_DATA, or ./data). What waits in
                mailboxes is handled meanwhile; reactors stand still
  --modules     what the folder is run with (FOLIO_MODULES, or ./actors/mod.ts)

Exit code 0: built, dropped, or equal; 1: it failed, or rows differ; 2: the command line is at fault.

  deno task replay --projection balances --url http://127.0.0.1:8000
  deno task replay --projection balances --check`;

/** Between two looks at how far it has come, in milliseconds. */
const POLL_DELAY_MS = 200;

/** What replays: this process or a server. */
interface Replayer {
  status(): Promise<ProjectionStatus>;
  rebuild(from: string | undefined): Promise<void>;
  check(): Promise<ProjectionCheck>;
}

await runScript({
  usage,
  options: {
    projection: { type: "string" },
    check: { type: "boolean", default: false },
    from: { type: "string" },
    drop: { type: "string" },
    url: { type: "string" },
    data: { type: "string" },
    modules: { type: "string" },
  },
}, async (flags, words) => {
  if (words.length > 0) throw new UsageError(`Cannot replay: nothing is known of "${words[0]}"`);
  if ((flags.projection === undefined) === (flags.drop === undefined)) {
    throw new UsageError("Cannot replay: name one projection, with --projection or --drop");
  }
  if (flags.url !== undefined && (flags.data ?? flags.modules ?? flags.drop) !== undefined) {
    throw new UsageError("Cannot replay: --url excludes --data, --modules and --drop");
  }
  if (flags.check && flags.drop !== undefined) throw new UsageError("Cannot replay: --drop excludes --check");
  const name = flags.projection ?? flags.drop ?? "";
  if (flags.from !== undefined && (flags.check || flags.drop !== undefined)) {
    throw new UsageError("Cannot replay: --from excludes --check and --drop");
  }
  if (flags.url !== undefined) return await replay(name, flags, replayerAt(flags.url, name));
  const data = flags.data ?? defaultData();
  const { shards } = await readIdentity(data, 0);
  const registry = await loadRegistry(flags.modules ?? defaultModules());
  // What reactors would send has been sent, or will be by the server.
  const modules = [...registry.actors.values(), ...registry.projections.values()];
  await using runtime = await createRuntime({ modules, data, shards });
  const { projections } = runtime;
  if (flags.drop === undefined) {
    return await replay(name, flags, {
      status: () => Promise.resolve(statusOf(projections.list(), name)),
      rebuild: async (from) => {
        await projections.rebuild(name, from === undefined ? undefined : parseLogStart(from, shards));
      },
      check: () => projections.check(name),
    });
  }
  if (registry.projections.has(name)) throw new ScriptError(`Cannot drop ${name}: it is among the modules`);
  if (!await projections.drop(name)) throw new ScriptError(`Cannot drop ${name}: it has no tables`);
  console.log(`Dropped the tables of ${name}.`);
});

async function replay(
  name: string,
  options: { check: boolean; from?: string | undefined },
  replayer: Replayer,
): Promise<void> {
  await replayer.status();
  using bar = new ProgressBar(options.check ? "Comparing" : "Building");
  if (options.check) {
    const check = replayer.check();
    await Promise.race([check, follow(replayer, bar, check)]);
    return report(name, await check, bar);
  }
  await replayer.rebuild(options.from);
  const { build, servedVersion, token } = await follow(replayer, bar);
  if (build?.failure) {
    bar.stop();
    const { error, event } = build.failure;
    throw new ScriptError(
      `Cannot build ${name}: ${printable(error)}, at ${placeOf(event)}. What served still does.`,
    );
  }
  bar.finish();
  console.log(`Built ${name}, version ${servedVersion}, as of ${token || "an empty log"}.`);
}

/** Shows how far a build has come until it has ended. @param until Ends it too. */
async function follow(
  replayer: Replayer,
  bar: ProgressBar,
  until?: Promise<unknown>,
): Promise<ProjectionStatus> {
  let isOver = false;
  const over = until?.catch(() => {}).then(() => isOver = true);
  while (true) {
    const status = await replayer.status();
    const { build } = status;
    if (build) bar.update(build.eventsDone, build.eventsTotal);
    if (isOver || (!until && (!build || build.failure))) return status;
    await Promise.race([new Promise((resolve) => setTimeout(resolve, POLL_DELAY_MS)), ...over ? [over] : []]);
  }
}

function report(name: string, check: ProjectionCheck, bar: ProgressBar): void {
  if (check.status === "equal" || check.status === "different") bar.finish();
  else bar.stop();
  const { status, token, rowsCompared, difference, failure } = check;
  if (status === "equal") {
    return console.log(
      `${name} is what a replay gives: ${rowsCompared} rows, as of ${token || "an empty log"}.`,
    );
  }
  if (status === "cancelled") throw new ScriptError(`The check of ${name} was given up`);
  if (failure) {
    const { error, event } = failure;
    throw new ScriptError(
      `${name} cannot be replayed: ${printable(error)}, at ${placeOf(event)}`,
    );
  }
  if (!difference) throw new ScriptError(`The check of ${name} says that it differs, and not where`);
  const show = (row: unknown) => (row === undefined ? "no such row" : printable(JSON.stringify(row)));
  throw new ScriptError(
    [
      `${name} has drifted, as of ${token}. The first row that differs is in ${difference.table}:`,
      `  key       ${show(difference.key)}`,
      `  served    ${show(difference.served)}`,
      `  replayed  ${show(difference.replayed)}`,
      `  event     ${partingOf(difference)}`,
    ].join("\n"),
  );
}

function partingOf({ key, partedAt, writtenBy }: RowDifference): string {
  if (partedAt) return `${placeOf(partedAt)}: before it, the replay gave the row as served`;
  if (writtenBy) return `${placeOf(writtenBy)}, made it as replayed; the replay never gave it as served`;
  const isTable = Object.keys(key).length === 0;
  return isTable ? "none: the table has other columns" : "none that has to do with this row";
}

function placeOf({ type, actor, version, shard, position }: EventPlace): string {
  return printable(`${type} of ${actor}, version ${version}, at ${shard}.${position}`);
}

function statusOf(list: readonly ProjectionStatus[], name: string): ProjectionStatus {
  const found = list.find((status) => status.name === name);
  if (found) return found;
  const names = list.map((status) => status.name).join(", ") || "none";
  throw new ScriptError(`Cannot replay ${name}: there is no such projection, only ${names}`);
}

/** @throws {UsageError} When the URL is none. */
function replayerAt(url: string, name: string): Replayer {
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new UsageError(`Cannot use --url ${url}: it is no URL`);
  }
  const token = Deno.env.get("FOLIO_TOKEN");
  const call = async <T>(method: string, path: string): Promise<T> => {
    const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
    let response: Response;
    try {
      response = await fetch(`${url.replace(/\/+$/, "")}${path}`, { method, headers });
    } catch (error) {
      throw new ScriptError(`Cannot reach ${url}: ${error instanceof Error ? error.message : error}`);
    }
    const body = await response.json().catch(() => undefined);
    if (response.ok && body !== undefined) return body as T;
    const reason = body?.detail ?? "it is no answer of Folio";
    throw new ScriptError(`Cannot ${method} ${path}: ${response.status}, ${printable(String(reason))}`);
  };
  const path = `/projections/${encodeURIComponent(name)}/rebuild`;
  return {
    async status() {
      const { projections } = await call<{ projections: ProjectionStatus[] }>("GET", "/projections");
      return statusOf(projections, name);
    },
    async rebuild(from) {
      await call("POST", from === undefined ? path : `${path}?from=${encodeURIComponent(from)}`);
    },
    check: () => call<ProjectionCheck>("POST", `${path}?check=true`),
  };
}
