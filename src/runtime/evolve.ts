import type { AnyActor } from "../core/actor.ts";
import { type RecordedEvent, upcast } from "../core/event.ts";
import { deepFreeze } from "../core/json.ts";

/**
 * The state after a recorded event.
 *
 * @throws {Error} When the present code cannot read the event; the message names it.
 */
export function evolve(
  actor: AnyActor,
  state: unknown,
  event: Pick<RecordedEvent, "actor" | "version" | "type" | "schemaVersion" | "payload">,
): unknown {
  try {
    const definition = actor.events.get(event.type);
    const change = actor.evolve.get(event.type);
    if (!definition || !change) throw new Error(`the actor type has no event ${event.type}`);
    return deepFreeze(change(state, deepFreeze(upcast(definition, event.schemaVersion, event.payload))));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot read event ${event.version} of ${event.actor}: ${reason}`, { cause: error });
  }
}
