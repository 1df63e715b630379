import type { SeenEvent } from "./fold.ts";
import type { Violations } from "./violations.ts";

/** One answering of the log: the reactor's first (0), or a replay of that number. */
interface Run {
  /** What has been echoed, by `shard:position`. */
  readonly echoed: Set<string>;
  /** The last one, by receiver and shard. */
  readonly last: Map<string, number>;
}

/** What a reactor has sent about each increment: exactly one message a run, in the order of the log. */
export class Echoes {
  readonly #increments = new Set<string>();
  /** Increments that nobody has echoed yet, and the reverse: one side may be seen before the other. */
  readonly #open = new Set<string>();
  readonly #runs = new Map<number, Run>();
  /** What replays must have sent, by their number: `after` < position <= `upTo`. */
  readonly #promised = new Map<
    number,
    { after: ReadonlyMap<number, number>; upTo: ReadonlyMap<number, number> }
  >();
  #count = 0;

  constructor(private readonly violations: Violations) {}

  get count(): number {
    return this.#count;
  }

  get replays(): number {
    return [...this.#runs.keys()].filter((run) => run > 0).length;
  }

  get isComplete(): boolean {
    return this.#open.size === 0;
  }

  take(event: SeenEvent): void {
    if (event.type === "Incremented") this.#incremented(event);
    if (event.type === "Echoed") this.#echoed(event);
  }

  /** The last increment that has been echoed, by shard: the reactor has seen at least so much. */
  reached(): Map<number, number> {
    const reached = new Map<number, number>();
    for (const place of this.#runs.get(0)?.echoed ?? []) {
      const [shard, position] = positionOf(place);
      reached.set(shard, Math.max(position, reached.get(shard) ?? 0));
    }
    return reached;
  }

  /** A replay has been promised: `after` < position <= `upTo`, if not more. */
  promise(run: number, after: ReadonlyMap<number, number>, upTo: ReadonlyMap<number, number>): void {
    this.#promised.set(run, { after, upTo });
  }

  /** To be called when nothing is on its way any more. */
  check(): void {
    for (const place of this.#open) {
      const what = this.#increments.has(place)
        ? "Increment was never echoed"
        : "Nobody incremented what is echoed";
      this.violations.add(`${what}: ${place}`);
    }
    for (const gap of this.replayGaps()) this.violations.add(gap);
  }

  /** What replays have not sent yet, in words. */
  replayGaps(): string[] {
    const gaps: string[] = [];
    for (const [run, { after, upTo }] of this.#promised) {
      const echoed = this.#runs.get(run)?.echoed;
      for (const place of this.#increments) {
        const [shard, position] = positionOf(place);
        const isPromised = position > (after.get(shard) ?? 0) && position <= (upTo.get(shard) ?? 0);
        if (isPromised && !echoed?.has(place)) gaps.push(`Replay ${run} has left out ${place}`);
      }
    }
    return gaps;
  }

  #incremented({ shard, position }: SeenEvent): void {
    const place = `${shard}:${position}`;
    this.#increments.add(place);
    if (this.#runs.get(0)?.echoed.has(place)) this.#open.delete(place);
    else this.#open.add(place);
  }

  #echoed({ actor, messageId, payload }: SeenEvent): void {
    this.#count++;
    const place = `${payload.shard}:${payload.position}`;
    const [, number = "0", id] = /^echoes(?:~(\d+))?\.(\d+\.\d+)\.0$/.exec(messageId) ?? [];
    if (id !== `${payload.shard}.${payload.position}`) {
      return this.violations.add(`Echo of ${place} is the message ${messageId}`);
    }
    const run = this.#runs.get(Number(number)) ?? { echoed: new Set(), last: new Map() };
    this.#runs.set(Number(number), run);
    if (run.echoed.has(place)) this.violations.add(`Increment was echoed twice in run ${number}: ${place}`);
    run.echoed.add(place);
    const way = `${actor} ${payload.shard}`;
    const last = run.last.get(way) ?? 0;
    if (Number(payload.position) < last) {
      this.violations.add(`Echo of ${place} came after ${last}, to ${actor}`);
    }
    run.last.set(way, Number(payload.position));
    if (Number(number) > 0) return;
    if (this.#increments.has(place)) this.#open.delete(place);
    else this.#open.add(place);
  }
}

function positionOf(place: string): [shard: number, position: number] {
  const [shard = NaN, position = NaN] = place.split(":").map(Number);
  return [shard, position];
}
