import { errorMessage, FolioError } from "../core/errors.ts";
import type { AnyProjection, ProjectionCheck } from "../core/projection.ts";
import { formatToken, type Positions } from "../core/token.ts";
import type { ProjectionStatus } from "../runtime/read_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/database.ts";
import {
  createGeneration,
  dropGeneration,
  type Generation,
  readCheckpoints,
  readGenerations,
  serveGeneration,
} from "../store/read_store.ts";
import { SqlGuard } from "../store/sql_guard.ts";
import { createdName, generationName, renameTables } from "../store/sql_names.ts";
import { compareTables } from "./comparison.ts";
import { Projector, RETRY_DELAY_MS, type Tables } from "./projector.ts";
import type { QueryRunner } from "./query_runner.ts";

/** A build or copy switches, or is compared, when it is so close behind that the rest takes a moment. */
const CLOSE_EVENTS = 1_000;

/** What all projections of a process share. */
export interface ReadWorld {
  readonly runtime: Runtime;
  readonly database: Database;
  readonly queries: QueryRunner;
  /** A number that no generation of any projection has. */
  nextGeneration(): number;
}

/** Tables that are filled beside those that serve, to serve next or to be compared. */
interface Build {
  readonly generation: Generation;
  readonly tables: Tables;
  readonly projector: Projector;
  readonly startedAt: number;
  run: Promise<void>;
  isCancelled: boolean;
  /** From here on it can only succeed, or be repeated after a restart. */
  isSwitching: boolean;
}

/** Somebody who waits until the rows reflect a token. */
interface Waiter {
  readonly token: Positions;
  resolve(hasSeen: boolean): void;
}

/**
 * One projection: what serves, and what is being filled beside it.
 *
 * Invariants:
 * 1. Something serves at every moment, and only a build that has seen all that the served rows reflect takes
 *    its place. Whatever happens to a build before that moment leaves what serves as it is.
 * 2. One build at a time: what starts, ends or compares one waits for its turn (`#exclusively`).
 */
export class ServedProjection {
  #serving: Generation;
  #tables: Tables;
  /** Undefined while rows of an earlier version serve: nothing in this process can move those on. */
  #live: Projector | undefined;
  #frozenAt: Positions;
  #build: Build | undefined;
  #copy: Build | undefined;
  #isStopped = false;
  #wakeBuild: () => void = () => {};
  #turn: Promise<unknown> = Promise.resolve();
  #waiting: Waiter[] = [];

  private constructor(
    private readonly world: ReadWorld,
    readonly projection: AnyProjection,
    /** Names that its SQL uses for its own tables and indexes. */
    readonly names: ReadonlySet<string>,
    serving: Generation,
    tables: Tables,
    checkpoints: Positions,
  ) {
    this.#serving = serving;
    this.#tables = tables;
    this.#frozenAt = checkpoints;
  }

