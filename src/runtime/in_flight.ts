import type { Commit } from "../store/commit.ts";
import type { Head } from "../store/engine.ts";
import type { OpenCommit } from "./open_commit.ts";

/** A commit on its way. */
export interface Sent {
  readonly commit: OpenCommit;
  readonly id: string;
  /** It changes nothing, and is only to be confirmed; its id is that of the one before it. */
  readonly isEmpty: boolean;
  /** Undefined until the engine has answered. */
  answer?: { readonly error?: unknown };
}

/**
 * The commits on their way, oldest first, and the newest durable one that they are built on. Indexes are counted
 * here, and nowhere else.
 *
 * Invariants:
 * 1. Those on their way have the indexes after the durable one, without gaps; an empty one has none.
 * 2. They leave in their order: the oldest is durable, or all are lost.
 */
export class InFlight {
  #sent: Sent[] = [];
  #index: number;
  #id: string;

  constructor(head: Head) {
    this.#index = head.index;
    this.#id = head.id;
  }

  get length(): number {
    return this.#sent.length;
  }

  get oldest(): Sent | undefined {
    return this.#sent[0];
  }

  /** Index of the newest durable commit. */
  get durableIndex(): number {
    return this.#index;
  }

  /** Changes in all of them. */
  get changes(): number {
    return this.#sent.reduce((count, { commit }) => count + commit.changes, 0);
  }

  /** Index that the next commit will have. */
  get nextIndex(): number {
    let index = this.#index + 1;
    for (const { isEmpty } of this.#sent) if (!isEmpty) index++;
    return index;
  }

  /** What the engine is asked about, where it is not known what became of them. */
  get places(): Pick<Commit, "index" | "id">[] {
    return this.#sent.filter(({ isEmpty }) => !isEmpty)
      .map(({ id }, place) => ({ index: this.#index + 1 + place, id }));
  }

  /** A commit has been sent. */
  add(commit: OpenCommit, id: string): Sent {
    return this.#add({ commit, id, isEmpty: false });
  }

  /** It is being asked whether the newest durable commit is still the head. */
  addEmpty(commit: OpenCommit): Sent {
    return this.#add({ commit, id: this.#id, isEmpty: true });
  }

  #add(sent: Sent): Sent {
    this.#sent.push(sent);
    return sent;
  }

  /** The oldest is durable. */
  land(): Sent | undefined {
    const sent = this.#sent.shift();
    if (!sent || sent.isEmpty) return sent;
    this.#index++;
    this.#id = sent.id;
    return sent;
  }

  /** How many are durable when the head is this one. */
  countUpTo(headId: string): number {
    return this.#sent.findIndex(({ id }) => id === headId) + 1;
  }

  /** How many are durable when so many are that write something: empty ones before those are, too. */
  countOf(landed: number): number {
    let count = 0;
    for (let left = landed; left > 0 && count < this.#sent.length; count++) {
      if (!this.#sent[count]?.isEmpty) left--;
    }
    return count;
  }

  /** All are lost. */
  lose(): Sent[] {
    return this.#sent.splice(0);
  }
}
