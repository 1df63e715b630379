import { killPlaces, type Ordeal } from "./kill_points.ts";
import type { Random } from "./random.ts";

/** How one life of the server goes. */
export interface RoundPlan {
  /** Killed after so many milliseconds, served or not. */
  readonly startMs?: number;
  /** Whether what it says is checked before the load. */
  readonly isChecked: boolean;
  /** The kill comes after so many acknowledged commands. */
  readonly acknowledged: number;
  readonly ordeal?: Ordeal;
}

export interface PlanOptions {
  readonly acknowledgedMax: number;
  /** Whether some servers are killed while they start, after a random time. */
  readonly killsStarting: boolean;
  /** Of the rounds: those whose server ends itself at a point of the way of a commit. */
  readonly pointShare: number;
}

/** So that some checks come after several kills. */
const UNCHECKED_SHARE = 0.25;
const STARTING_SHARE = 0.15;
const STARTING_MS_MAX = 600;
/** Of the lives whose clock is set; the log's time never goes back, and what waits is handled all the same. */
const CLOCK_SHARE = 0.5;
const CLOCK_OFF_MS_MAX = 3_600_000;
/** A life that ends itself does so in one of its first writes: often while it starts, more often under load. */
const WRITES_MAX = 80;
const FIRST_WRITES_SHARE = 0.25;
const FIRST_WRITES_MAX = 12;

/** Chooses how lives go, so that each point has its turn. */
export class Plans {
  #places = 0;

  constructor(private readonly random: Random, private readonly options: PlanOptions) {}

  next(): RoundPlan {
    const { random, options: { acknowledgedMax, killsStarting, pointShare } } = this;
    const clock = random.chance(CLOCK_SHARE) ? [this.#clockOffMs(), this.#clockOffMs()] as const : undefined;
    if (random.chance(pointShare)) {
      const [point, database] = killPlaces[this.#places++ % killPlaces.length] ?? ["sealed", "shard"];
      const at = random.int(1, random.chance(FIRST_WRITES_SHARE) ? FIRST_WRITES_MAX : WRITES_MAX);
      const [first = 0, later = 0] = clock ?? [];
      return {
        // Otherwise the end would come while it is checked.
        isChecked: false,
        acknowledged: acknowledgedMax,
        ordeal: { kill: { point, database, at }, clockOffMs: [first, later] },
      };
    }
    const isStartKilled = killsStarting && random.chance(STARTING_SHARE);
    return {
      ...isStartKilled ? { startMs: random.int(0, STARTING_MS_MAX) } : {},
      isChecked: !random.chance(UNCHECKED_SHARE),
      // Many rounds end soon after their start: what was left by the last one is then still being worked on.
      acknowledged: random.chance(0.2) ? 0 : Math.ceil(acknowledgedMax * random.next() ** 2),
      ...clock ? { ordeal: { clockOffMs: [...clock] } } : {},
    };
  }

  /** Either way, seconds as often as an hour. */
  #clockOffMs(): number {
    const size = Math.floor(CLOCK_OFF_MS_MAX ** this.random.next());
    return this.random.chance(0.5) ? -size : size;
  }
}
