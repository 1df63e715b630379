import { Command } from "@commander-js/extra-typings";
import { formatToken } from "../../src/core/token.ts";
import type { ProjectionStatus } from "../../src/runtime/read_models.ts";
import type { Database } from "../../src/store/database.ts";
import { readCheckpoints, readGenerations, readProjections } from "../../src/store/read_store.ts";
import { readPositions } from "../support/event_log.ts";
import { openToRead, withStoreFolder } from "../support/store_folder.ts";
import { type Column, printList } from "../support/table.ts";
import type { Terminal } from "../support/terminal.ts";
import { dataOf, dataOption, jsonOption, serverOf, urlOption } from "./options.ts";
import { examples } from "./wording.ts";

/** A projection as a folder tells of it, or a server, which knows more. */
type ShownProjection =
  & Pick<ProjectionStatus, "name" | "servedVersion" | "token" | "lagEvents">
  & Partial<Pick<ProjectionStatus, "version" | "status" | "build" | "failure">>;

const columns: readonly Column<ShownProjection>[] = [
  ["PROJECTION", 12, ({ name }) => name],
  ["VERSION", 7, ({ servedVersion }) => servedVersion],
  ["STATUS", 6, (projection) => statusOf(projection)],
  ["LAG", 8, ({ lagEvents }) => lagEvents],
  ["UP TO", 5, ({ token }) => token || "nothing yet"],
];

/** Lists read models, and how far behind the log they are. */
export function projections(terminal: Terminal) {
  const list = new Command("list")
    .description(
      "Lists read models, and how many events each is behind. Whether one has failed, only its server knows. " +
        "`replay` builds one anew.",
    )
    .addOption(dataOption())
    .addOption(urlOption())
    .addOption(jsonOption("a line of JSON each; of a server, as GET /projections shows them"))
    .addHelpText("after", examples("projections", "projections list --url http://127.0.0.1:8000 --json"))
    .action(async (flags) => {
      const server = serverOf(flags, terminal);
      const found = server
        ? (await server.get<{ projections: ShownProjection[] }>("/projections")).projections
        : await inFolder(dataOf(flags, terminal));
      await printList(terminal, found, { isJson: flags.json, columns, none: "There are no projections." });
    });
  return new Command("projections")
    .description("Read models, and how far behind the log they are.")
    .addCommand(list, { isDefault: true })
    .addHelpText("after", examples("projections", "projections --url http://127.0.0.1:8000 --json"));
}

function statusOf({ status, build, failure }: ShownProjection): string | undefined {
  if (failure) return `failed at ${failure.event.shard}.${failure.event.position}`;
  return build ? `${status}, building ${build.eventsDone} of ${build.eventsTotal}` : status;
}

function inFolder(data: string): Promise<ShownProjection[]> {
  return withStoreFolder(data, async (folder) => {
    const positions = await readPositions(folder);
    const isThere = await Deno.stat(`${data}/read.db`).then((info) => info.isFile, () => false);
    // It may be deleted at any time, and is made again by the server.
    if (!isThere) return [];
    const database = await openToRead(`${data}/read.db`);
    try {
      const names = await readProjections(database);
      const found = await Promise.all(names.map((name) => readStored(database, name, positions)));
      return found.filter((each) => each !== undefined);
    } finally {
      await database.close();
    }
  });
}

async function readStored(
  database: Database,
  name: string,
  positions: ReadonlyMap<number, number>,
): Promise<ShownProjection | undefined> {
  const generation = (await readGenerations(database, name)).find(({ isServing }) => isServing);
  if (!generation) return undefined;
  const reached = await readCheckpoints(database, name, generation.generation);
  let lagEvents = 0;
  for (const [shard, position] of positions) lagEvents += Math.max(0, position - (reached.get(shard) ?? 0));
  return { name, servedVersion: generation.version, token: formatToken(reached), lagEvents };
}
