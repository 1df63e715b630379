/** One thing that is wrong, and where. */
export interface Finding {
  /** Which check has found it. */
  readonly check: string;
  /** File, actor, position or id. */
  readonly where: string;
  readonly what: string;
}

/** Findings that are told of one check; the others are counted. */
const TOLD_MAX = 20;

/** What the checks have looked at, and what is wrong with it. */
export class Findings {
  readonly told: Finding[] = [];
  /** What was looked at, in the order of the checks: `events` → 1,000. */
  readonly counts = new Map<string, number>();
  /** What could not be checked, and why: no fault, but no proof either. */
  readonly notes: string[] = [];
  /** Where hash chains end: `shard.position.hash`. */
  readonly heads: string[] = [];
  readonly #found = new Map<string, number>();

  /** @param progress Is told how many events have been read, of how many, and for what. */
  constructor(readonly progress: (done: number, total: number, what: string) => void = () => {}) {}

  /** How many things are wrong, those that are not told included. */
  get total(): number {
    return [...this.#found.values()].reduce((sum, count) => sum + count, 0);
  }

  add(check: string, where: string, what: string): void {
    const found = (this.#found.get(check) ?? 0) + 1;
    this.#found.set(check, found);
    if (found <= TOLD_MAX) this.told.push({ check, where, what });
  }

  count(what: string, many = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + many);
  }

  note(text: string): void {
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  /** Runs one check. What it cannot read is a finding, and the others go on. */
  async check(check: string, where: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.add(check, where, `cannot be read: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** A value that is JSON text, or undefined where it is not. */
export function parsed(text: unknown): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(String(text)) };
  } catch {
    return undefined;
  }
}
