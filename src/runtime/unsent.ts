import type { FolioError } from "../core/errors.ts";
import { OpenCommit } from "./open_commit.ts";

/** What is known of a change, beside what it writes. */
export interface ChangeOptions {
  /** Told when the store refuses a commit with nothing but this change; those whose releases it has are told, too. */
  readonly refused?: ((error: FolioError) => void) | undefined;
  /** The store has refused the like of it: nobody else's changes share its commit. */
  readonly isSuspect?: boolean;
}

/** Changes go alone for so many times as many as there were in what was lost: some are made of others. */
const ALONE_FACTOR = 2;

/**
 * The commits that have not been sent: the open one, and, after the store has refused one with several changes in
 * it, those before it with one change each, so that the next refusal tells which it is.
 *
 * A change is what is kept or refused as one: a turn, an admission, a timer that fires, what a service records.
 */
export class Unsent {
  #open = new OpenCommit();
  /** Behind what is on its way, before the open one. */
  readonly #cut: OpenCommit[] = [];
  /** So many more changes go alone. */
  #alone = 0;
  #isChanging = false;

  constructor(private readonly shard: number) {}

  /** The commit that is joined now. */
  get open(): OpenCommit {
    return this.#open;
  }

  /** The commit that is sent next. */
  get next(): OpenCommit {
    return this.#cut[0] ?? this.#open;
  }

  get isSingling(): boolean {
    return this.#alone > 0;
  }

  /** Whether commits wait before the open one. */
  get hasCut(): boolean {
    return this.#cut.length > 0;
  }

  get hasRows(): boolean {
    return this.#open.hasRows || this.#cut.some(({ hasRows }) => hasRows);
  }

  /** How many commits that write something wait before the open one. */
  get ahead(): number {
    return this.#cut.length === 0 ? 0 : this.#cut.filter(({ hasRows }) => hasRows).length;
  }

  /** Changes in all of them. */
  get changes(): number {
    return this.#cut.reduce((count, { changes }) => count + changes, this.#open.changes);
  }

  /** Whether a change is just being made: a turn begun now would be part of it. */
  get isChanging(): boolean {
    return this.#isChanging;
  }

  /** Lets what `join` adds to the open commit be one change. One within another is part of that. */
  change<Result>(join: () => Result, options?: ChangeOptions): Result {
    if (this.#isChanging) return join();
    if (options?.isSuspect) this.#alone = Math.max(this.#alone, 1);
    if (this.#alone > 0) this.#cutOff();
    const open = this.#open;
    const first = open.releases.length;
    this.#isChanging = true;
    try {
      return join();
    } finally {
      this.#isChanging = false;
      // One that came to nothing would be held against the next one.
      if (!isEmpty(open)) {
        open.changes++;
        if (open.changes === 1) open.only = { first, end: open.releases.length, refused: options?.refused };
        if (this.#alone > 0) {
          open.isSingle = true;
          this.#cutOff();
        }
      }
    }
  }

  /** Takes the next commit, which is sent or has nothing to be sent. */
  take(): OpenCommit {
    const commit = this.#cut.shift();
    if (commit) return commit;
    const open = this.#open;
    this.#open = new OpenCommit();
    return open;
  }

  /** Takes all: they are lost. */
  takeAll(): OpenCommit[] {
    const all = [...this.#cut.splice(0), this.#open];
    this.#open = new OpenCommit();
    return all;
  }

  /** A commit is durable. */
  landed(commit: OpenCommit): void {
    if (commit.isSingle && this.#alone > 0) this.#alone--;
  }

  /** From now on, changes go alone. @param lost How many there were in what was lost. */
  goAlone(lost: number): void {
    this.#alone = Math.max(this.#alone, ALONE_FACTOR * lost);
  }

  #cutOff(): void {
    if (isEmpty(this.#open)) return;
    this.#open.cutOff(this.shard);
    this.#cut.push(this.#open);
    this.#open = new OpenCommit();
  }
}

function isEmpty({ hasRows, releases }: OpenCommit): boolean {
  return !hasRows && releases.length === 0;
}
