import type { FaultCounts } from "../../src/testing/mod.ts";
import type { ExamResult } from "./exam.ts";

/** What seeds have come to, together. */
export class Tally {
  readonly failed: Omit<ExamResult, "trace">[] = [];
  readonly #startedAt = performance.now();
  readonly #faults: FaultCounts = {};
  #seeds = 0;
  #turns = 0;
  #events = 0;
  #archived = 0;
  #refused = 0;

  add(result: Omit<ExamResult, "trace">): void {
    this.#seeds++;
    this.#turns += result.turns;
    this.#events += result.events;
    this.#archived += result.archived;
    this.#refused += result.refused;
    for (const [kind, count] of Object.entries(result.faults)) {
      this.#faults[kind] = (this.#faults[kind] ?? 0) + count;
    }
    if (result.violations.length > 0) this.failed.push(result);
  }

  /** @param first The first seed. */
  sums(first: number) {
    const minutes = (performance.now() - this.#startedAt) / 60_000;
    return {
      ...{ seeds: this.#seeds, first, turns: this.#turns, events: this.#events },
      ...{ archived: this.#archived, refused: this.#refused },
      ...{ faults: this.#faults, failed: this.failed.length, perMinute: Math.round(this.#seeds / minutes) },
    };
  }

  summary(from: number): string {
    const seconds = (performance.now() - this.#startedAt) / 1_000;
    const kinds = Object.entries(this.#faults).sort(([a], [b]) => a < b ? -1 : 1);
    const faults = kinds.reduce((sum, [, count]) => sum + count, 0);
    const rate = (count: number) => Math.round(count / seconds);
    return [
      `${this.#seeds} seeds from ${from}: ${this.#turns} turns, ${this.#events} events, ${this.#archived} of them ` +
      `archived meanwhile, ${this.#refused} tries refused for want of room, ${faults} faults; ` +
      `${this.failed.length} failed.`,
      `Faults: ${kinds.map(([kind, count]) => `${kind} ${count}`).join(", ")}.`,
      `In ${seconds.toFixed(1)} s: ${rate(this.#seeds * 60)} seeds a minute, ${
        rate(this.#turns)
      } turns and ` +
      `${rate(faults)} faults a second.`,
    ].join("\n");
  }
}
