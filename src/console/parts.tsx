/** @jsxImportSource hono/jsx */
import type { Child } from "hono/jsx";
import { parseActorName } from "../core/message.ts";
import type { EventFailure } from "../runtime/read_models.ts";
import { pathOf } from "./api.ts";

/** Pieces that many pages use. All text goes through JSX, which escapes it. */

/** A time, in UTC; the browser adds how long ago. */
export function Time({ at }: { at: number | null | undefined }) {
  if (at === null || at === undefined) return <span class="muted">–</span>;
  const iso = new Date(at).toISOString();
  return <time datetime={iso} title={iso}>{iso.slice(0, 19).replace("T", " ")}</time>;
}

const tones: Readonly<Record<string, string>> = {
  ready: "good",
  done: "good",
  completed: "good",
  live: "good",
  active: "good",
  closed: "good",
  dead: "bad",
  failed: "bad",
  stuck: "bad",
  stopped: "bad",
  open: "bad",
  rejected: "warn",
  retrying: "warn",
  compensating: "warn",
  paused: "warn",
  stale: "warn",
  "half-open": "warn",
  "timed-out": "warn",
};

/** How good a status is: a class of the style sheet. */
export function toneOf(status: string): string {
  return tones[status] ?? "plain";
}

export function Status({ of }: { of: string }) {
  return <span class={`status ${toneOf(of)}`}>{of}</span>;
}

/** A column whose cells are numbers, which stand below each other by their digits. */
export function num(name: string): Head {
  return { name, isNumber: true };
}

export type Head = string | { readonly name: string; readonly isNumber: true };

/** A table that scrolls by itself where it is too wide; on a phone, each row is a card (`narrow.css`). */
export function Table(
  { caption, heads, rows, empty }: {
    caption: string;
    /** An empty one is for buttons. */
    heads: readonly Head[];
    rows: readonly (readonly Child[])[];
    empty: string;
  },
) {
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  const columns = heads.map((head) => (typeof head === "string" ? { name: head, isNumber: false } : head));
  // Roles by name: what is shown as cards is no table to a browser.
  return (
    <div class="scroll" tabindex={0} role="region" aria-label={caption}>
      <table role="table">
        <caption class="hidden">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ name, isNumber }) => (
              <th scope="col" role="columnheader" class={isNumber ? "num" : undefined}>
                {name === "" ? <span class="hidden">Actions</span> : name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((cells) => (
            <tr role="row">
              {cells.map((cell, index) => (
                <td
                  role="cell"
                  data-label={columns[index]?.name}
                  class={columns[index]?.isNumber ? "num" : undefined}
                >
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** How far a reader of the log is behind: a link to the events that it has not seen. */
export function Behind({ events, after }: { events: number; after?: string | undefined }) {
  return (
    <a href={`/console${pathOf(["events"], { after })}`}>
      {events} {events === 1 ? "event" : "events"}
    </a>
  );
}

/** At which event a reader of the log has stopped, and why. */
export function StoppedAt({ failure }: { failure: Pick<EventFailure, "error" | "event"> | undefined }) {
  if (!failure) return null;
  const { error, event } = failure;
  return (
    <div class="error">
      {error} at <a href={`${actorHref(event.actor)}?version=${event.version}`}>{event.type}</a>, version{" "}
      {event.version} of <ActorLink actor={event.actor} />
    </div>
  );
}

export function actorHref(actor: string): string {
  const { type, key } = parseActorName(actor);
  if (type.startsWith("activity:")) return "/console/activities";
  return `/console/actors${pathOf([type, key])}`;
}

export function ActorLink({ actor }: { actor: string }) {
  return <a class="name" href={actorHref(actor)} title={actor}>{actor}</a>;
}

/** @param correlation Finds a message of which only its events were kept. */
export function messageHref(id: string, actor?: string, correlation?: string): string {
  return `/console/messages${
    pathOf([id], { actor, correlation: correlation === id ? undefined : correlation })
  }`;
}

/** @param text Instead of the id. */
export function MessageLink(
  { id, actor, correlation, text = id }: {
    id: string;
    actor?: string | undefined;
    correlation?: string;
    text?: string;
  },
) {
  const href = messageHref(id, actor, correlation);
  return text === id ? <a class="name" href={href} title={id}>{id}</a> : <a href={href}>{text}</a>;
}

/** A choice of a filter form. */
export function Select(
  { name, label, value, options, all = "all" }: {
    name: string;
    label: string;
    value: string | undefined;
    options: readonly string[];
    all?: string;
  },
) {
  return (
    <label>
      {label}
      <select name={name}>
        <option value="">{all}</option>
        {options.map((option) => <option value={option} selected={option === value}>{option}</option>)}
      </select>
    </label>
  );
}

export function Text(
  { name, label, value, placeholder }: {
    name: string;
    label: string;
    value?: string | undefined;
    placeholder?: string;
  },
) {
  return (
    <label>
      {label}
      <input
        name={name}
        value={value ?? ""}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
      />
    </label>
  );
}

export function Facts({ of }: { of: readonly (readonly [string, Child])[] }) {
  return (
    <dl class="facts">
      {of.map(([name, value]) => (
        <div>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function milliseconds(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}
