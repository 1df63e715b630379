import type { AnyActivity, InputOf } from "./activity.ts";
import { type AnyActor, checkName } from "./actor.ts";
import type { CommandRequest } from "./command.ts";
import type { Duration } from "./duration.ts";
import { type EventHandlers, eventHandlers, type SourceEvent } from "./subscription.ts";

/** What a reactor may do about an event. */
export interface React {
  /** Sends a command, once for this event whatever crashes. `after` delays it. */
  send(request: CommandRequest, options?: { after?: Duration }): void;
  /**
   * Lets an activity be performed, once for this event whatever crashes. `key`: whose work it is; `after` delays it.
   */
  perform<Activity extends AnyActivity>(
    activity: Activity,
    input: InputOf<Activity>,
    options?: { key?: string; after?: Duration },
  ): void;
}

/** A subscriber that answers events with commands and activities (choreography), as `reactor(...)` makes it. */
export interface Reactor<Name extends string = string> {
  readonly kind: "reactor";
  readonly name: Name;
  /** Which events it sees first: all there are, or those from its first start on. */
  readonly startFrom: "beginning" | "now";
  /** By `actor-type/Event`. */
  readonly on: ReadonlyMap<string, (react: React, event: SourceEvent) => void>;
}

/**
 * Defines a reactor. Its checkpoint and what it sends are one transaction, so each event is answered once.
 * Handlers are synchronous; what they throw stops the reactor at that event, until its code is mended.
 *
 * @param parts `from`: the actor types whose events it takes. `startFrom`: `"now"` unless said otherwise.
 * @throws {TypeError} When a name is malformed, or a handler is for an event that no actor of `from` has.
 *
 * @example
 * ```ts
 * import { reactor } from "folio";
 * import { account } from "../../actors/account.ts";
 * import { counter } from "../../actors/counter.ts";
 *
 * export const openings = reactor("openings", {
 *   from: [account],
 *   on: { "account/Opened": (react) => react.send(counter.ref("openings").increment({ by: 1 })) },
 * });
 * ```
 */
export function reactor<Name extends string, const Source extends AnyActor>(
  name: Name,
  parts: {
    readonly from: readonly Source[];
    readonly startFrom?: "beginning" | "now";
    readonly on: EventHandlers<Source, React>;
  },
): Reactor<Name> {
  checkName("reactor", name, /^[a-z][a-z0-9-]{0,63}$/);
  return {
    kind: "reactor",
    name,
    startFrom: parts.startFrom ?? "now",
    on: eventHandlers(`reactor ${name}`, parts.from, parts.on),
  };
}
