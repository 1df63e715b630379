import { Command } from "@commander-js/extra-typings";
import { defaultLimits } from "../../src/config.ts";
import type { EventPage } from "../../src/client/types.ts";
import { eventFollowers, type TraceView, traceView } from "../../src/http/trace_view.ts";
import { readMessage } from "../../src/runtime/message_reader.ts";
import { readTrace } from "../../src/runtime/trace.ts";
import { readLog } from "../../src/store/events.ts";
import { ScriptError } from "../support/errors.ts";
import { loadRegistry } from "../support/modules.ts";
import type { Server } from "../support/server.ts";
import { openStoreFolder, storedShards, type StoreFolder } from "../support/store_folder.ts";
import type { Terminal } from "../support/terminal.ts";
import { traceTree } from "../support/trace_tree.ts";
import { dataOf, dataOption, jsonOption, modulesOf, modulesOption, serverOf, urlOption } from "./options.ts";
import { examples } from "./wording.ts";

/** Where an event stands in the log. */
interface Place {
  readonly shard: number;
  readonly position: number;
}

/** A tree, and which of its messages was asked about. */
interface Answer {
  readonly messageId: string;
  readonly trace: TraceView;
}

/** A position behind the end of any log. */
const POSITION_MAX = 999_999_999_999_999;

/** Prints why something happened and what it led to: the tree of causes from the request to what came of it. */
export function why(terminal: Terminal) {
  return new Command("why")
    .description(
      "Prints what led to an event or a message and what it led to: one tree, from the request on.",
    )
    .argument(
      "<event|message>",
      "event or message: an event's SHARD.POSITION, as POSITION of `events` has it, or a message's id: a Folio-Message-Id, or that " +
        "of a dead letter",
    )
    .option("--actor <actor>", "which one, where several were sent that message")
    .addOption(dataOption())
    .addOption(urlOption())
    .addOption(modulesOption())
    .addOption(jsonOption("a line of JSON, as GET /messages/:id/trace"))
    .addHelpText("after", examples("why 0.1042", "why 01JZ8F3N6Q --url http://127.0.0.1:8000"))
    .action(async (what, flags) => {
      const server = serverOf(flags, terminal);
      const { messageId, trace } = server
        ? await fromServer(what, flags.actor, server)
        : await fromFolder(what, flags.actor, dataOf(flags, terminal), modulesOf(flags, terminal));
      terminal.print(flags.json ? JSON.stringify(trace) : traceTree(trace, messageId));
    });
}

/** Where the event stands, if it is one. */
function placeOf(what: string): Place | undefined {
  const [, shard, position] = /^(\d{1,3})\.([1-9]\d{0,14})$/.exec(what) ?? [];
  return shard === undefined ? undefined : { shard: Number(shard), position: Number(position) };
}

async function fromFolder(
  what: string,
  actor: string | undefined,
  data: string,
  modules: string,
): Promise<Answer> {
  const registry = await loadRegistry(modules);
  const folder = await openStoreFolder(data);
  try {
    const place = placeOf(what);
    const messageId = place ? await messageOfEvent(folder, place) : what;
    const { correlationId } = await readMessage(storedShards(folder), messageId, actor);
    const trace = await readTrace(folder.shards, correlationId, {
      ...{ nodesMax: defaultLimits.traceNodesMax, bytesMax: defaultLimits.pageBytesMax },
    });
    const followersOf = eventFollowers(registry);
    const roots = trace.roots.map((root) => traceView(root, followersOf));
    return { messageId, trace: { correlationId, roots, isTruncated: trace.isTruncated } };
  } finally {
    await folder.close();
  }
}

async function messageOfEvent({ shards }: StoreFolder, { shard, position }: Place): Promise<string> {
  const { database } = shards[shard] ?? {};
  const page = { after: position - 1, upTo: position, limit: 1, bytesMax: 0 };
  const [event] = database ? (await readLog(database, shard, page)).events : [];
  if (!event) throw new ScriptError(`Cannot tell why: there is no event ${shard}.${position}`);
  return event.messageId;
}

async function fromServer(what: string, actor: string | undefined, server: Server): Promise<Answer> {
  const place = placeOf(what);
  const messageId = place ? await messageAtServer(server, place) : what;
  return {
    messageId,
    trace: await server.get(`/messages/${encodeURIComponent(messageId)}/trace`, { actor }),
  };
}

async function messageAtServer(server: Server, { shard, position }: Place): Promise<string> {
  const { shards } = await server.get<{ shards: { shard: number }[] }>("/health/ready");
  // A token behind which the event is the first of all: the other shards are at their end.
  const after = shards.map((each) => `${each.shard}.${each.shard === shard ? position - 1 : POSITION_MAX}`)
    .join("_");
  const { events } = await server.get<EventPage>("/events", { after, limit: 1 });
  const event = events.find((one) => one.shard === shard && one.position === position);
  if (!event) throw new ScriptError(`Cannot tell why: there is no event ${shard}.${position}`);
  return event.messageId;
}
