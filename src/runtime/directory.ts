import type { Activation } from "./activation.ts";

/** The live actors of a shard, least recently used first, in bounded number. */
export class Directory {
  readonly #activations = new Map<string, Activation>();

  get size(): number {
    return this.#activations.size;
  }

  get(name: string): Activation | undefined {
    return this.#activations.get(name);
  }

  add(activation: Activation): void {
    this.#activations.set(activation.name, activation);
  }

  /** Moves an activation to the end of the line of those to be passivated. */
  touch(activation: Activation, now: number): void {
    // Precise to a second: moving it for each message would cost more than the order is worth.
    if (now - activation.lastUsedAt < 1_000) return;
    activation.lastUsedAt = now;
    this.#activations.delete(activation.name);
    this.#activations.set(activation.name, activation);
  }

  delete(activation: Activation): void {
    this.#activations.delete(activation.name);
  }

  clear(): void {
    this.#activations.clear();
  }

  /** Live actors as they are, least recently used first. */
  values(): Iterable<Activation> {
    return this.#activations.values();
  }

  /**
   * Drops idle activations while there are more than `max`, and those not used since `usedBefore`. One that
   * has messages, or events that are not yet on disk, stays.
   */
  passivate(options: { max: number; usedBefore: number; durableCommit: number }): void {
    let looked = 0;
    for (const activation of this.#activations.values()) {
      const isOver = this.#activations.size > options.max;
      if (!isOver && activation.lastUsedAt >= options.usedBefore) return;
      if (++looked > LOOKED_AT_MAX) return;
      if (isIdle(activation, options.durableCommit)) this.#activations.delete(activation.name);
    }
  }
}

/** Activations looked at in one go, so that one sweep stays short. */
const LOOKED_AT_MAX = 10_000;

function isIdle(activation: Activation, durableCommit: number): boolean {
  return activation.mailbox.length === 0 && activation.readers.length === 0 &&
    activation.dirtyCommit <= durableCommit && (activation.phase === "live" || activation.phase === "cold");
}
