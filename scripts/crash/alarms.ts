import type { SeenEvent } from "./fold.ts";
import type { Violations } from "./violations.ts";

interface Armed {
  readonly dueAt: string;
  /** When another one took its name, or it was dropped. */
  endedAt?: string;
  hasRung: boolean;
}

/** Timers: each rings once, not too early, and not when it had been dropped or set anew before it was due. */
export class Alarms {
  readonly #armed = new Map<string, Armed>();
  /** The tag of the one that has a name now, where it has not rung. */
  readonly #open = new Map<string, string>();
  #rung = 0;

  constructor(private readonly violations: Violations) {}

  /** How many have rung. */
  get rung(): number {
    return this.#rung;
  }

  get isComplete(): boolean {
    return this.#open.size === 0;
  }

  take({ actor, type, payload, at }: SeenEvent): void {
    const tag = `${actor} ${payload.tag}`;
    if (type === "Rang") return this.#rang(tag, at);
    const name = `${actor} ${payload.name}`;
    const before = this.#armed.get(this.#open.get(name) ?? "");
    if (before) before.endedAt = at;
    this.#open.delete(name);
    if (type !== "Armed") return;
    this.#armed.set(tag, { dueAt: new Date(Number(payload.dueAt)).toISOString(), hasRung: false });
    this.#open.set(name, tag);
  }

  /** To be called when nothing is on its way any more. */
  check(): void {
    for (const [name, tag] of this.#open) this.violations.add(`Timer ${name} (${tag}) never rang`);
  }

  #rang(tag: string, at: string): void {
    const timer = this.#armed.get(tag);
    if (!timer) return this.violations.add(`Nobody set what rang: ${tag}`);
    const { dueAt, endedAt, hasRung } = timer;
    if (hasRung) this.violations.add(`Timer ${tag} rang twice, the second time at ${at}`);
    if (at < dueAt) this.violations.add(`Timer ${tag} rang at ${at}, too early: it is due at ${dueAt}`);
    if (endedAt !== undefined && endedAt < dueAt) {
      this.violations.add(`Timer ${tag} rang at ${at}, and was ended at ${endedAt}, before it was due`);
    }
    timer.hasRung = true;
    this.#rung++;
    for (const [name, open] of this.#open) if (open === tag) this.#open.delete(name);
  }
}
