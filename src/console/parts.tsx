/** @jsxImportSource hono/jsx */
import type { Child } from "hono/jsx";
import { parseActorName } from "../core/message.ts";
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

export function Json({ value, label }: { value: unknown; label: string }) {
  return (
    <pre class="json" tabindex={0} role="region" aria-label={label}>
      {value === undefined ? "–" : JSON.stringify(value, null, 2)}
    </pre>
  );
}

/** A table that scrolls by itself where it is too wide. */
export function Table(
  { caption, heads, rows, empty }: {
    caption: string;
    heads: readonly string[];
    rows: readonly (readonly Child[])[];
    empty: string;
  },
) {
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  return (
    <div class="scroll" tabindex={0} role="region" aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>{heads.map((head) => <th scope="col">{head}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map((cells) => <tr>{cells.map((cell) => <td>{cell}</td>)}</tr>)}
        </tbody>
      </table>
    </div>
  );
}

export function actorHref(actor: string): string {
  const { type, key } = parseActorName(actor);
  if (type.startsWith("activity:")) return "/console/activities";
  return `/console/actors${pathOf([type, key])}`;
}

export function ActorLink({ actor }: { actor: string }) {
  return <a class="name" href={actorHref(actor)}>{actor}</a>;
}

/** @param correlation Finds a message of which only its events were kept. */
export function messageHref(id: string, actor?: string, correlation?: string): string {
  return `/console/messages${
    pathOf([id], { actor, correlation: correlation === id ? undefined : correlation })
  }`;
}

export function MessageLink(
  { id, actor, correlation }: { id: string; actor?: string | undefined; correlation?: string },
) {
  return <a class="name" href={messageHref(id, actor, correlation)}>{id}</a>;
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
  return `${Math.round(ms / 60_000)} min`;
}
