import type { SeenEvent } from "./fold.ts";
import type { Violations } from "./violations.ts";

interface Seen {
  /** How many have to hear of it; undefined until that event is seen. */
  listeners?: number;
  /** How often each event was seen, by its type. */
  readonly counts: Map<string, number>;
}

/** Commits of which everything follows that can: all of it once, or none where they were lost. */
export class Volleys {
  readonly #seen = new Map<number, Seen>();
  /** Those of which not all has been seen, or too much. */
  readonly #open = new Set<number>();

  constructor(private readonly violations: Violations) {}

  get isComplete(): boolean {
    return this.#open.size === 0;
  }

  /** How many were fired, with all that follows. */
  get complete(): number {
    return this.#seen.size - this.#open.size;
  }

  /** What follows from a volley may be in another shard, and be seen before it. */
  take({ type, payload }: SeenEvent): void {
    const tag = Number(payload.tag);
    const seen: Seen = this.#seen.get(tag) ?? { counts: new Map() };
    this.#seen.set(tag, seen);
    seen.counts.set(type, (seen.counts.get(type) ?? 0) + 1);
    if (type === "Fired" && Array.isArray(payload.to)) seen.listeners = payload.to.length;
    if (textOf(seen.counts) === wanted(seen)) this.#open.delete(tag);
    else this.#open.add(tag);
  }

  /** To be called when nothing is on its way any more. */
  check(): void {
    for (const tag of this.#open) {
      const seen = this.#seen.get(tag);
      if (seen) this.violations.add(`Volley ${tag} should be ${wanted(seen)}, and is ${textOf(seen.counts)}`);
    }
  }
}

function wanted({ listeners = NaN }: Seen): string {
  return textOf(new Map([["Fired", 1], ["Heard", listeners], ["Burst", 1], ["Stamped", 1]]));
}

function textOf(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([type, count]) => `${type} ${count}`).sort().join(", ");
}
