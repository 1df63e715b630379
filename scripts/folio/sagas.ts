import { Command, Option } from "@commander-js/extra-typings";
import { FolioError } from "../../src/core/errors.ts";
import { listSagas, sagaStatusNames } from "../../src/http/saga_list.ts";
import type { Registry } from "../../src/runtime/registry.ts";
import { readInstances, type SagaSummary } from "../../src/runtime/sagas.ts";
import { ScriptError, UsageError } from "../support/errors.ts";
import { loadRegistry } from "../support/modules.ts";
import { printable } from "../support/printable.ts";
import { ProgressBar } from "../support/progress_bar.ts";
import { misfitOf, runningInstances } from "../support/saga_check.ts";
import { openStoreFolder, storedShards, type StoreFolder, withStoreFolder } from "../support/store_folder.ts";
import { type Column, printList } from "../support/table.ts";
import type { Terminal } from "../support/terminal.ts";
import {
  dataOf,
  dataOption,
  jsonOption,
  limitOption,
  modulesOf,
  modulesOption,
  noUrlOption,
  serverOf,
  urlOption,
} from "./options.ts";
import { examples } from "./wording.ts";

const INSTANCES_PER_PAGE = 1_000;

const columns: readonly Column<SagaSummary>[] = [
  ["SAGA", 12, ({ saga }) => saga],
  ["STATUS", 12, ({ status }) => status],
  ["VERSION", 7, ({ version }) => version],
  ["ID", 2, ({ id }) => id],
];

/** Which instances, a page of them. */
interface PageQuery {
  readonly name: string | undefined;
  readonly status: SagaSummary["status"] | undefined;
  readonly after: string | undefined;
  readonly limit: number;
}

type ReadPage = (query: PageQuery) => Promise<{ sagas: SagaSummary[]; next?: string }>;

/** Instances of sagas: list them, and check them against other code. */
export function sagas(terminal: Terminal) {
  return new Command("sagas")
    .description("Instances of sagas.")
    .addCommand(list(terminal))
    .addCommand(check(terminal))
    .addHelpText("after", examples("sagas list --status stuck", "sagas check --modules ./next/mod.ts"));
}

function list(terminal: Terminal) {
  return new Command("list")
    .description(
      "Lists instances, saga by saga. `inspect booking/b1` and `events booking/b1` tell more of one.",
    )
    .argument("[saga]", "saga: only its instances")
    .addOption(new Option("--status <status>", "only those that are so").choices(sagaStatusNames))
    .addOption(limitOption())
    .addOption(dataOption())
    .addOption(urlOption())
    .addOption(modulesOption())
    .addOption(jsonOption("a line of JSON each: saga, id, status, version"))
    .addHelpText(
      "after",
      examples("sagas list", "sagas list booking --status stuck --url http://127.0.0.1:8000"),
    )
    .action(async (name, flags) => {
      const { status, limit = Infinity } = flags;
      const listing = { isJson: flags.json, columns, none: "There are no such instances." };
      const print = (read: ReadPage) =>
        printList(terminal, pages(read, { name, status, after: undefined, limit }), listing);
      const server = serverOf(flags, terminal);
      if (server) return await print((query) => server.get("/sagas", { ...query }));
      const registry = await loadRegistry(modulesOf(flags, terminal));
      await withStoreFolder(dataOf(flags, terminal), (folder) => print(pageIn(folder, registry)));
    });
}

function check(terminal: Terminal) {
  return new Command("check")
    .description(
      "Replays all running instances against the code of the modules, before a deploy. Exit code 1 when the code " +
        "does not do what some of them have recorded: those would stop. Only reads; a server may run on the folder.",
    )
    .argument("[saga...]", "sagas: only their instances")
    .addOption(dataOption())
    .addOption(noUrlOption("the code is here, so name a folder with --data; a server may run on it"))
    .addOption(modulesOption())
    .addOption(jsonOption("a line of JSON for each instance that does not fit: actor, error"))
    .addHelpText("after", examples("sagas check", "sagas check booking --modules ./next/mod.ts"))
    .action(async (names, flags) => {
      const registry = await loadRegistry(modulesOf(flags, terminal));
      for (const name of names) {
        if (!registry.sagas.has(name)) throw new UsageError(`Cannot check ${name}: no such saga`);
      }
      const all = [...registry.sagas.values()];
      const wanted = all.filter(({ name }) => names.length === 0 || names.includes(name));
      const folder = await openStoreFolder(dataOf(flags, terminal));
      using bar = new ProgressBar(terminal, "Replaying", "instances");
      let misfits = 0;
      try {
        const instances = await runningInstances(wanted, folder);
        for (const [done, instance] of instances.entries()) {
          bar.update(done, instances.length);
          const error = await misfitOf(instance);
          if (error === undefined) continue;
          misfits++;
          bar.print(flags.json ? JSON.stringify({ actor: instance.actor, error }) : printable(error));
        }
        bar.finish();
        if (misfits > 0) {
          throw new ScriptError(`${misfits} of ${instances.length} running instances do not fit the code`);
        }
        if (!flags.json) terminal.print(`${instances.length} running instances fit the code`);
      } finally {
        await folder.close();
      }
    });
}

async function* pages(read: ReadPage, query: PageQuery): AsyncGenerator<SagaSummary> {
  let { after, limit: left } = query;
  do {
    const page = await read({ ...query, after, limit: Math.min(left, INSTANCES_PER_PAGE) });
    yield* page.sagas;
    left -= page.sagas.length;
    after = page.next;
  } while (after !== undefined && left > 0);
}

function pageIn(folder: StoreFolder, { sagas }: Registry): ReadPage {
  const definition = (name: string) => {
    const saga = sagas.get(name);
    if (saga) return saga;
    throw new FolioError("unknown-saga", `There is no saga "${name}"`, { saga: name });
  };
  const shards = storedShards(folder);
  const list = (saga: string, page: Parameters<typeof readInstances>[2]) => readInstances(shards, saga, page);
  return (query) => listSagas({ registry: { sagas }, sagas: { definition, list } }, query);
}
