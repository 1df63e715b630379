/** @jsxImportSource hono/jsx */
import type { RecordedEvent } from "../core/event.ts";
import type { MessageSummary } from "../store/messages.ts";
import type { ComingUp } from "../runtime/coming_up.ts";
import { differences } from "./diff.ts";
import { Json } from "./json.tsx";
import { actorHref, ActorLink, MessageLink, Status, Table, Time } from "./parts.tsx";

/** What the page of an actor is made of, apart from what can be done there. */

export function Changes({ before, after }: { before: unknown; after: unknown }) {
  const changed = differences(before ?? {}, after ?? {});
  if (changed.length === 0) return <p class="empty">Nothing.</p>;
  return (
    <ul class="diff">
      {changed.flatMap(({ path, before, after }) => [
        ...before === undefined ? [] : [<li class="removed">- {path} {before}</li>],
        ...after === undefined ? [] : [<li class="added">+ {path} {after}</li>],
      ])}
    </ul>
  );
}

export function Events(
  { events, actor, version }: { events: readonly RecordedEvent[]; actor: string; version: number },
) {
  if (events.length === 0) return <p class="empty">None.</p>;
  const [first] = events;
  return (
    <>
      <ol class="timeline">
        {events.toReversed().map((event) => (
          <li class={event.version === version ? "current" : ""}>
            <div class="line">
              <a href={`${actorHref(actor)}?version=${event.version}#events`}>{event.version}</a>
              <strong>{event.type}</strong>
              <span class="muted">
                <Time at={event.at} />
              </span>
              <MessageLink id={event.messageId} actor={actor} correlation={event.correlationId} />
            </div>
            <Json value={event.payload} label={`Payload of event ${event.version}`} />
          </li>
        ))}
      </ol>
      {first && first.version > 1 && (
        <a class="button" href={`${actorHref(actor)}?version=${first.version - 1}#events`}>Earlier</a>
      )}
    </>
  );
}

export function Pending(
  { actor, waiting, timers }: {
    actor: string;
    waiting: readonly MessageSummary[];
    timers: readonly ComingUp[];
  },
) {
  return (
    <section id="waiting" data-live>
      <h2>Messages that wait</h2>
      <Table
        caption="Messages that wait"
        heads={["Message", "Command", "Status"]}
        empty="None on disk."
        rows={waiting.map((message) => [
          <MessageLink id={message.id} actor={actor} />,
          message.command,
          <Status of={message.status} />,
        ])}
      />
      <h2>Timers</h2>
      <Table
        caption="Timers"
        heads={["Name", "Due", "Sends"]}
        empty="None."
        rows={timers.map(({ name, dueAt, sends, messageId }) => [
          name ?? (messageId ? <MessageLink id={messageId} actor={actor} /> : "–"),
          <Time at={dueAt} />,
          <>
            {sends.command} to <ActorLink actor={sends.actor} />
          </>,
        ])}
      />
    </section>
  );
}
