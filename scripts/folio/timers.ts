import { Command } from "@commander-js/extra-typings";
import { timerView } from "../../src/http/views.ts";
import { defaultLimits } from "../../src/config.ts";
import { readComingUp } from "../../src/runtime/coming_up.ts";
import type { Server } from "../support/server.ts";
import { storedShards, withStoreFolder } from "../support/store_folder.ts";
import { type Column, printList } from "../support/table.ts";
import type { Terminal } from "../support/terminal.ts";
import { dataOf, dataOption, jsonOption, limitOption, serverOf, urlOption } from "./options.ts";
import { examples } from "./wording.ts";

/** What will be delivered, as JSON has it. */
type ShownTimer = ReturnType<typeof timerView>;

/** What a server gives at the most. */
const TIMERS_MAX = 1_000;

const columns: readonly Column<ShownTimer>[] = [
  ["DUE", 24, ({ dueAt }) => dueAt],
  ["OF", 16, ({ actor }) => actor],
  ["NAME", 8, ({ name, messageId }) => name ?? `message ${messageId}`],
  ["SENDS", 5, ({ sends }) => `${sends.actor} ${sends.command}`],
];

/** Lists what will be delivered later: timers, schedules' next times, messages with a delay. */
export function timers(terminal: Terminal) {
  const list = new Command("list")
    .description(
      "Lists timers and delayed messages, soonest first; the next time of each schedule is one, too.",
    )
    .option("--actor <actor>", "only those of this actor, type/key")
    .addOption(limitOption().default(TIMERS_MAX))
    .addOption(dataOption())
    .addOption(urlOption())
    .addOption(jsonOption("a line of JSON each, as GET /timers shows them"))
    .addHelpText("after", examples("timers", "timers list --actor cart/demo --url http://127.0.0.1:8000"))
    .action(async (flags) => {
      const { actor, limit } = flags;
      const server = serverOf(flags, terminal);
      const { found, hasMore } = server
        ? await atServer(server, { actor, limit })
        : await inFolder(dataOf(flags, terminal), { actor, limit });
      await printList(terminal, found, {
        isJson: flags.json,
        columns,
        none: "Nothing is to be delivered later.",
      });
      if (hasMore && !flags.json) terminal.note(`There are more than these ${found.length}.`);
    });
  return new Command("timers")
    .description("What will be delivered, and when.")
    .addCommand(list, { isDefault: true })
    .addHelpText("after", examples("timers", "timers --actor cart/demo"));
}

interface Wanted {
  readonly actor: string | undefined;
  readonly limit: number;
}

async function atServer(server: Server, wanted: Wanted) {
  const query = { ...wanted, limit: Math.min(wanted.limit, TIMERS_MAX) };
  const { timers, hasMore } = await server.get<{ timers: ShownTimer[]; hasMore: boolean }>("/timers", query);
  return { found: timers, hasMore };
}

function inFolder(data: string, { actor, limit }: Wanted) {
  return withStoreFolder(data, async (folder) => {
    const page = { actor, limit: limit + 1, now: Date.now() };
    const found = await readComingUp(storedShards(folder), { ...page, bytesMax: defaultLimits.pageBytesMax });
    return { found: found.slice(0, limit).map(timerView), hasMore: found.length > limit };
  });
}
