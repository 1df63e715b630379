import type { StrayReading } from "../core/stray.ts";
import type { Positions } from "../core/token.ts";
import type { ReactorStatus } from "../runtime/reactor_models.ts";
import type { ProjectionStatus } from "../runtime/read_models.ts";
import type { QueueReading } from "../runtime/queues.ts";
import { countDeadLetters, type DeadLetterCount } from "../store/messages.ts";
import type { Database } from "../store/database.ts";

/** What is looked at: a runtime, with what follows its log where there is such. */
export interface Watched {
  readonly clock: { now(): number };
  readonly isDraining: boolean;
  readonly shards: readonly WatchedShard[];
  positions(): Positions;
  readonly projections?: { list(): Pick<ProjectionStatus, "name" | "status" | "lagEvents" | "failure">[] };
  readonly reactors?: { list(): Pick<ReactorStatus, "name" | "status" | "lagEvents" | "failure">[] };
  readonly activities?: { list(): readonly WatchedActivity[] };
  readonly sagas?: WatchedSagas;
  readonly strays?: { list(): readonly StrayReading[] };
}

export interface WatchedShard {
  readonly number: number;
  readonly isServing: boolean;
  readonly activations: number;
  readonly store: { readonly database: Pick<Database, "execute"> };
  queues(): Map<string, QueueReading>;
}

/** An activity, as its workers tell of it. */
export interface WatchedActivity {
  readonly name: string;
  readonly running: number;
  readonly circuit?: { readonly state: "closed" | "open" | "half-open"; readonly error?: string };
}

/** States of sagas that are not at their end. */
export const openSagaStates = ["running", "compensating", "stuck"] as const;
export type OpenSagaState = (typeof openSagaStates)[number];

export interface WatchedSagas {
  /** Names of all sagas. */
  names(): Iterable<string>;
  /** How many instances of a saga are in a state; no more than `limit` are counted. */
  count(saga: string, state: OpenSagaState, limit: number): Promise<number>;
}

/** A projection or a reactor. */
export interface Follower {
  readonly kind: "projection" | "reactor";
  readonly name: string;
  readonly isFailed: boolean;
  readonly error?: string;
  readonly lagEvents: number;
  /** How long ago the oldest event was recorded that it has not seen, to the precision of the looks. */
  readonly lagMs: number;
}

/** Everything that is measured by looking, at one time. */
export interface Sight {
  readonly at: number;
  readonly isDraining: boolean;
  readonly shards: readonly {
    readonly number: number;
    readonly isServing: boolean;
    readonly activations: number;
  }[];
  /** By actor type, or `activity:name`. */
  readonly queues: ReadonlyMap<string, { readonly depth: number; readonly oldestMs: number }>;
  readonly followers: readonly Follower[];
  readonly activities: readonly WatchedActivity[];
  readonly deadLetters: readonly DeadLetterCount[];
  readonly strays: readonly StrayReading[];
  readonly sagas: readonly { readonly saga: string; readonly state: OpenSagaState; readonly count: number }[];
}

/** Dead letters and saga instances counted, at the most: beyond it, the exact number helps nobody. */
export const COUNTED_MAX = 10_000;
/** Instances of sagas are not counted more often: each count looks at all of them. */
const SAGAS_EVERY_MS = 10_000;
/** Looks remembered, to tell how old what has not been seen is. */
const LOOKS_MAX = 1_000;

/** Looks at a runtime. Nothing of it is on the way of a command. */
export class Lookout {
  /** Position of all logs together at past looks, oldest first. */
  #looks: { at: number; position: number }[] = [];
  #deadLetters: readonly DeadLetterCount[] = [];
  #sagas: Sight["sagas"] = [];
  #sagasAt = -Infinity;

  constructor(private readonly watched: Watched) {}

  /** Looks at the disk, too. What cannot be read stays as it was. */
  async look(): Promise<Sight> {
    // A disk that cannot be read is said by the shards that do not serve.
    const unread = () => {};
    await this.#countDeadLetters().then((counts) => this.#deadLetters = counts, unread);
    await this.#countSagas().then((counts) => this.#sagas = counts, unread);
    return this.glance();
  }

  /** Looks at the memory only. */
  glance(): Sight {
    const { clock, shards, activities, strays, isDraining } = this.watched;
    const at = clock.now();
    return {
      at,
      isDraining,
      shards: shards.map(({ number, isServing, activations }) => ({ number, isServing, activations })),
      queues: this.#queues(at),
      followers: this.#followers(at),
      activities: activities?.list() ?? [],
      deadLetters: this.#deadLetters,
      strays: strays?.list() ?? [],
      sagas: this.#sagas,
    };
  }

  #queues(now: number): Sight["queues"] {
    const all = new Map<string, { depth: number; oldestMs: number }>();
    for (const shard of this.watched.shards) {
      for (const [type, { depth, oldestAt }] of shard.queues()) {
        const before = all.get(type) ?? { depth: 0, oldestMs: 0 };
        const oldestMs = Math.max(before.oldestMs, now - oldestAt);
        all.set(type, { depth: before.depth + depth, oldestMs });
      }
    }
    return all;
  }

  #followers(now: number): Follower[] {
    const end = [...this.watched.positions().values()].reduce((sum, position) => sum + position, 0);
    const last = this.#looks.at(-1);
    if (last?.position !== end) this.#looks.push({ at: now, position: end });
    if (this.#looks.length > LOOKS_MAX) this.#looks = this.#looks.filter((_, index) => index % 2 === 0);
    const followers: Follower[] = [];
    const { projections, reactors } = this.watched;
    for (const [kind, list] of [["projection", projections], ["reactor", reactors]] as const) {
      for (const { name, status, lagEvents, failure } of list?.list() ?? []) {
        const lagMs = lagEvents === 0 ? 0 : this.#age(end - lagEvents, now);
        const error = failure ? { error: failure.error } : {};
        followers.push({ kind, name, isFailed: status === "failed", ...error, lagEvents, lagMs });
      }
    }
    return followers;
  }

  /** How long ago the log grew beyond a position. */
  #age(position: number, now: number): number {
    const beyond = this.#looks.find((look) => look.position > position);
    return now - (beyond?.at ?? now);
  }

  async #countDeadLetters(): Promise<DeadLetterCount[]> {
    const { shards } = this.watched;
    const counts = new Map<string, DeadLetterCount>();
    for (const { store } of shards) {
      for (const { type, command, count } of await countDeadLetters(store.database, COUNTED_MAX)) {
        const key = `${type}/${command}`;
        counts.set(key, { type, command, count: count + (counts.get(key)?.count ?? 0) });
      }
    }
    return [...counts.values()];
  }

  async #countSagas(): Promise<Sight["sagas"]> {
    const { sagas, clock } = this.watched;
    if (clock.now() - this.#sagasAt < SAGAS_EVERY_MS) return this.#sagas;
    this.#sagasAt = clock.now();
    const counts: { saga: string; state: OpenSagaState; count: number }[] = [];
    for (const saga of sagas?.names() ?? []) {
      for (const state of openSagaStates) {
        counts.push({ saga, state, count: await sagas?.count(saga, state, COUNTED_MAX) ?? 0 });
      }
    }
    return counts;
  }
}
