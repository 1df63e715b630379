import type { CommandRequest } from "../../src/mod.ts";
import type { Simulation } from "../../src/testing/mod.ts";
import { type examModules, taintedPlaces, UNWRITABLE } from "./modules.ts";

const purses = ["a", "b", "c"];
/** The longest timer or delay that a client asks for. */
export const DELAY_MS_MAX = 60_000;

/** What a client does next. */
export interface Choice {
  /**
   * `ask`: a command whose answer is waited for; `send`: one that comes later, of which only the admission is;
   * `read`: the state.
   */
  readonly kind: "ask" | "send" | "read";
  readonly request: CommandRequest;
  /** From now on: when it is delivered, or too late. */
  readonly afterMs?: number;
  readonly expiresMs?: number;
  /** The store takes nothing of it. */
  readonly isTainted?: boolean;
}

/** How many of all, where disks do not take everything. */
const TAINTED = 0.25;

/** Chooses what clients do, so that nothing of it comes twice. */
export class Workload {
  #notes = 0;
  #paid = 0;
  #moves = 0;

  constructor(
    private readonly sim: Simulation,
    private readonly purse: ReturnType<typeof examModules>["purse"],
    /** Whether some of what is asked is not for the disks. */
    private readonly isTainting = false,
  ) {}

  next(): Choice {
    const { sim } = this;
    const key = this.#pick(purses);
    const ref = this.purse.ref(key);
    if (this.isTainting && sim.random() < TAINTED) return this.#tainted(key);
    const chance = sim.random();
    if (chance < 0.1) return { kind: "ask", request: this.#move(key) };
    if (chance < 0.17) {
      const note = ++this.#notes;
      return { kind: "send", request: ref.ring({ note }), afterMs: this.#delayMs() };
    }
    if (chance < 0.3) return { kind: "read", request: ref.look({}) };
    if (chance < 0.36) {
      return {
        kind: "ask",
        request: ref.deposit({ amount: 1, times: 1 }),
        expiresMs: Math.floor(this.#delayMs() / 20),
      };
    }
    return { kind: "ask", request: this.#command(key) };
  }

  #tainted(key: string): Choice {
    const where = this.#pick(taintedPlaces);
    const mark = where === "input" ? UNWRITABLE : "";
    const request = this.purse.ref(key).taint({ where, to: this.#pick(purses), mark });
    if (this.sim.random() < 0.3) return { kind: "ask", request, isTainted: true };
    const afterMs = this.sim.random() < 0.5 ? 0 : this.#delayMs();
    return { kind: "send", request, afterMs, isTainted: true };
  }

  #command(key: string): CommandRequest {
    const { sim } = this;
    const ref = this.purse.ref(key);
    const amount = 1 + Math.floor(sim.random() * 20);
    const name = this.#pick(["x", "y"]);
    switch (Math.floor(sim.random() * 8)) {
      case 0:
      case 1:
        return ref.deposit({ amount, times: 1 + Math.floor(sim.random() * 4) });
      case 2:
        return ref.withdraw({ amount });
      case 3:
      case 4:
        return ref.pay({ to: this.#pick(purses), n: ++this.#paid, amount: Math.ceil(amount / 4) });
      case 5:
        return ref.remind({ name, note: ++this.#notes, afterMs: this.#delayMs() });
      case 6:
        return sim.random() < 0.5 ? ref.drop({ name }) : ref.look({});
      default:
        return ref.print({});
    }
  }

  #move(from: string): CommandRequest {
    const { sim } = this;
    const move = `move-${++this.#moves}`;
    const amount = 1 + Math.floor(sim.random() * 10);
    const input = { move, amount, from, to: this.#pick(purses), isWanted: sim.random() < 0.7 };
    return { type: "move", key: move, command: "start", input: { input } };
  }

  #delayMs(): number {
    return Math.floor(this.sim.random() ** 2 * DELAY_MS_MAX);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.sim.random() * from.length)] as T;
  }
}
