/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import type { LoggedEvent, LogPage } from "../runtime/log_reader.ts";
import { pathOf } from "./api.ts";
import type { Console, ConsoleEnv } from "./context.tsx";
import { page } from "./page.tsx";
import { Json } from "./json.tsx";
import { actorHref, ActorLink, MessageLink, Table, Text, Time } from "./parts.tsx";

const PAGE_ITEMS = 100;
/** Pages that are read for the newest events. */
const PAGES_MAX = 100;

/** The log across actors: the newest events, or those behind a place. */
export function eventPages(app: Hono<ConsoleEnv>, { runtime }: Console): void {
  app.get("/events", async (c) => {
    const { after = "", type = "" } = c.req.query();
    const isEnd = after === "";
    const found = await runtime.readLog({
      after: isEnd
        ? newest(type === "" ? PAGE_ITEMS : runtime.limits.pageScanMax)
        : runtime.parseToken(after),
      type: type || undefined,
      limit: isEnd ? runtime.limits.pageItemsMax : PAGE_ITEMS,
    });
    const events = isEnd ? (await endOf(found, type)).toReversed() : found.events;
    return await page(
      c,
      { title: "Events" },
      (
        <>
          <form class="row filter" role="search">
            <Text name="type" label="Event type" value={type} />
            <Text name="after" label="After token" value={after} placeholder="the newest" />
            <button type="submit">Show</button>
          </form>
          <section id="events" {...(isEnd ? { "data-live": true } : {})}>
            <Table
              caption="Events"
              heads={["Place", "Event", "Actor", "When", "Message", "Payload"]}
              empty={isEnd ? "No such event among the newest." : "No such event behind this place."}
              rows={events.map((event) => [
                <a href={`${actorHref(event.actor)}?version=${event.version}`}>
                  {event.shard}.{event.position}
                </a>,
                <strong>{event.type}</strong>,
                <ActorLink actor={event.actor} />,
                <Time at={event.at} />,
                <MessageLink
                  id={event.messageId}
                  actor={event.actor}
                  correlation={event.correlationId}
                />,
                <Json value={event.payload} label={`Payload of ${event.shard}.${event.position}`} isShort />,
              ])}
            />
            {!isEnd && <More found={found} type={type} />}
          </section>
        </>
      ),
    );
  });

  /** The newest of what a page begins with: long events are on more than one. */
  async function endOf(page: LogPage, type: string): Promise<readonly LoggedEvent[]> {
    let events = page.events.slice(-PAGE_ITEMS);
    for (let pages = 1; page.hasMore && pages < PAGES_MAX; pages++) {
      const limit = runtime.limits.pageItemsMax;
      page = await runtime.readLog({ after: page.next, type: type || undefined, limit });
      events = [...events, ...page.events].slice(-PAGE_ITEMS);
    }
    return events;
  }

  /** So many positions before the ends of the logs. */
  function newest(count: number): ReadonlyMap<number, number> {
    const each = Math.ceil(count / runtime.shards.length);
    return new Map(
      [...runtime.positions()].map(([shard, position]) => [shard, Math.max(0, position - each)]),
    );
  }

  function More({ found, type }: { found: LogPage; type: string }) {
    if (!found.hasMore) return null;
    const after = runtime.formatToken(found.next);
    return <a class="button" href={`/console${pathOf(["events"], { after, type })}`}>More</a>;
  }
}
