import { FolioError } from "../core/errors.ts";
import type { AnyProjection } from "../core/projection.ts";
import { formatToken, type Positions } from "../core/token.ts";
import type { LogStart } from "../runtime/log_start.ts";
import type { ProjectionCheck, ProjectionStatus } from "../runtime/read_models.ts";
import {
  dropGeneration,
  type Generation,
  readCheckpoints,
  readGenerations,
  serveGeneration,
} from "../store/read_store.ts";
import type { Build } from "./build.ts";
import { Builder, type ReadWorld } from "./builder.ts";
import { checkDrift, type Checked, CLOSE_EVENTS, type HooksOfCopy } from "./drift_check.ts";
import { makeGeneration, namesOf, type Tables, tablesOf } from "./generation_tables.ts";
import type { Projector } from "./projector.ts";
import { hasSeen, TokenWaiters } from "./token_waiters.ts";

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
  #turn: Promise<unknown> = Promise.resolve();
  readonly #waiters: TokenWaiters;
  readonly #builder: Builder;

  private constructor(
    private readonly world: ReadWorld,
    readonly projection: AnyProjection,
    serving: Generation,
    tables: Tables,
    checkpoints: Positions,
  ) {
    this.#serving = serving;
    this.#tables = tables;
    this.#frozenAt = checkpoints;
    this.#waiters = new TokenWaiters(world.runtime.clock);
    this.#builder = new Builder(world, projection, () => this.#changed());
  }

  /**
   * Finds what serves, or makes it, and goes on from there; builds anew where it must.
   *
   * @throws {TypeError} When the projection's tables are none that can be made.
   */
  static async open(world: ReadWorld, projection: AnyProjection): Promise<ServedProjection> {
    const { database, runtime } = world;
    const { name, version } = projection;
    namesOf(projection); // throws before anything is made
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
      serving = unfinished ??
        await makeGeneration(database, projection, { generation: world.nextGeneration() });
      await serveGeneration(database, name, serving.generation);
    }
    const checkpoints = await readCheckpoints(database, name, serving.generation);
    const tables = await tablesOf(projection, serving);
    const served = new ServedProjection(world, projection, serving, tables, checkpoints);
    const isAhead = runtime.shards.some((shard) =>
      (checkpoints.get(shard.number) ?? 0) > shard.durablePosition
    );
    if (isAhead) {
      // What follows the log has only ever seen what was on disk: the log was cut, or an older one put in place.
      runtime.log("error", "Projection has rows of events that the log does not have: it is built anew", {
        projection: name,
        rowsUpTo: formatToken(checkpoints),
        logUpTo: formatToken(runtime.positions()),
      });
    }
    const isCurrent = serving.version === version && !isAhead;
    if (isCurrent) {
      served.#live = served.#builder.projector(tables, checkpoints);
      served.#live.start();
    }
    if (!isCurrent || (unfinished && unfinished !== serving)) await served.#startBuild(unfinished);
    return served;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.endWaits();
    for (const build of [this.#build, this.#copy]) await build?.end();
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
    const { startsAfter } = this.#serving;
    return {
      name,
      version,
      servedVersion: this.#serving.version,
      status: !this.#live ? "stale" : failure ? "failed" : "live",
      token: formatToken(this.#positions),
      ...(startsAfter.size > 0 ? { startsAfter: formatToken(startsAfter) } : {}),
      lagEvents: this.lagOf(this.#positions),
      ...(failure ? { failure } : {}),
      ...(build ? { build: build.status() } : {}),
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
    if (hasSeen(this.#positions, token)) return Promise.resolve(true);
    if (this.#isStopped || this.#isStuck) return Promise.resolve(false);
    const seen = this.#waiters.wait(token, waitMs);
    this.#live?.hurry();
    return seen;
  }

  /** Nobody waits for a token any more. */
  endWaits(): void {
    this.#waiters.end();
  }

  /**
   * Builds anew. A build that is under way goes on; one that has failed begins again.
   *
   * @param from Where to begin; undefined for the beginning of the log.
   * @throws {FolioError} `partial-rebuild-refused`; `projection-behind` where another build is under way.
   */
  rebuild(from?: LogStart): Promise<void> {
    return this.#exclusively(async () => {
      if (from && !this.projection.partialRebuild) throw this.#refused("it has no partialRebuild");
      if (from && !this.#live) throw this.#refused("its rows are of an earlier version");
      if (this.#build?.projector.failure) await this.#discard(this.#build);
      if (from && this.#build) throw this.behind("is being built already: wait, or give that up first");
      if (this.#build || this.#isStopped) return;
      await this.#startBuild(from && await this.#builder.createFrom(from, this.#serving));
    });
  }

  /** Gives a build up, and a check. */
  async cancel(): Promise<void> {
    await this.#copy?.end();
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
   * Fills tables beside those that serve, and compares the two.
   *
   * @throws {FolioError} `projection-behind` while rows of an earlier version serve.
   */
  check(): Promise<ProjectionCheck> {
    return this.#exclusively(async () => {
      await this.built();
      const { projection } = this;
      const live = this.#live;
      if (!live || this.#isStopped) throw this.behind("is being built: there is nothing to compare yet");
      const withCopy: Checked["withCopy"] = (work, hooksOf) => this.#withCopy(work, hooksOf);
      return await checkDrift({ ...this.world, projection, live, withCopy });
    });
  }

  behind(reason: string): FolioError {
    const { name } = this.projection;
    return new FolioError("projection-behind", `Projection ${name} ${reason}`, {
      projection: name,
      lagEvents: this.lagOf(this.#positions),
    });
  }

  #refused(reason: string): FolioError {
    const { name } = this.projection;
    const message = `Projection ${name} can be rebuilt from the beginning only: ${reason}`;
    return new FolioError("partial-rebuild-refused", message, { projection: name });
  }

  get #positions(): Positions {
    return this.#live?.positions ?? this.#frozenAt;
  }

  /** Whether the rows will not move on, and nothing is on its way that would take their place. */
  get #isStuck(): boolean {
    const isBuilding = this.#build !== undefined && !this.#build.projector.failure;
    return this.isStale && !isBuilding;
  }

  /** Tells those who wait for a token. */
  #changed(): void {
    if (this.#isStuck) this.#waiters.end();
    else this.#waiters.moved(this.#positions);
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  async #withCopy<T>(work: (copy: Build) => Promise<T>, hooksOf?: HooksOfCopy): Promise<T> {
    // What was left out of the rows that serve is left out here, too.
    const { startsAfter } = this.#serving;
    const generation = await this.#builder.create({ isCopy: true, startsAfter });
    try {
      const hooks = await hooksOf?.(generation.generation);
      this.#copy = await this.#builder.build(generation, hooks);
      if (this.#isStopped) await this.#copy.end();
      return await work(this.#copy);
    } finally {
      this.#copy = undefined;
      await this.#builder.drop(generation);
    }
  }

  async #startBuild(made?: Generation): Promise<void> {
    const { name, version } = this.projection;
    const build = this.#build = await this.#builder.build(made ?? await this.#builder.create());
    if (this.#isStopped) await build.end();
    this.world.runtime.log("info", "Projection is being built", { projection: name, version });
    build.run = build.untilDone(() => this.#runBuild(build), () => build.isOver);
  }

  async #runBuild(build: Build): Promise<void> {
    const { projector } = build;
    do await projector.runOnce(); while (projector.lagEvents > CLOSE_EVENTS && !build.isOver);
    if (build.isOver) return;
    // The last few events, with the old one standing still: what serves next has seen all that it has.
    await this.#live?.hold();
    try {
      await projector.runOnce();
      if (build.isOver) return;
      build.isSwitching = true;
      // Held until the answer is clear: its tables may be gone.
      await build.untilDone(() => this.#serve(build), () => build.isEnded);
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
    await build.end();
    await build.run;
    this.#build = undefined;
    this.#changed();
    await this.#builder.drop(build.generation);
  }
}
