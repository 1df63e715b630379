import type { Context, Hono } from "hono";
import { FolioError } from "../core/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { readJson } from "./body.ts";
import { readCommandHeaders } from "./command_headers.ts";
import { frame, type LiveStreams } from "./live.ts";
import { json, problem } from "./problem.ts";
import { countParameter, limitParameter, readQuery, timeParameter } from "./request.ts";
import { eventView } from "./views.ts";
import { traceparentFor } from "./tracing.ts";

/** Events of one frame batch of a live stream. */
const EVENTS_PER_READ = 100;

/** Commands, state and events of single actors. */
export function actorRoutes(app: Hono, runtime: Runtime, live: LiveStreams): void {
  app.post("/actors/:type/:key/:command", async (c) => {
    if (c.req.url.includes("?")) readQuery(c, {});
    const { type, key, command } = c.req.param();
    const { limits, clock, registry } = runtime;
    if (registry.isBuiltIn(registry.actors.get(type))) {
      throw new FolioError(
        "forbidden",
        `Actors of type ${type} are Folio's own, with routes of their own`,
        {},
      );
    }
    if (registry.actors.get(type)?.commands.get(command)?.isInternal) {
      throw new FolioError("forbidden", `Command ${command} of ${type} is not for clients`, {});
    }
    const sent = c.req.header();
    const { isAsync, prefersWait: _, ...options } = readCommandHeaders(sent, limits, clock.now());
    const isNamed = options.messageId !== undefined;
    const messageId = options.messageId ?? runtime.newId();
    const correlationId = options.correlationId ?? messageId;
    const shard = runtime.shardOf(`${type}/${key}`);
    const headers: Record<string, string> = {
      "folio-message-id": messageId,
      "folio-correlation-id": correlationId,
      "folio-position": `${shard.number}.${shard.durablePosition}`,
    };
    const input = await readJson(c, runtime, sent);
    try {
      const request = { type, key, command, input };
      const traceparent = traceparentFor(c, options.traceparent);
      const answer = await runtime.submit(request, {
        ...options,
        ...{ messageId, isNamed, correlationId, traceparent },
      });
      if (isAsync) headers["preference-applied"] = "respond-async";
      if (answer.status === "accepted") {
        headers.location = `/messages/${encodeURIComponent(messageId)}`;
        return json(202, { messageId, actor: answer.actor, status: "queued" }, headers);
      }
      headers["folio-position"] = answer.token;
      const { actor, version, position } = answer;
      if (answer.status === "done") {
        return json(200, { messageId, actor, version, position, reply: answer.reply }, headers);
      }
      const { rejection, details } = answer;
      return problem(
        new FolioError("rejected", `${actor} rejected ${command}`, { rejection, details }),
        headers,
      );
    } catch (error) {
      if (FolioError.is(error, "message-in-progress")) {
        headers.location = `/messages/${encodeURIComponent(error.fields.id)}`;
      }
      if (error instanceof FolioError) return problem(error, headers);
      throw error;
    }
  });

  app.get("/actors/:type/:key", async (c) => {
    const query = readQuery(c, { version: countParameter.optional(), at: timeParameter.optional() });
    const { type, key } = c.req.param();
    const actor = `${type}/${key}`;
    if (query.version === undefined && query.at === undefined) {
      const { state, version } = await runtime.state(type, key);
      if (version === 0) throw noEvents(actor, "has no events");
      return json(200, { actor, version, state }, { etag: `"${version}"` });
    }
    if (query.version !== undefined && query.at !== undefined) {
      throw new FolioError("malformed", "version and at exclude each other", { name: "version" });
    }
    const past = await runtime.past(type, key, query);
    if (!past) throw noEvents(actor, query.at === undefined ? "has no such version" : "had no events then");
    return json(200, { actor, version: past.version, state: past.state }, { etag: `"${past.version}"` });
  });

  app.get("/actors/:type/:key/events", async (c) => {
    const query = readQuery(c, { after: countParameter.default(0), limit: limitParameter(runtime.limits) });
    const { type, key } = c.req.param();
    const actor = `${type}/${key}`;
    if (isLive(c)) {
      let after = lastEventId(c, (id) => countParameter.safeParse(id).data) ?? query.after;
      const ahead = { limit: EVENTS_PER_READ, bytesMax: runtime.limits.livePageBytesMax };
      await runtime.stream(type, key, { after, limit: 1 }); // an unknown actor type is a problem, not a stream
      return live.respond({
        subscribe: (wake) => runtime.shardOf(actor).wakeups.watch(actor, wake),
        reached: () => String(after),
        async next() {
          const { events } = await runtime.stream(type, key, { after, ...ahead });
          after = events.at(-1)?.version ?? after;
          return events.map((event) =>
            frame({ id: String(event.version), type: event.type, data: eventView(event) })
          );
        },
      });
    }
    const { events, hasMore } = await runtime.stream(type, key, query);
    const next = events.at(-1)?.version ?? query.after;
    return json(200, { events: events.map(eventView), next, hasMore });
  });
}

/** Whether the client asks for server-sent events; nobody reads a stream that answers a HEAD. */
export function isLive(c: Context): boolean {
  return c.req.method === "GET" && c.req.header("accept")?.includes("text/event-stream") === true;
}

/**
 * Where a live stream goes on, if its reader says so.
 *
 * @throws {FolioError} `malformed` when `parse` gives undefined.
 */
export function lastEventId<T>(c: Context, parse: (id: string) => T | undefined): T | undefined {
  const id = c.req.header("last-event-id");
  if (id === undefined || id === "") return undefined;
  const parsed = parse(id);
  if (parsed === undefined) {
    throw new FolioError("malformed", "Last-Event-ID must be the id of an event of this stream", {
      name: "Last-Event-ID",
    });
  }
  return parsed;
}

function noEvents(actor: string, why: string): FolioError {
  return new FolioError("no-events", `${actor} ${why}`, { actor });
}
