import { Command, Option } from "@commander-js/extra-typings";
import { parseToken, type Positions } from "../../src/core/token.ts";
import { eventView } from "../../src/http/views.ts";
import { readEvents, readPositions } from "../support/event_log.ts";
import { EventTable, type ShownEvent } from "../support/event_table.ts";
import { readServerEvents } from "../support/server_events.ts";
import { openStoreFolder } from "../support/store_folder.ts";
import type { Terminal } from "../support/terminal.ts";
import { actorName, dataOf, dataOption, jsonOption, limitOption, serverOf, urlOption } from "./options.ts";
import { examples } from "./wording.ts";

/** Between two looks at what others have written, in milliseconds. */
const FOLLOW_DELAY_MS = 250;

const about =
  `Prints the log, or the events of one actor. Of a folder, payloads are shown as they were recorded, and a
server may run on it; a server shows them as its modules read them today. They are shortened to the width of the
terminal. Events of several shards are merged by time.`;

/** What is to be printed. */
export interface EventsQuery {
  /** Only of one actor, `type/key`. */
  readonly actor: string | undefined;
  /** Only of one event type. */
  readonly type: string | undefined;
  /** A consistency token: only what comes after it. */
  readonly after: string;
  readonly limit: number;
  /** Whether to go on with what is recorded from now on. */
  readonly follow: boolean;
}

/** Prints the log, or the events of one actor: a table, or a JSON object a line. */
export function events(terminal: Terminal) {
  return new Command("events")
    .description(about)
    .argument("[actor]", "actor: type/key, only its events", actorName)
    .option("--type <type>", "only events of this type")
    .addOption(
      new Option(
        "--after <token>",
        "only what comes after a consistency token: a Folio-Position, a token of --json, or a POSITION of the " +
          "table, which names one shard and leaves the others at their beginning",
      ).default("", "the beginning"),
    )
    .addOption(limitOption())
    .option("--follow", "goes on with what is recorded from now on, until Ctrl+C")
    .addOption(dataOption())
    .addOption(urlOption())
    .addOption(jsonOption("a line of JSON an event, as GET /events shows it; nothing is shortened"))
    .addHelpText(
      "after",
      examples(
        "events",
        "events account/alice --limit 20",
        "events --type Withdrawn --json",
        "events --after 0.1042 --follow --url http://127.0.0.1:8000",
      ),
    )
    .action(async (actor, flags) => {
      const { type, after, limit = Infinity, follow = false } = flags;
      const query = { actor, type, after, limit, follow };
      const server = serverOf(flags, terminal);
      const found = server ? readServerEvents(server, query) : readFolder(dataOf(flags, terminal), query);
      await print(found, query, { terminal, isJson: flags.json === true });
    });
}

async function print(
  found: AsyncIterable<ShownEvent>,
  { limit, follow }: EventsQuery,
  { terminal, isJson }: { terminal: Terminal; isJson: boolean },
): Promise<void> {
  const table = isJson ? undefined : new EventTable(terminal.columns ?? Infinity);
  let printed = 0;
  // The heading waits for the first event, unless that may take long: what cannot be read has none.
  const heading = () => table && terminal.print(table.heading());
  if (follow) heading();
  for await (const event of found) {
    if (printed === 0 && !follow) heading();
    terminal.print(table ? table.row(event) : JSON.stringify(event));
    if (++printed < limit) continue;
    if (table) terminal.note(`Go on with --after ${event.token}`);
    return;
  }
  if (printed === 0 && table) terminal.print("There are no such events.");
}

async function* readFolder(data: string, query: EventsQuery): AsyncGenerator<ShownEvent> {
  const folder = await openStoreFolder(data);
  try {
    const reached = new Map<number, number>(parseToken(query.after, folder.shards.length));
    while (true) {
      const upTo: Positions = await readPositions(folder);
      for await (const event of readEvents(folder, query, reached, upTo)) yield eventView(event);
      if (!query.follow) return;
      for (const [shard, position] of upTo) reached.set(shard, Math.max(reached.get(shard) ?? 0, position));
      await new Promise((resolve) => setTimeout(resolve, FOLLOW_DELAY_MS));
    }
  } finally {
    await folder.close();
  }
}
