import { counter } from "../../actors/counter.ts";
import { systemClock } from "../../src/core/clock.ts";
import { createIds } from "../../src/core/ids.ts";
import type { EventRow } from "../../src/store/events.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";
import type { SnapshotRow } from "../../src/store/snapshots.ts";
import { openWorkerDatabase } from "../../src/store/worker_database.ts";
import { type BareStore, type Changes, withBareStore } from "./bare_store.ts";
import type { Measured } from "./measure.ts";

/** Where the statements of a commit run. The ceiling is the better of the two. */
export type Thread = "calling" | "worker";

const ids = createIds(systemClock);
const by1 = JSON.stringify({ by: 1 });

/**
 * The ceiling: commits of the very rows that so many `increment` commands leave, made one after the other by
 * the engine that the runtime uses, with nothing else around them. Only `append` is timed, not the making of
 * the rows.
 *
 * @param keys Actors that the commands go to in turn, each touched once before.
 */
export function measureRawCommits(
  folder: string,
  thread: Thread,
  options: { commands: number; keys: number; warmUpMs: number; durationMs: number },
): Promise<Measured> {
  const { commands, keys, warmUpMs, durationMs } = options;
  return withBareStore(folder, async (store) => {
    const maker = new ChangesMaker(keys);
    await appendFor(store, maker, keys, 0);
    await appendFor(store, maker, commands, warmUpMs);
    const latenciesMs = await appendFor(store, maker, commands, durationMs);
    const seconds = latenciesMs.reduce((sum, each) => sum + each, 0) / 1_000;
    return {
      perSecond: latenciesMs.length * commands / seconds,
      latenciesMs: latenciesMs.sort((a, b) => a - b),
    };
  }, thread === "worker" ? openWorkerDatabase : openLibsqlDatabase);
}

/** @returns Milliseconds of each commit; there is one at the least. */
async function appendFor(
  store: BareStore,
  maker: ChangesMaker,
  commands: number,
  durationMs: number,
): Promise<number[]> {
  const latenciesMs: number[] = [];
  const endAt = performance.now() + durationMs;
  do {
    const commit = store.next(maker.next(commands));
    const startedAt = performance.now();
    await store.append(commit);
    latenciesMs.push(performance.now() - startedAt);
  } while (performance.now() < endAt);
  return latenciesMs;
}

/** Makes what the runtime makes of unnamed `increment` commands: an event each, and the snapshots that are due. */
class ChangesMaker {
  readonly #versions: Int32Array;
  #position = 0;

  constructor(keys: number) {
    this.#versions = new Int32Array(keys);
  }

  next(commands: number): Changes {
    const at = Date.now();
    const events: EventRow[] = [];
    const snapshots: SnapshotRow[] = [];
    for (let command = 0; command < commands; command++) {
      const key = this.#position++ % this.#versions.length;
      const version = (this.#versions[key] ?? 0) + 1;
      this.#versions[key] = version;
      const actor = `counter/${keyOf(key)}`;
      events.push([this.#position, actor, version, "Incremented", 1, by1, at, ids.next(), null, null]);
      if (version % counter.snapshotEvery === 0) {
        snapshots.push([actor, version, counter.fingerprint, JSON.stringify({ value: version })]);
      }
    }
    return { events, snapshots };
  }
}

/** The key of the nth actor, the same in all measurements. */
export function keyOf(index: number): string {
  return `bench-${index}`;
}
