import type { SeenEvent } from "./fold.ts";
import type { Violations } from "./violations.ts";

interface Seen {
  /** The last event of the saga's journal, where that is an end. */
  end?: string;
  /** How often each of its steps was recorded, by the event's type. */
  readonly counts: Map<string, number>;
}

const ends = new Set(["Completed", "Failed", "Cancelled", "TimedOut"]);

/** Sagas: each one that was begun comes to its end, with all of its steps or none, whatever is killed. */
export class Moves {
  readonly #seen = new Map<string, Seen>();
  /** Those that were sent: whether they are wanted, by their ids. */
  readonly #sent = new Map<string, boolean>();
  /** Those that were accepted, or have begun, and are not yet as they should be in the end. */
  readonly #open = new Set<string>();

  constructor(private readonly violations: Violations) {}

  /** How many have come to their ends. */
  get ended(): number {
    return this.#seen.size - this.#open.size;
  }

  get isComplete(): boolean {
    return this.#open.size === 0;
  }

  send(id: string, isWanted: boolean): void {
    this.#sent.set(id, isWanted);
  }

  /** The server has said that it is on its way. */
  accepted(id: string): void {
    this.#look(id);
  }

  /** An event of a saga's journal. */
  takeJournal({ actor, type }: SeenEvent): void {
    const id = actor.slice(actor.indexOf("/") + 1);
    const seen = this.#of(id);
    if (!this.#sent.has(id)) this.violations.add(`Nobody began the saga ${id}`);
    if (seen.end !== undefined) this.violations.add(`Saga ${id} went on with ${type} after ${seen.end}`);
    if (ends.has(type)) seen.end = type;
    this.#look(id);
  }

  /** What a saga's step has recorded; another shard's may be seen before it. */
  takeStep({ type, payload }: SeenEvent): void {
    const id = String(payload.move);
    const { counts } = this.#of(id);
    counts.set(type, (counts.get(type) ?? 0) + 1);
    this.#look(id);
  }

  /** To be called when nothing is on its way any more. */
  check(): void {
    for (const id of this.#open) {
      this.violations.add(`Saga ${id} should be ${this.#wanted(id)}, and is ${this.#found(id)}`);
    }
  }

  #look(id: string): void {
    if (this.#found(id) === this.#wanted(id)) this.#open.delete(id);
    else this.#open.add(id);
  }

  /** The receiver takes it, or refuses it for good. */
  #wanted(id: string): string {
    return this.#sent.get(id) ? "Completed: Given 1, Taken 1" : "Failed: Returned 1, Taken 1";
  }

  #found(id: string): string {
    const { end = "under way", counts } = this.#of(id);
    return `${end}: ${[...counts].map(([type, count]) => `${type} ${count}`).sort().join(", ")}`;
  }

  #of(id: string): Seen {
    const seen = this.#seen.get(id) ?? { counts: new Map() };
    this.#seen.set(id, seen);
    return seen;
  }
}
