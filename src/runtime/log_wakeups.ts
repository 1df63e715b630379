import { Signal } from "../core/signal.ts";
import type { EventRow } from "../store/events.ts";

/** What a commit has added to the shard's log. */
export interface LogGrowth {
  /** Position before it. */
  readonly after: number;
  readonly upTo: number;
  /** `actor-type/Event` of all that came. */
  readonly types: ReadonlySet<string>;
}

/** Wakes who follows a shard's log or outbox, after each commit. They are given hints, and read from the disk. */
export class LogWakeups {
  /** Told after each commit that added events. */
  readonly committed = new Signal<LogGrowth>();
  /** Told when messages for other shards are on disk. */
  readonly outboxFilled = new Signal();
  /** By actor; none without listeners. */
  readonly #watched = new Map<string, Signal>();

  /** Tells `listener` when events of an actor are on disk. @returns A function that ends it. */
  watch(actor: string, listener: () => void): () => void {
    const signal = this.#watched.get(actor) ?? new Signal();
    this.#watched.set(actor, signal);
    const unsubscribe = signal.subscribe(listener);
    return () => {
      unsubscribe();
      if (signal.isEmpty && this.#watched.get(actor) === signal) this.#watched.delete(actor);
    };
  }

  /**
   * A commit is on disk.
   *
   * @param after Position before its events.
   * @param outbox How many messages it has for other shards.
   */
  wake(after: number, events: readonly EventRow[], outbox: number): void {
    if (events.length > 0 && !this.committed.isEmpty) {
      this.committed.emit({ after, upTo: after + events.length, types: typesOf(events) });
    }
    if (this.#watched.size > 0) {
      for (const [, actor] of events) this.#watched.get(actor)?.emit();
    }
    if (outbox > 0) this.outboxFilled.emit();
  }
}

function typesOf(events: readonly EventRow[]): Set<string> {
  const types = new Set<string>();
  let [prefix, seen] = ["", ""];
  for (const [, actor, , type] of events) {
    if (type === seen && actor.startsWith(prefix)) continue; // as nearly all are
    [prefix, seen] = [actor.slice(0, actor.indexOf("/") + 1), type];
    types.add(prefix + type);
  }
  return types;
}
