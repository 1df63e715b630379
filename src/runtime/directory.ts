import { parseActorName } from "../core/message.ts";
import { Activation } from "./activation.ts";
import type { World } from "./world.ts";

/** The live actors of a shard, least recently used first, in bounded number. */
export class Directory {
  readonly #activations = new Map<string, Activation>();
  #cancelSweep: () => void = () => {};

  /** @param committer Says up to which commit all is on disk. */
  constructor(private readonly world: World, private readonly committer: { readonly durableIndex: number }) {}

  get size(): number {
    return this.#activations.size;
  }

  get(name: string): Activation | undefined {
    return this.#activations.get(name);
  }

  /** The activation of an actor, a cold one where there was none. It is the last to be passivated now. */
  activate(actor: string): Activation {
    const now = this.world.clock.now();
    let activation = this.#activations.get(actor);
    if (activation) this.#touch(activation, now);
    else {
      const { type, key } = parseActorName(actor);
      activation = new Activation(actor, key, this.world.registry.actors.get(type));
      activation.lastUsedAt = now;
      // Room is made before it is added: it is still idle, and would be the one to go.
      if (this.#activations.size >= this.world.limits.activationsMax * 1.1) this.#passivate();
      this.#activations.set(actor, activation);
    }
    return activation;
  }

  /** From now on, drops those that have been idle for long, now and then. @returns A function that ends it. */
  startSweeping(): () => void {
    this.#cancelSweep = this.world.clock.after(this.world.limits.passivateAfterMs / 4, () => {
      this.#passivate();
      this.startSweeping();
    });
    return () => this.#cancelSweep();
  }

  /** Moves an activation to the end of the line of those to be passivated. */
  #touch(activation: Activation, now: number): void {
    // Precise to a second: moving it for each message would cost more than the order is worth.
    if (now - activation.lastUsedAt < 1_000) return;
    activation.lastUsedAt = now;
    this.#activations.delete(activation.name);
    this.#activations.set(activation.name, activation);
  }

  clear(): void {
    this.#activations.clear();
  }

  /** Live actors as they are, least recently used first. */
  values(): Iterable<Activation> {
    return this.#activations.values();
  }

  /**
   * Drops idle activations while there are too many, and those not used for long. One that has messages, or
   * events that are not yet on disk, stays, and goes to the end of the line: ten thousand that cannot go must not
   * keep those behind them.
   */
  #passivate(): void {
    const { activationsMax, passivateAfterMs } = this.world.limits;
    const usedBefore = this.world.clock.now() - passivateAfterMs;
    let left = Math.min(this.#activations.size, LOOKED_AT_MAX);
    for (const activation of this.#activations.values()) {
      const isOver = this.#activations.size > activationsMax;
      if (!isOver && activation.lastUsedAt >= usedBefore) return;
      if (left-- === 0) return;
      this.#activations.delete(activation.name);
      if (!isIdle(activation, this.committer.durableIndex)) {
        this.#activations.set(activation.name, activation);
      }
    }
  }
}

/** Activations looked at in one go, so that one sweep stays short. */
const LOOKED_AT_MAX = 10_000;

function isIdle(activation: Activation, durableCommit: number): boolean {
  return activation.mailbox.length === 0 && activation.readers.length === 0 &&
    activation.dirtyCommit <= durableCommit && (activation.phase === "live" || activation.phase === "cold");
}
