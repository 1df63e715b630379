/**
 * Prints why something happened and what it led to: the tree of causes from the request to what came of it. Only
 * reads, from a folder or a running server.
 *
 * @module
 */
import { defaultLimits } from "../src/config.ts";
import { eventFollowers, type TraceView, traceView } from "../src/http/trace_view.ts";
import { readTrace } from "../src/runtime/trace.ts";
import { readEventsOfMessage, readLog } from "../src/store/events.ts";
import { readMessagesById } from "../src/store/messages.ts";
import { defaultModules, loadRegistry } from "./support/modules.ts";
import { runScript, ScriptError, UsageError } from "./support/script.ts";
import { defaultData, openStoreFolder, type StoreFolder } from "./support/store_folder.ts";
import { traceTree } from "./support/trace_tree.ts";

const usage = `Usage: deno task why EVENT|MESSAGE [--data FOLDER | --url URL] [--modules FILE] [--json]

  EVENT       its place in the log, SHARD.POSITION, as in POSITION of deno task events
  MESSAGE     its id: a Folio-Message-Id, or that of a dead letter
  --data      the folder (FOLIO_DATA, or ./data); a server may run on it
  --url       a running server instead; with FOLIO_TOKEN where it wants one
  --modules   who handles events is in the modules (FOLIO_MODULES, or ./actors/mod.ts)
  --json      one line of JSON, as GET /messages/:id/trace

  deno task why 0.1042
  deno task why 01JZ8F3N6Q --url http://localhost:8000`;

await runScript({
  usage,
  options: {
    data: { type: "string", default: defaultData() },
    url: { type: "string" },
    modules: { type: "string", default: defaultModules() },
    json: { type: "boolean", default: false },
  },
}, async (flags, words) => {
  const [what, ...others] = words;
  if (what === undefined || others.length > 0) {
    throw new UsageError("Cannot tell why: name an event or a message");
  }
  const { messageId, trace } = flags.url === undefined
    ? await fromFolder(what, flags.data, flags.modules)
    : await fromServer(what, flags.url);
  console.log(flags.json ? JSON.stringify(trace) : traceTree(trace, messageId));
});

/** Where the event stands, if it is one. */
function placeOf(what: string): { shard: number; position: number } | undefined {
  const [, shard, position] = /^(\d{1,3})\.([1-9]\d{0,14})$/.exec(what) ?? [];
  return shard === undefined ? undefined : { shard: Number(shard), position: Number(position) };
}

async function fromFolder(
  what: string,
  data: string,
  modules: string,
): Promise<{ messageId: string; trace: TraceView }> {
  const registry = await loadRegistry(modules);
  const folder = await openStoreFolder(data);
  try {
    const place = placeOf(what);
    const messageId = place ? await messageOfEvent(folder, place) : what;
    const correlationId = await correlationOf(folder, messageId);
    const trace = await readTrace(folder.shards, correlationId, defaultLimits.traceNodesMax);
    const followersOf = eventFollowers(registry);
    const roots = trace.roots.map((root) => traceView(root, followersOf));
    return { messageId, trace: { correlationId, roots, isTruncated: trace.isTruncated } };
  } finally {
    await folder.close();
  }
}

async function messageOfEvent(
  { shards }: StoreFolder,
  { shard, position }: { shard: number; position: number },
): Promise<string> {
  const { database } = shards[shard] ?? {};
  const page = { after: position - 1, upTo: position, limit: 1 };
  const [event] = database ? await readLog(database, shard, page) : [];
  if (!event) throw new ScriptError(`Cannot tell why: there is no event ${shard}.${position}`);
  return event.messageId;
}

async function correlationOf({ shards }: StoreFolder, messageId: string): Promise<string> {
  for (const { database, number } of shards) {
    const [message] = await readMessagesById(database, number, messageId);
    if (message) return message.correlationId;
    const [event] = await readEventsOfMessage(database, number, messageId);
    if (event) return event.correlationId;
  }
  throw new ScriptError(`Cannot tell why: there is no message ${messageId}, or it is not kept any more`);
}

async function fromServer(what: string, url: string): Promise<{ messageId: string; trace: TraceView }> {
  const place = placeOf(what);
  let messageId = what;
  if (place) {
    const { shard, position } = place;
    const page = await get(url, `/events?after=${await tokenBefore(url, shard, position)}&limit=100`);
    const events: { shard: number; position: number; messageId: string }[] = page.events;
    const event = events.find((one) => one.shard === shard && one.position === position);
    if (!event) throw new ScriptError(`Cannot tell why: there is no event ${what}`);
    messageId = event.messageId;
  }
  return { messageId, trace: await get(url, `/messages/${encodeURIComponent(messageId)}/trace`) };
}

/** A token behind which the event is the first of all: the other shards are at their end. */
async function tokenBefore(url: string, shard: number, position: number): Promise<string> {
  const { shards } = await get(url, "/health/ready");
  const ends = shards.map(({ shard: number }: { shard: number }) =>
    `${number}.${number === shard ? position - 1 : 999_999_999_999_999}`
  );
  return ends.join("_");
}

// deno-lint-ignore no-explicit-any -- JSON of another shape for each route
async function get(url: string, path: string): Promise<any> {
  const token = Deno.env.get("FOLIO_TOKEN");
  let response: Response;
  try {
    response = await fetch(new URL(path, url), {
      headers: token ? { authorization: `Bearer ${token}` } : {},
    });
  } catch (cause) {
    throw new ScriptError(`Cannot reach ${url}: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  throw new ScriptError(`Cannot tell why: ${body.detail ?? `${url} answered ${response.status}`}`);
}
