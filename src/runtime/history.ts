import type { AnyActor } from "../core/actor.ts";
import type { RecordedEvent } from "../core/event.ts";
import { readStream } from "../store/events.ts";
import { evolve } from "./evolve.ts";
import type { Shard } from "./shard.ts";

const EVENTS_PER_READ = 1_000;

/** Up to where a past state is built: a version, or a time. */
export interface Until {
  readonly version?: number | undefined;
  readonly at?: number | undefined;
}

/**
 * The state that an actor had, folded from its first event on.
 *
 * @param bytesMax Of the payloads that are read at once.
 * @returns Undefined when it had no event by then, or never reached the version.
 * @throws {Error} When an event cannot be read by the present code.
 */
export async function readPast(
  shard: Shard,
  actor: AnyActor,
  name: string,
  until: Until,
  bytesMax: number,
): Promise<{ state: unknown; version: number } | undefined> {
  const { version: versionMax = Infinity, at: atMax = Infinity } = until;
  let state: unknown = actor.initialState();
  let version = 0;
  const isWanted = (event: RecordedEvent) => event.version <= versionMax && event.at <= atMax;
  while (version < versionMax) {
    const { items: events, hasMore } = await readStream(shard.store.database, shard.number, {
      ...{ actor: name, after: version, bytesMax },
      limit: Math.min(EVENTS_PER_READ, versionMax - version),
    });
    for (const event of events.filter(isWanted)) {
      state = evolve(actor, state, event);
      version = event.version;
    }
    if (!hasMore || !events.every(isWanted)) break;
  }
  const isReached = version > 0 && (until.version === undefined || version === until.version);
  return isReached ? { state, version } : undefined;
}
