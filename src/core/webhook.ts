import { z } from "zod";
import { actor, type AnyActor } from "./actor.ts";
import { command } from "./command.ts";
import type { RecordedEvent } from "./event.ts";
import { parseActorName } from "./message.ts";

/** Which events a webhook is for: those that pass each filter there is. */
export const WebhookFilters = z.strictObject({
  /** Of actors of these types. */
  actorTypes: z.array(z.string().max(64)).min(1).max(100).optional(),
  /** Of these types, e.g. `Deposited`. */
  eventTypes: z.array(z.string().max(64)).min(1).max(100).optional(),
  /** Of this actor, `type/key`. */
  actor: z.string().max(600).optional(),
});
export type WebhookFilters = z.output<typeof WebhookFilters>;

/** What whoever registers a webhook says of it. */
export const WebhookSettings = z.strictObject({
  url: z.url().max(2_000),
  description: z.string().max(500).optional(),
  filters: WebhookFilters.default({}),
  /** `source` of its CloudEvents: a URI reference that tells this log from others. */
  source: z.string().min(1).max(500).regex(
    /^[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+$/,
    "must be a URI",
  )
    .default("/folio"),
});
export type WebhookSettings = z.output<typeof WebhookSettings>;

/** Why a webhook is paused: somebody asked for it, or its receiver answered 410. */
export type PauseReason = "requested" | "gone";

export interface WebhookState {
  readonly status: "active" | "paused" | "removed";
  readonly settings: WebhookSettings | undefined;
  /** By shard number as text: events after this position are its. */
  readonly from: Readonly<Record<string, number>>;
  readonly pauseReason: PauseReason | undefined;
}

const From = z.record(z.string(), z.int().min(0));
const Reason = z.enum(["requested", "gone"]);

/**
 * A registered webhook: an actor like others, so that it is in the log with its whole history. Its secrets are
 * not: the log is for all to read.
 */
export const webhook = actor("webhook", {
  initialState: (): WebhookState => ({
    status: "removed",
    settings: undefined,
    from: {},
    pauseReason: undefined,
  }),
  events: {
    Registered: z.object({ settings: WebhookSettings, from: From }),
    Changed: z.object({ settings: WebhookSettings }),
    SecretRotated: z.object({}),
    Paused: z.object({ reason: Reason }),
    Resumed: z.object({}),
    Removed: z.object({}),
  },
  evolve: {
    Registered: (_, { settings, from }) => ({
      status: "active" as const,
      settings,
      from,
      pauseReason: undefined,
    }),
    Changed: (state, { settings }) => ({ ...state, settings }),
    SecretRotated: (state) => state,
    Paused: (state, { reason }) => ({ ...state, status: "paused" as const, pauseReason: reason }),
    Resumed: (state) => ({ ...state, status: "active" as const, pauseReason: undefined }),
    Removed: (state) => ({ ...state, status: "removed" as const }),
  },
  rejections: { "unknown-webhook": z.object({}) },
  commands: {
    register: command(z.object({ settings: WebhookSettings, from: From }), (turn, input) => {
      turn.emit("Registered", input);
    }),
    change: command(z.object({ settings: WebhookSettings }), (turn, input) => {
      if (turn.state.status === "removed") turn.reject("unknown-webhook");
      turn.emit("Changed", input);
    }),
    "rotate-secret": command(z.object({}), (turn) => {
      if (turn.state.status === "removed") turn.reject("unknown-webhook");
      turn.emit("SecretRotated", {});
    }),
    pause: command(z.object({ reason: Reason }), (turn, { reason }) => {
      if (turn.state.status === "removed") turn.reject("unknown-webhook");
      if (turn.state.status === "active") turn.emit("Paused", { reason });
    }),
    resume: command(z.object({}), (turn) => {
      if (turn.state.status === "removed") turn.reject("unknown-webhook");
      if (turn.state.status === "paused") turn.emit("Resumed", {});
    }),
    remove: command(z.object({}), (turn) => {
      if (turn.state.status === "removed") turn.reject("unknown-webhook");
      turn.emit("Removed", {});
    }),
  },
});

/** Whether an event passes all filters. */
export function passes(filters: WebhookFilters, event: { actor: string; type: string }): boolean {
  const { actorTypes, eventTypes, actor: only } = filters;
  return (only === undefined || event.actor === only) &&
    (actorTypes === undefined || actorTypes.includes(parseActorName(event.actor).type)) &&
    (eventTypes === undefined || eventTypes.includes(event.type));
}

/** Names of all events of some actors that filters may let pass, as `actor-type/Event`. */
export function eventNamesOf(filters: WebhookFilters, actors: Iterable<AnyActor>): string[] {
  const only = filters.actor === undefined ? undefined : parseActorName(filters.actor).type;
  return [...actors].filter(({ name }) => only === undefined || name === only).flatMap(({ name, events }) =>
    [...events.keys()].filter((type) => passes({ ...filters, actor: undefined }, { actor: `${name}/`, type }))
      .map((type) => `${name}/${type}`)
  );
}

/** An event as a CloudEvent 1.0, as it looks in JSON. */
export interface CloudEvent {
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: unknown;
  readonly [extension: string]: unknown;
}

/**
 * `id` and `source` are the same whenever and wherever the event is sent. The extension attributes are
 * `partitionkey` (what order is kept in: the actor), `actorversion`, `schemaversion` and `correlationid`.
 */
export function cloudEventOf(event: RecordedEvent, source: string): CloudEvent {
  return {
    specversion: "1.0",
    id: `${event.shard}.${event.position}`,
    source,
    type: `folio.${parseActorName(event.actor).type}.${event.type}`,
    subject: event.actor,
    time: new Date(event.at).toISOString(),
    datacontenttype: "application/json",
    partitionkey: event.actor,
    actorversion: event.version,
    schemaversion: event.schemaVersion,
    correlationid: event.correlationId,
    data: event.payload,
  };
}
