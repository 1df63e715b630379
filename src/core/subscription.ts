import type { Actor, AnyActor } from "./actor.ts";
import type { EventSchemas, PayloadOf } from "./event.ts";

/** An event as those see it who read the log: projections and reactors. */
export interface SourceEvent<Payload = unknown> {
  readonly payload: Payload;
  /** `type/key` of the actor that recorded it. */
  readonly actor: string;
  readonly key: string;
  readonly version: number;
  readonly type: string;
  readonly shard: number;
  readonly position: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly messageId: string;
  readonly correlationId: string;
}

type EventsOf<A> = A extends Actor<string, infer _State, infer Events, infer _Rejections, infer _Commands>
  ? Events extends EventSchemas ? Events : never
  : never;

/** Names of the events of some actors, as `actor-type/Event`, each standing for nothing yet. */
type EventNames<Source extends AnyActor> = {
  [A in Source as `${A["name"]}/${keyof EventsOf<A> & string}`]?: never;
};

/** One function an event, by `actor-type/Event`; `Tool` is what it works with. */
export type EventHandlers<Source extends AnyActor, Tool> = {
  [Name in keyof EventNames<Source>]?: (
    tool: Tool,
    event: SourceEvent<
      Name extends `${infer Type}/${infer Event}`
        ? PayloadOf<EventsOf<Extract<Source, { name: Type }>>[Event]>
        : never
    >,
  ) => void;
};

/**
 * Handlers by the name of their event.
 *
 * @param what Who they are of, for messages.
 * @throws {TypeError} When one is for an event that no actor of `from` has.
 */
export function eventHandlers<Tool>(
  what: string,
  from: readonly AnyActor[],
  on: object,
): ReadonlyMap<string, (tool: Tool, event: SourceEvent) => void> {
  const handlers = new Map<string, (tool: Tool, event: SourceEvent) => void>();
  for (const [name, handler] of Object.entries(on)) {
    const [type, event] = name.split("/");
    if (!from.find((actor) => actor.name === type)?.events.has(event ?? "")) {
      throw new TypeError(`Cannot define ${what}: no actor of its sources has the event ${name}`);
    }
    if (typeof handler !== "function") throw new TypeError(`Cannot define ${what}: ${name} is no function`);
    handlers.set(name, handler as (tool: Tool, event: SourceEvent) => void);
  }
  return handlers;
}
