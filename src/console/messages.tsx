/** @jsxImportSource hono/jsx */
import type { Hono } from "hono";
import { FolioError } from "../core/errors.ts";
import type { MessageStatus } from "../core/message.ts";
import { findMessages } from "../runtime/browse.ts";
import type { MessageFilter } from "../store/browse.ts";
import type { TraceNode } from "../runtime/trace.ts";
import { pathOf } from "./api.ts";
import { Graph } from "./graph.tsx";
import type { Console, ConsoleEnv } from "./context.tsx";
import { page } from "./page.tsx";
import { Json } from "./json.tsx";
import {
  ActorLink,
  Facts,
  messageHref,
  MessageLink,
  num,
  Select,
  Status,
  Table,
  Text,
  Time,
} from "./parts.tsx";

const PAGE_ITEMS = 100;
/** What messages can be looked for by: how they stand, and what numbers of other pages count. */
const choices: Readonly<Record<string, Pick<MessageFilter, "statuses" | "hasFailed">>> = {
  waiting: { statuses: ["queued", "retrying"] },
  queued: { statuses: ["queued"] },
  retrying: { statuses: ["retrying"] },
  done: { statuses: ["done"] },
  rejected: { statuses: ["rejected"] },
  dead: { statuses: ["dead"] },
  failed: { hasFailed: true },
};

/** What a message does not leave by itself: its page, whose graph costs something, needs not be made again. */
const ends: readonly string[] = ["done", "rejected", "dead"] satisfies MessageStatus[];

/** Messages: what became of them, and what led to them. */
export function messagePages(app: Hono<ConsoleEnv>, { runtime }: Console): void {
  app.get("/messages", async (c) => {
    const { id, type, actor } = c.req.query();
    if (id) return c.redirect(messageHref(id), 303);
    const status = Object.keys(choices).find((each) => each === c.req.query("status"));
    const found = await findMessages(runtime, {
      ...{ ...choices[status ?? ""], type: type || undefined, actor: actor || undefined, limit: PAGE_ITEMS },
    });
    return await page(
      c,
      { title: "Messages" },
      (
        <>
          <form class="row filter" role="search">
            <Select name="status" label="Status" value={status} options={Object.keys(choices)} />
            <Text name="type" label="Actor type" value={type} />
            <Text name="actor" label="Actor" value={actor} placeholder="type/key" />
            <Text name="id" label="Message id" />
            <button type="submit">Find</button>
          </form>
          <section id="messages" data-live>
            <Table
              caption="Messages"
              heads={["Message", "Actor", "Command", "Status", "Enqueued", "Handled"]}
              empty="None on disk. Commands that somebody waited for and nobody can repeat leave events only."
              rows={found.map((message) => [
                <MessageLink id={message.id} actor={message.actor} />,
                <ActorLink actor={message.actor} />,
                message.command || "–",
                <Status of={message.status} />,
                <Time at={message.enqueuedAt} />,
                <Time at={message.handledAt} />,
              ])}
            />
            {found.length === PAGE_ITEMS && <p class="muted">The newest {PAGE_ITEMS}.</p>}
          </section>
        </>
      ),
    );
  });

  app.get("/messages/:id", async (c) => {
    const id = c.req.param("id");
    const message = await messageOf(id, c.req.query("actor") || undefined);
    const running = message && runtime.activities?.running(message);
    const trace = await runtime.trace(message?.correlationId ?? (c.req.query("correlation") || id));
    const here = find(trace.roots, id);
    if (!message && !here) {
      throw new FolioError("unknown-message", `There is no message ${id.slice(0, 255)}`, { id });
    }
    const status = running ? "running" : message?.status ?? here?.status ?? "done";
    const actor = message?.actor ?? here?.actor ?? "";
    const { outcome } = message ?? {};
    return await page(
      c,
      { title: "Message" },
      (
        <>
          <section id="facts" {...(ends.includes(status) ? {} : { "data-live": true })}>
            <Facts
              of={[
                ["Message", <span class="name">{id}</span>],
                ["Status", <Status of={status} />],
                ["Actor", <ActorLink actor={actor} />],
                ["Command", message?.command || here?.command || "–"],
                ["Attempts", <a href="#failures">{here?.attempts ?? message?.attempts ?? 1}</a>],
                ["Enqueued", <Time at={message?.enqueuedAt} />],
                ["Handled", <Time at={message?.handledAt ?? here?.handledAt} />],
                ["Next attempt", <Time at={running ? null : message?.nextAttemptAt} />],
                ["Correlation", <span class="name">{trace.correlationId}</span>],
              ]}
            />
            {status === "dead" && (
              <p>
                <a class="button" href={`/console/dead-letters${pathOf([id], { actor })}`}>
                  Look at this dead letter
                </a>
              </p>
            )}
            {running?.progress && <Json value={running.progress.detail} label="Progress" />}
          </section>
          <h2>Causes and consequences</h2>
          <Graph roots={trace.roots} here={id} />
          {trace.isTruncated && <p class="muted">There is more than is drawn.</p>}
          <div class="two">
            <section>
              <h2>Input</h2>
              <Json value={message?.input} label="Input" />
              {outcome && (
                <>
                  <h2>{outcome.status === "done" ? "Reply" : `Rejected: ${outcome.rejection}`}</h2>
                  <Json value={outcome.status === "done" ? outcome.reply : outcome.details} label="Outcome" />
                </>
              )}
            </section>
            <section>
              <h2>Events</h2>
              <Table
                caption="Events of this message"
                heads={[num("Version"), "Type"]}
                empty="None."
                rows={(here?.events ?? []).map(({ version, type }) => [
                  <a href={`/console/actors${pathOf([...splitActor(actor)])}?version=${version}`}>
                    {version}
                  </a>,
                  type,
                ])}
              />
              <h2 id="failures">Failures</h2>
              <Table
                caption="Failures"
                heads={[num("Attempt"), "When", "Error"]}
                empty="None."
                rows={(message?.failures ?? []).map(({ attempt, at, error }) => [
                  attempt,
                  <Time at={at} />,
                  <span class="error">{error}</span>,
                ])}
              />
            </section>
          </div>
        </>
      ),
    );
  });

  /** Undefined where only its events were kept. */
  async function messageOf(id: string, actor: string | undefined) {
    try {
      return await runtime.message(id, actor);
    } catch (error) {
      if (FolioError.is(error, "unknown-message")) return undefined;
      throw error;
    }
  }
}

function find(nodes: readonly TraceNode[], id: string): TraceNode | undefined {
  for (const node of nodes) {
    const found = node.messageId === id ? node : find(node.children, id);
    if (found) return found;
  }
  return undefined;
}

function splitActor(actor: string): [string, string] {
  const slash = actor.indexOf("/");
  return [actor.slice(0, slash), actor.slice(slash + 1)];
}
