import type { AnyProjection } from "../core/projection.ts";
import { errorMessage, FolioError, issuesOf } from "../core/errors.ts";
import { formatToken, type Positions } from "../core/token.ts";
import type { ProjectionStatus, QueryResult, ReadModels } from "../runtime/read_models.ts";
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
import { createdName, generationName, renameTables } from "../store/sql_names.ts";
import { Projector } from "./projector.ts";
import type { QueryRunner } from "./query_runner.ts";

/** One projection of this process: what serves, and what is being built beside it. */
interface Served {
  readonly projection: AnyProjection;
  /** Names that its SQL uses for its own tables and indexes. */
  readonly names: ReadonlySet<string>;
  serving: Generation;
  /** Undefined while rows of an earlier version serve: nothing in this process can move those on. */
  live: Projector | undefined;
  frozenAt: Positions;
  build: {
    readonly projector: Projector;
    readonly startedAt: number;
    run: Promise<void>;
    isCancelled: boolean;
  } | undefined;
}

/**
 * Keeps read models: fills them behind the commits, answers their queries, and builds them anew.
 *
 * A build (blue and green) fills tables of a new generation beside those that serve. When it has caught up, one
 * transaction lets the new ones serve and drops the old. A process that dies in between finds the half-built
 * generation with its checkpoint, and goes on.
 */
export class Projections implements ReadModels {
  readonly #served = new Map<string, Served>();
  #isStopped = false;

  constructor(
    private readonly runtime: Runtime,
    private readonly database: Database,
    private readonly queries: QueryRunner,
  ) {}

  /** Opens all projections that the runtime's modules define. */
  async start(): Promise<void> {
    for (const projection of this.runtime.registry.projections.values()) {
      this.#served.set(projection.name, await this.#open(projection));
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const { live, build } of this.#served.values()) {
      await live?.stop();
      await build?.projector.stop();
      await build?.run;
    }
    await this.queries.close();
  }

  list(): ProjectionStatus[] {
    return [...this.#served.values()].map((served) => this.#status(served));
  }

  async query(
    name: string,
    queryName: string,
    input: unknown,
    options: { atLeast?: Positions | undefined; waitMs: number },
  ): Promise<QueryResult> {
    const served = this.#find(name);
    const query = served.projection.queries.get(queryName);
    if (!query) {
      throw new FolioError("unknown-query", `Projection ${name} has no query of that name`, {
        projection: name,
        query: queryName.slice(0, 64),
      });
    }
    const parsed = query.input.safeParse(input);
    if (!parsed.success) {
      throw new FolioError("invalid-input", `Input does not fit ${name}/${queryName}`, {
        issues: issuesOf(parsed.error),
      });
    }
    if (options.atLeast) await this.#seen(served, options.atLeast, options.waitMs);
    const [sql, args = []] = query.sql(parsed.data);
    // A build may let its tables serve, and drop the old ones, between the two lines; then once more.
    for (let attempt = 1;; attempt++) {
      const { generation } = served.serving;
      try {
        const { rows, isTruncated, checkpoints } = await this.queries.run({
          projection: name,
          query: queryName,
          generation,
          sql: renameTables(sql, served.names, generation),
          args,
          row: query.row,
        });
        return {
          rows,
          isTruncated,
          token: formatToken(checkpoints),
          lagEvents: this.#lagOf(checkpoints),
          isStale: !served.live || served.live.failure !== undefined,
        };
      } catch (error) {
        if (attempt === 1 && served.serving.generation !== generation) continue;
        throw error;
      }
    }
  }

  async rebuild(name: string): Promise<ProjectionStatus> {
    const served = this.#find(name);
    if (!served.build) await this.#startBuild(served);
    return this.#status(served);
  }

  async cancelRebuild(name: string): Promise<ProjectionStatus> {
    const served = this.#find(name);
    const { build } = served;
    if (build) {
      build.isCancelled = true;
      await build.projector.stop();
      await build.run;
      served.build = undefined;
      await dropGeneration(this.database, name, build.projector.generation);
    }
    return this.#status(served);
  }

  /** Resolves when no build is under way any more; for tests and scripts. */
  async built(): Promise<void> {
    for (const { build } of this.#served.values()) await build?.run;
  }

  #find(name: string): Served {
    const served = this.#served.get(name);
    if (served) return served;
    throw new FolioError("unknown-projection", "There is no projection of that name", {
      projection: name.slice(0, 64),
    });
  }

  #status(served: Served): ProjectionStatus {
    const { projection, live, build, serving } = served;
    const positions = live?.positions ?? served.frozenAt;
    return {
      name: projection.name,
      version: projection.version,
      servedVersion: serving.version,
      status: !live ? "stale" : live.failure ? "failed" : "live",
      token: formatToken(positions),
      lagEvents: this.#lagOf(positions),
      ...(live?.failure ? { failure: live.failure } : {}),
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
      queries: [...projection.queries.keys()],
    };
  }

