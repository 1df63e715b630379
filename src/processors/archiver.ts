import type { ArchivePolicy } from "../core/actor.ts";
import { errorMessage } from "../core/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Shard } from "../runtime/shard.ts";
import { type ArchivedRow, type ClosedActor, copyToArchive, readClosed } from "../store/archive.ts";

const INTERVAL_MS = 600_000;
/** Events looked through in one query. */
const EVENTS_PER_PAGE = 10_000;
/** Events moved in one go: a commit waits for no longer than it takes to copy them. */
const EVENTS_PER_MOVE = 1_000;

/** A type whose actors are archived. */
interface Archived {
  readonly type: string;
  readonly policy: ArchivePolicy;
  /** Up to where each shard's log was looked through: what is not closed there has a later event if it ever is. */
  readonly reached: Map<number, number>;
}

/**
 * Moves the events of closed actors into the archives of their shards, as `store/archive.ts` says. Whether an
 * actor is closed decides only about where its events lie, never about what is read: one that comes to life
 * meanwhile has its later events in the shard's database, and its earlier ones in the archive.
 */
export class Archiver {
  #cancel: () => void = () => {};
  #run: Promise<void> = Promise.resolve();
  #isStopped = false;
  readonly #types: readonly Archived[];

  constructor(private readonly runtime: Runtime) {
    this.#types = [...runtime.registry.actors.values()].flatMap(({ name, archive }) =>
      archive ? [{ type: name, policy: archive, reached: new Map() }] : []
    );
  }

  start(): void {
    if (this.#types.length === 0) return;
    if (this.runtime.shards.some(({ store }) => !store.hasArchive)) {
      const types = this.#types.map(({ type }) => type).join(", ");
      this.runtime.log("warn", "Nothing is archived: the store is no folder", { types });
      return;
    }
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#run;
  }

  /**
   * Archives what is due in all shards that have an archive.
   *
   * @returns How many events were moved.
   */
  async runOnce(): Promise<number> {
    let moved = 0;
    for (const shard of this.runtime.shards) {
      if (!shard.store.hasArchive) continue;
      for (const type of this.#types) moved += await this.#archive(shard, type);
    }
    return moved;
  }

  #schedule(): void {
    this.#cancel = this.runtime.clock.after(INTERVAL_MS, () => {
      this.#run = this.runOnce().then(
        (events) => {
          if (events > 0) this.runtime.log("info", "Events of closed actors were archived", { events });
        },
        (error) => this.runtime.log("warn", "Events cannot be archived", { error: errorMessage(error) }),
      ).then(() => {
        if (!this.#isStopped) this.#schedule();
      });
    });
  }

  /** @returns How many events were moved. */
  async #archive(shard: Shard, { type, policy, reached }: Archived): Promise<number> {
    const closedUpTo = this.runtime.clock.now() - policy.afterMs;
    let after = reached.get(shard.number) ?? 0;
    /** Before the first closed actor that has to be looked at again. */
    let again = Infinity;
    let moved = 0;
    while (!this.#isStopped) {
      const query = { type, closedBy: policy.closedBy, closedUpTo, after, limit: EVENTS_PER_PAGE };
      const page = await readClosed(shard.store.database, query);
      if (page.reached === undefined) break;
      const isAwaited = ({ isAwaited }: ClosedActor) => isAwaited;
      again = Math.min(again, ...page.closed.filter(isAwaited).map(({ position }) => position - 1));
      moved += await this.#move(shard, page.closed.filter((actor) => !isAwaited(actor)));
      after = page.reached;
      reached.set(shard.number, Math.min(after, again));
    }
    return moved;
  }

  async #move(shard: Shard, closed: readonly ClosedActor[]): Promise<number> {
    let moved = 0;
    for (const { rows, events } of movesOf(closed)) {
      if (this.#isStopped) break;
      await copyToArchive(shard.store.database, rows);
      await shard.archive(rows);
      moved += events;
    }
    return moved;
  }
}

/** So many events at a time; a long stream goes in parts, the oldest first. */
function* movesOf(closed: readonly ClosedActor[]): Generator<{ rows: ArchivedRow[]; events: number }> {
  let rows: ArchivedRow[] = [];
  let events = 0;
  for (const { actor, first, version } of closed) {
    for (let from = first; from <= version;) {
      const upTo = Math.min(version, from + EVENTS_PER_MOVE - events - 1);
      rows.push([actor, upTo]);
      events += upTo - from + 1;
      from = upTo + 1;
      if (events < EVENTS_PER_MOVE) continue;
      yield { rows, events };
      [rows, events] = [[], 0];
    }
  }
  if (events > 0) yield { rows, events };
}
