import { Command } from "@commander-js/extra-typings";
import { scheduleView } from "../../src/http/views.ts";
import { shardOf } from "../../src/core/shard_of.ts";
import { SCHEDULE_TYPE } from "../../src/runtime/schedule_actor.ts";
import { scheduleStatus } from "../../src/runtime/schedules.ts";
import { loadRegistry } from "../support/modules.ts";
import { foldPast } from "../support/past_state.ts";
import { Server } from "../support/server.ts";
import { withStoreFolder } from "../support/store_folder.ts";
import { type Column, printList } from "../support/table.ts";
import type { Terminal } from "../support/terminal.ts";
import {
  dataOf,
  dataOption,
  jsonOption,
  modulesOf,
  modulesOption,
  noDataOption,
  serverOf,
  serverOption,
  urlOption,
} from "./options.ts";
import { examples } from "./wording.ts";

/** A schedule, as JSON has it. */
type ShownSchedule = ReturnType<typeof scheduleView>;

const columns: readonly Column<ShownSchedule>[] = [
  ["SCHEDULE", 12, ({ name }) => name],
  ["CRON", 12, ({ cron, timeZone }) => `${cron} ${timeZone}`],
  ["FIRED", 5, ({ fired }) => fired],
  ["MISSED", 6, ({ missed }) => missed],
  ["LAST", 24, ({ firedAt }) => firedAt],
  ["NEXT", 24, ({ isPaused, next }) => (isPaused ? "paused" : next[0])],
  ["SENDS", 5, ({ sends }) => `${sends.actor} ${sends.command}`],
];

/** Schedules: list them, and hold them. */
export function schedules(terminal: Terminal) {
  return new Command("schedules")
    .description("What recurs. To list works on a folder, too; a running server pauses and resumes.")
    .addCommand(list(terminal))
    .addCommand(tell("pause", "Lets nothing come of a schedule until it is resumed.", terminal))
    .addCommand(
      tell(
        "resume",
        "Lets a schedule go on from now: times that passed meanwhile are not made up for.",
        terminal,
      ),
    )
    .addHelpText("after", examples("schedules list", "schedules pause nightly --url http://127.0.0.1:8000"));
}

function list(terminal: Terminal) {
  return new Command("list")
    .description("Lists the modules' schedules, with the last and the next time of each.")
    .addOption(dataOption())
    .addOption(urlOption())
    .addOption(modulesOption())
    .addOption(jsonOption("a line of JSON each, with its next ten times, as GET /schedules shows them"))
    .addHelpText("after", examples("schedules list", "schedules list --url http://127.0.0.1:8000 --json"))
    .action(async (flags) => {
      const server = serverOf(flags, terminal);
      const found = server
        ? (await server.get<{ schedules: ShownSchedule[] }>("/schedules")).schedules
        : await inFolder(dataOf(flags, terminal), modulesOf(flags, terminal));
      await printList(terminal, found, {
        isJson: flags.json,
        columns,
        none: "The modules have no schedules.",
      });
    });
}

function tell(action: "pause" | "resume", description: string, terminal: Terminal) {
  return new Command(action)
    .description(description)
    .argument("<schedule>", "schedule: its name")
    .addOption(serverOption())
    .addOption(noDataOption())
    .addOption(jsonOption("a line of JSON, as GET /schedules/:name"))
    .addHelpText("after", examples(`schedules ${action} nightly`))
    .action(async (name, flags) => {
      const path = `/schedules/${encodeURIComponent(name)}/${action}`;
      const schedule = await new Server(flags.url, terminal).call<ShownSchedule>({ method: "POST", path });
      if (flags.json) return terminal.print(JSON.stringify(schedule));
      const [next] = schedule.next;
      terminal.print(
        schedule.isPaused ? `Paused ${name}.` : `${name} goes on${next ? `: next at ${next}` : ""}.`,
      );
    });
}

async function inFolder(data: string, modules: string): Promise<ShownSchedule[]> {
  const registry = await loadRegistry(modules);
  const actor = registry.actors.get(SCHEDULE_TYPE);
  if (!actor) return [];
  return await withStoreFolder(data, async ({ shards }) => {
    const found: ShownSchedule[] = [];
    for (const definition of registry.schedules.values()) {
      const name = `${SCHEDULE_TYPE}/${definition.name}`;
      const shard = shards[shardOf(name, shards.length)];
      const past = shard && await foldPast(shard, actor, name, {});
      found.push(scheduleView(scheduleStatus(definition, past?.state)));
    }
    return found;
  });
}
