import { defaultLimits } from "../../src/config.ts";
import type { AnyActor } from "../../src/core/actor.ts";
import { evolve } from "../../src/runtime/evolve.ts";
import type { Database } from "../../src/store/database.ts";
import { readStream } from "../../src/store/events.ts";

const EVENTS_PER_READ = 1_000;

/** An actor as it was after one of its events. */
export interface PastState {
  readonly state: unknown;
  readonly version: number;
  /** When that event was recorded, in milliseconds since the Unix epoch. */
  readonly at: number;
}

/**
 * The state that an actor had, folded from its first event on: no snapshot is trusted.
 *
 * @param until The last event to be counted in: by its version, or its time.
 * @returns Undefined when it had no event by then.
 * @throws {Error} When an event cannot be read by the present code; the message names it.
 */
export async function foldPast(
  shard: { readonly number: number; readonly database: Database },
  actor: AnyActor,
  name: string,
  until: { readonly version?: number | undefined; readonly at?: number | undefined },
): Promise<PastState | undefined> {
  const { version: versionMax = Infinity, at: atMax = Infinity } = until;
  let past: PastState | undefined;
  while (true) {
    const after = past?.version ?? 0;
    const page = { actor: name, after, limit: EVENTS_PER_READ, bytesMax: defaultLimits.pageBytesMax };
    const { items: events, hasMore } = await readStream(shard.database, shard.number, page);
    for (const event of events) {
      if (event.version > versionMax || event.at > atMax) return past;
      const state = evolve(actor, past ? past.state : actor.initialState(), event);
      past = { state, version: event.version, at: event.at };
    }
    if (!hasMore) return past;
  }
}
