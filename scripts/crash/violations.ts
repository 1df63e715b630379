const KEPT_MAX = 50;

/** What should not be, in words. */
export class Violations {
  readonly all: string[] = [];
  #left = 0;
  readonly #found = Promise.withResolvers<void>();

  /** Resolves with the first one. */
  get found(): Promise<void> {
    return this.#found.promise;
  }

  add(what: string): void {
    this.#found.resolve();
    if (this.all.length < KEPT_MAX) this.all.push(what);
    else this.#left++;
  }

  get count(): number {
    return this.all.length + this.#left;
  }

  toString(): string {
    const lines = this.all.map((what) => `  - ${what}`);
    if (this.#left > 0) lines.push(`  and ${this.#left} more`);
    return lines.join("\n");
  }
}