  #lagOf(positions: Positions): number {
    return this.runtime.shards.reduce(
      (lag, shard) => lag + Math.max(0, shard.durablePosition - (positions.get(shard.number) ?? 0)),
      0,
    );
  }

  async #seen(served: Served, token: Positions, waitMs: number): Promise<void> {
    // Of rows of an earlier version, what serves next is waited for.
    const projector = served.live ?? served.build?.projector;
    const inTime = await projector?.seen(token, waitMs);
    if (inTime && served.live) return;
    const { name } = served.projection;
    throw new FolioError("projection-behind", `Projection ${name} has not seen ${formatToken(token)} yet`, {
      projection: name,
      lagEvents: this.#status(served).lagEvents,
    });
  }

  async #open(projection: AnyProjection): Promise<Served> {
    const names = new Set(projection.tables.map((sql) => createdName(sql).name));
    const generations = await readGenerations(this.database, projection.name);
    let serving = generations.find(({ isServing }) => isServing);
    // What was being built by other code is no use; what this code was building goes on.
    const [unfinished] = generations.filter((other) =>
      !other.isServing && other.version === projection.version
    );
    for (const other of generations) {
      if (other !== serving && other !== unfinished) {
        await dropGeneration(this.database, projection.name, other.generation);
      }
    }
    if (!serving) {
      serving = unfinished ?? await this.#create(projection, names, 1);
      await serveGeneration(this.database, projection.name, serving.generation);
    }
    const checkpoints = await readCheckpoints(this.database, projection.name, serving.generation);
    const served: Served = {
      projection,
      names,
      serving,
      live: undefined,
      frozenAt: checkpoints,
      build: undefined,
    };
    if (serving.version === projection.version) {
      served.live = this.#projector(served, serving.generation, checkpoints);
      served.live.start();
    }
    const isOutdated = serving.version !== projection.version;
    if (isOutdated || (unfinished && unfinished !== serving)) await this.#startBuild(served, unfinished);
    return served;
  }

  #projector(served: Served, generation: number, checkpoints: Positions): Projector {
    return new Projector(
      this.runtime,
      this.database,
      served.projection,
      generation,
      served.names,
      checkpoints,
    );
  }

  async #create(
    projection: AnyProjection,
    names: ReadonlySet<string>,
    generation: number,
  ): Promise<Generation> {
    const made = { projection: projection.name, generation, version: projection.version };
    const tables = projection.tables.map(createdName).filter(({ kind }) => kind === "table");
    await createGeneration(this.database, made, {
      tables: projection.tables.map((sql) => renameTables(sql, names, generation)),
      names: tables.map(({ name }) => generationName(name, generation)),
    });
    return { ...made, isServing: false };
  }

  async #startBuild(served: Served, unfinished?: Generation): Promise<void> {
    const { projection, names, serving } = served;
    const generation = unfinished ?? await this.#create(projection, names, serving.generation + 1);
    const checkpoints = await readCheckpoints(this.database, projection.name, generation.generation);
    const projector = this.#projector(served, generation.generation, checkpoints);
    const build = {
      projector,
      startedAt: this.runtime.clock.now(),
      run: Promise.resolve(),
      isCancelled: false,
    };
    served.build = build;
    build.run = this.#build(served, { ...generation, isServing: true }, build).catch((error) =>
      this.runtime.log("error", "Projection cannot be built", {
        projection: projection.name,
        error: errorMessage(error),
      })
    );
  }

  async #build(served: Served, next: Generation, build: NonNullable<Served["build"]>): Promise<void> {
    const { projector } = build;
    const { name } = served.projection;
    const isOver = () => this.#isStopped || build.isCancelled || projector.failure !== undefined;
    this.runtime.log("info", "Projection is being built", { projection: name, version: next.version });
    do await projector.runOnce(); while (projector.lagEvents > 0 && !isOver());
    if (isOver()) return;
    // The last few events, with the old projector stopped: what serves next has seen all that it has.
    await served.live?.stop();
    await projector.runOnce();
    if (isOver()) return;
    await serveGeneration(this.database, name, next.generation);
    served.serving = next;
    served.live = projector;
    served.build = undefined;
    projector.start();
    this.runtime.log("info", "Projection has been built", { projection: name, version: next.version });
  }
}
