/**
 * Prints the log, or the events of one actor: a table, or a JSON object a line. Only reads: a server may run
 * on the same folder.
 *
 * @module
 */
import { parseToken, type Positions } from "../src/core/token.ts";
import { eventView } from "../src/http/views.ts";
import { type EventFilter, readEvents, readPositions } from "./support/event_log.ts";
import { EventTable } from "./support/event_table.ts";
import { countFlag, runScript, UsageError } from "./support/script.ts";
import { defaultData, openStoreFolder, type StoreFolder } from "./support/store_folder.ts";

const usage =
  `Usage: deno task events [ACTOR] [--type T] [--after TOKEN] [--limit N] [--follow] [--data FOLDER] [--json]

  ACTOR      type/key: only its events
  --type     only events of this type
  --after    only what comes after a consistency token: a Folio-Position, a token of --json, or a POSITION of
             the table, which names one shard and leaves the others at their beginning
  --limit    at most so many
  --follow   goes on with what is recorded from now on, until Ctrl+C
  --data     the folder (FOLIO_DATA, or ./data)
  --json     a line of JSON an event, as GET /events shows it; nothing is shortened

Only reads; a server may run on the folder. Payloads are shown as they were recorded, shortened to the width
of the terminal. Events of several shards are merged by time.

  deno task events
  deno task events account/alice --limit 20
  deno task events --type Withdrawn --json
  deno task events --after 0.1042 --follow`;

/** Between two looks at what others have written, in milliseconds. */
const FOLLOW_DELAY_MS = 250;

await runScript({
  usage,
  options: {
    type: { type: "string" },
    after: { type: "string", default: "" },
    limit: { type: "string" },
    follow: { type: "boolean", default: false },
    data: { type: "string", default: defaultData() },
    json: { type: "boolean", default: false },
  },
}, async (flags, words) => {
  const [actor, ...others] = words;
  if (others.length > 0) throw new UsageError("Cannot list events: name one actor at the most");
  if (actor !== undefined && !actor.includes("/")) {
    throw new UsageError(`Cannot list events of ${actor}: an actor is type/key`);
  }
  const limit = countFlag("limit", flags.limit) ?? Infinity;
  const folder = await openStoreFolder(flags.data);
  try {
    const table = flags.json ? undefined : new EventTable(lineCharsMax());
    const after = parseToken(flags.after, folder.shards.length);
    if (table) console.log(table.heading());
    await print(folder, { filter: { actor, type: flags.type }, after, limit, follow: flags.follow, table });
  } finally {
    await folder.close();
  }
});

interface Printing {
  readonly filter: EventFilter;
  readonly after: Positions;
  readonly limit: number;
  readonly follow: boolean;
  /** None for JSON. */
  readonly table: EventTable | undefined;
}

async function print(folder: StoreFolder, { filter, after, limit, follow, table }: Printing): Promise<void> {
  const reached = new Map(after);
  let printed = 0;
  while (true) {
    const upTo = await readPositions(folder);
    for await (const event of readEvents(folder, filter, reached, upTo)) {
      console.log(table ? table.row(event) : JSON.stringify(eventView(event)));
      if (++printed < limit) continue;
      if (table) console.error(`Go on with --after ${event.token}`);
      return;
    }
    if (!follow) return;
    for (const [shard, position] of upTo) reached.set(shard, Math.max(reached.get(shard) ?? 0, position));
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_DELAY_MS));
  }
}

/** Characters of a line: all there are where the output is no terminal. */
function lineCharsMax(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : Infinity;
}