  /**
   * Finds what serves, or makes it, and goes on from there; builds anew where it must.
   *
   * @throws {TypeError} When the projection's tables are none that can be made.
   */
  static async open(world: ReadWorld, projection: AnyProjection): Promise<ServedProjection> {
    const { database, runtime } = world;
    const { name, version } = projection;
    const names = namesOf(projection);
    const generations = await readGenerations(database, name);
    let serving = generations.find(({ isServing }) => isServing);
    // What was being built by other code is no use; what this code was building goes on.
    const unfinished = generations.find((other) =>
      !other.isServing && !other.isCopy && other.version === version
    );
    for (const other of generations) {
      if (other !== serving && other !== unfinished) await dropGeneration(database, name, other.generation);
    }
    if (!serving) {
      serving = unfinished ?? await create(world, projection, names, false);
      await serveGeneration(database, name, serving.generation);
    }
    const checkpoints = await readCheckpoints(database, name, serving.generation);
    const tables = await tablesOf(projection, names, serving);
    const served = new ServedProjection(world, projection, names, serving, tables, checkpoints);
    const isAhead = runtime.shards.some((shard) =>
      (checkpoints.get(shard.number) ?? 0) > shard.durablePosition
    );
    if (isAhead) {
      runtime.log("warn", "Projection has rows of events that the log does not have: it is built anew", {
        projection: name,
      });
    }
    const isCurrent = serving.version === version && !isAhead;
    if (isCurrent) {
      served.#live = served.#projector(tables, checkpoints);
      served.#live.start();
    }
    if (!isCurrent || (unfinished && unfinished !== serving)) await served.#startBuild(unfinished);
    return served;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.endWaits();
    this.#wakeBuild();
    for (const build of [this.#build, this.#copy]) {
      if (build && !build.isSwitching) await build.projector.stop();
    }
    await this.#build?.run;
    await this.#turn;
    await this.#live?.stop();
  }

  /** What serves now. It may be another one after every `await`. */
  get tables(): Tables {
    return this.#tables;
  }

  /** Whether the rows will not move on by themselves. */
  get isStale(): boolean {
    return !this.#live || this.#live.failure !== undefined;
  }

  /** Whether rows of an earlier version serve, which the queries of today may not fit. */
  get isOutdated(): boolean {
    return !this.#live;
  }

  status(): ProjectionStatus {
    const { name, version, queries } = this.projection;
    const build = this.#build ?? this.#copy;
    const failure = this.#live?.failure;
    return {
      name,
      version,
      servedVersion: this.#serving.version,
      status: !this.#live ? "stale" : failure ? "failed" : "live",
      token: formatToken(this.#positions),
      lagEvents: this.lagOf(this.#positions),
      ...(failure ? { failure } : {}),
      ...(build
        ? {
          build: {
            eventsDone: build.projector.eventsDone,
            eventsTotal: build.projector.eventsDone + build.projector.lagEvents,
            startedAt: build.startedAt,
            ...(build.projector.failure ? { failure: build.projector.failure } : {}),
          },
        }
        : {}),
      queries: [...queries.keys()],
    };
  }

  /** Events on disk that are behind these positions. */
  lagOf(positions: Positions): number {
    return this.world.runtime.shards.reduce(
      (lag, shard) => lag + Math.max(0, shard.durablePosition - (positions.get(shard.number) ?? 0)),
      0,
    );
  }

  /**
   * Resolves with true once the rows that serve reflect a token; with false after `waitMs`, or when they will
   * not get there.
   */
  seen(token: Positions, waitMs: number): Promise<boolean> {
    if (this.#hasSeen(token)) return Promise.resolve(true);
    if (this.#isStopped || this.#isStuck) return Promise.resolve(false);
    return new Promise((resolve) => {
      const cancelTimer = this.world.runtime.clock.after(waitMs, () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        resolve(false);
      });
      const waiter = {
        token,
        resolve: (hasSeen: boolean) => {
          cancelTimer();
          resolve(hasSeen);
        },
      };
      this.#waiting.push(waiter);
      this.#live?.hurry();
    });
  }

  /** Nobody waits for a token any more. */
  endWaits(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve(false);
  }

  /** Builds anew. A build that is under way goes on; one that has failed begins again. */
  rebuild(): Promise<void> {
    return this.#exclusively(async () => {
      if (this.#build?.projector.failure) await this.#discard(this.#build);
      if (!this.#build && !this.#isStopped) await this.#startBuild();
    });
  }

  /** Gives a build up, and a check. */
  async cancel(): Promise<void> {
    const copy = this.#copy;
    if (copy) {
      copy.isCancelled = true;
      await copy.projector.stop();
    }
    await this.#exclusively(async () => {
      if (this.#build && !this.#build.isSwitching) await this.#discard(this.#build);
      else await this.#build?.run;
    });
  }

  /** Resolves when a build that may be under way has come to its end. */
  async built(): Promise<void> {
    await this.#build?.run;
  }

  /** Resolves when what serves is not being changed at this moment. */
  async settled(): Promise<void> {
    if (this.#build?.isSwitching) await this.#build.run;
  }

  /**
   * Fills tables beside those that serve, and compares the two. New events are not handled while it compares.
   *
   * @throws {FolioError} `projection-behind` while rows of an earlier version serve.
   */
  check(): Promise<ProjectionCheck> {
    return this.#exclusively(async () => {
      await this.built();
      const live = this.#live;
      if (!live || this.#isStopped) throw this.behind("is being built: there is nothing to compare yet");
      const generation = await create(this.world, this.projection, this.names, true);
      const copy = this.#copy = await this.#newBuild(generation, new Map());
      try {
        return await this.#compare(live, copy);
      } finally {
        this.#copy = undefined;
        live.release();
        await dropGeneration(this.world.database, this.projection.name, generation.generation);
      }
    });
  }

  behind(reason: string): FolioError {
    const { name } = this.projection;
    return new FolioError("projection-behind", `Projection ${name} ${reason}`, {
      projection: name,
      lagEvents: this.lagOf(this.#positions),
    });
  }

  get #positions(): Positions {
    return this.#live?.positions ?? this.#frozenAt;
  }

  /** Whether the rows will not move on, and nothing is on its way that would take their place. */
  get #isStuck(): boolean {
    const isBuilding = this.#build !== undefined && !this.#build.projector.failure;
    return this.isStale && !isBuilding;
  }

  #hasSeen(token: Positions): boolean {
    return [...token].every(([shard, position]) => (this.#positions.get(shard) ?? 0) >= position);
  }

  /** Tells those who wait for a token. */
  #changed(): void {
    if (this.#waiting.length === 0) return;
    if (this.#isStuck) return this.endWaits();
    const still: Waiter[] = [];
    for (const waiter of this.#waiting) {
      if (this.#hasSeen(waiter.token)) waiter.resolve(true);
      else still.push(waiter);
    }
    this.#waiting = still;
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  #projector(tables: Tables, checkpoints: Positions): Projector {
    const { runtime, database } = this.world;
    return new Projector(runtime, database, this.projection, tables, checkpoints, () => this.#changed());
  }

  async #newBuild(generation: Generation, checkpoints: Positions): Promise<Build> {
    const tables = await tablesOf(this.projection, this.names, generation);
    return {
      generation,
      tables,
      projector: this.#projector(tables, checkpoints),
      startedAt: this.world.runtime.clock.now(),
      run: Promise.resolve(),
      isCancelled: false,
      isSwitching: false,
    };
  }

  async #startBuild(unfinished?: Generation): Promise<void> {
    const { database, runtime } = this.world;
    const { name, version } = this.projection;
    const generation = unfinished ?? await create(this.world, this.projection, this.names, false);
    const checkpoints = await readCheckpoints(database, name, generation.generation);
    const build = this.#build = await this.#newBuild(generation, checkpoints);
    runtime.log("info", "Projection is being built", { projection: name, version });
    build.run = this.#untilDone(() => this.#runBuild(build), () => this.#isOver(build));
  }

  #isOver({ isCancelled, projector }: Build): boolean {
    return this.#isStopped || isCancelled || projector.failure !== undefined;
  }

  /** Repeats work that a store has failed, until it succeeds or is over. */
  async #untilDone(work: () => Promise<void>, isOver: () => boolean): Promise<void> {
    const { clock, log } = this.world.runtime;
    while (!isOver()) {
      try {
        return await work();
      } catch (error) {
        log("warn", "Projection cannot be built yet", {
          projection: this.projection.name,
          error: errorMessage(error),
        });
      }
      if (isOver()) return;
      await new Promise<void>((resolve) => {
        const cancelTimer = clock.after(RETRY_DELAY_MS, resolve);
        this.#wakeBuild = () => {
          cancelTimer();
          resolve();
        };
      });
    }
  }

  async #runBuild(build: Build): Promise<void> {
    const { projector } = build;
    do await projector.runOnce(); while (projector.lagEvents > CLOSE_EVENTS && !this.#isOver(build));
    if (this.#isOver(build)) return;
    // The last few events, with the old one standing still: what serves next has seen all that it has.
    await this.#live?.hold();
    try {
      await projector.runOnce();
      if (this.#isOver(build)) return;
      build.isSwitching = true;
      // Held until the answer is clear: its tables may be gone.
      await this.#untilDone(() => this.#serve(build), () => this.#isStopped);
    } finally {
      this.#live?.release();
    }
  }

  async #serve({ generation, tables, projector }: Build): Promise<void> {
    const { database, runtime } = this.world;
    const { name } = this.projection;
    await serveGeneration(database, name, generation.generation);
    const old = this.#live;
    this.#serving = generation;
    this.#tables = tables;
    this.#live = projector;
    this.#build = undefined;
    await old?.stop();
    if (!this.#isStopped) projector.start();
    this.#changed();
    runtime.log("info", "Projection has been built", { projection: name, version: generation.version });
  }

  async #discard(build: Build): Promise<void> {
    build.isCancelled = true;
    await build.projector.stop();
    this.#wakeBuild();
    await build.run;
    this.#build = undefined;
    this.#changed();
    await dropGeneration(this.world.database, this.projection.name, build.generation.generation);
  }

  async #compare(live: Projector, copy: Build): Promise<ProjectionCheck> {
    const { projector } = copy;
    const { name } = this.projection;
    const result = (rest: Pick<ProjectionCheck, "status"> & Partial<ProjectionCheck>): ProjectionCheck => ({
      projection: name,
      token: formatToken(projector.positions),
      rowsCompared: 0,
      ...rest,
    });
    const lag = () =>
      [...live.positions].reduce((sum, [shard, at]) => sum + at - (projector.positions.get(shard) ?? 0), 0);
    do await projector.runOnce(live.positions); while (lag() > CLOSE_EVENTS && !this.#isOver(copy));
    if (!this.#isOver(copy)) {
      await live.hold();
      await projector.runOnce(live.positions);
    }
    if (projector.failure) {
      const { error, event } = projector.failure;
      return result({ status: "failed", failure: { error, event } });
    }
    if (this.#isOver(copy)) return result({ status: "cancelled" });
    const tables = this.projection.tables.map(createdName).filter(({ kind }) => kind === "table").map((
      { name },
    ) => ({
      name,
      served: generationName(name, this.#serving.generation),
      replayed: generationName(name, copy.generation.generation),
    }));
    const { rowsCompared, difference } = await this.world.queries.beside((connection) =>
      compareTables(connection, tables)
    );
    return difference
      ? result({ status: "different", rowsCompared, difference })
      : result({ status: "equal", rowsCompared });
  }
}

/** Names of a projection's tables and indexes. */
function namesOf(projection: AnyProjection): ReadonlySet<string> {
  const names = new Set<string>();
  for (const sql of projection.tables) {
    const { name } = createdName(sql);
    if (names.has(name)) {
      throw new TypeError(`Cannot use projection ${projection.name}: two things are ${name}`);
    }
    names.add(name);
  }
  return names;
}

async function tablesOf(
  projection: AnyProjection,
  names: ReadonlySet<string>,
  { generation }: Generation,
): Promise<Tables> {
  const guard = await SqlGuard.open(projection.tables.map((sql) => renameTables(sql, names, generation)));
  return { generation, names, guard };
}

async function create(
  world: ReadWorld,
  projection: AnyProjection,
  names: ReadonlySet<string>,
  isCopy: boolean,
): Promise<Generation> {
  const { name, version, tables } = projection;
  const made = { projection: name, generation: world.nextGeneration(), version, isCopy };
  const tableNames = tables.map(createdName).filter(({ kind }) => kind === "table").map(({ name }) => name);
  await createGeneration(world.database, made, {
    tables: tables.map((sql) => renameTables(sql, names, made.generation)),
    names: tableNames.map((table) => generationName(table, made.generation)),
  });
  return { ...made, isServing: false };
}
