import { errorMessage, FolioError, issuesOf } from "../core/errors.ts";
import type { SqlArgument } from "../core/projection.ts";
import { formatToken, type Positions } from "../core/token.ts";
import type { LogStart } from "../runtime/log_start.ts";
import type { ProjectionCheck, ProjectionStatus, QueryResult, ReadModels } from "../runtime/read_models.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/database.ts";
import { dropProjection, readLastGeneration, readProjections } from "../store/read_store.ts";
import { renameTables } from "../store/sql_names.ts";
import type { Found, QueryRunner } from "./query_runner.ts";
import { ServedProjection } from "./served_projection.ts";

/**
 * Keeps read models: fills them behind the commits, answers their queries, and builds them anew.
 *
 * A build (blue and green) fills tables of a new generation beside those that serve. When it has caught up, one
 * transaction lets the new ones serve and drops the old. A process that dies in between finds the half-built
 * generation with its checkpoint, and goes on.
 */
export class Projections implements ReadModels {
  readonly #served = new Map<string, ServedProjection>();
  #generation = 0;
  #endDraining: () => void = () => {};

  constructor(
    private readonly runtime: Runtime,
    private readonly database: Database,
    private readonly queries: QueryRunner,
  ) {}

  /**
   * Opens all projections that the runtime's modules define. Tables of one that is not among them stay: it may
   * come back with the next version of the modules, and goes on from its checkpoint then.
   */
  async start(): Promise<void> {
    const { registry, log, draining } = this.runtime;
    this.#generation = await readLastGeneration(this.database);
    const world = {
      runtime: this.runtime,
      database: this.database,
      queries: this.queries,
      nextGeneration: () => ++this.#generation,
    };
    for (const projection of registry.projections.values()) {
      this.#served.set(projection.name, await ServedProjection.open(world, projection));
    }
    for (const name of await this.left()) {
      log("warn", "Projection is not among the modules: its tables are kept", { projection: name });
    }
    this.#endDraining = draining.subscribe(() => {
      for (const served of this.#served.values()) served.endWaits();
    });
  }

  async stop(): Promise<void> {
    this.#endDraining();
    await Promise.all([...this.#served.values()].map((served) => served.stop()));
    this.queries.close();
  }

  list(): ProjectionStatus[] {
    return [...this.#served.values()].map((served) => served.status());
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
    const { atLeast, waitMs } = options;
    if (atLeast && !await served.seen(atLeast, waitMs)) {
      throw served.behind(`has not seen ${formatToken(atLeast)} yet`);
    }
    try {
      const [sql, args = []] = query.sql(parsed.data);
      const { rows, isTruncated, checkpoints } = await this.#run(served, queryName, sql, args);
      const token = formatToken(checkpoints);
      return { rows, isTruncated, token, lagEvents: served.lagOf(checkpoints), isStale: served.isStale };
    } catch (error) {
      if (error instanceof FolioError) throw error;
      this.runtime.log("error", "Query failed", {
        projection: name,
        query: queryName,
        error: errorMessage(error),
      });
      const fields = { projection: name, query: queryName };
      throw new FolioError("query-failed", `Query ${name}/${queryName} failed`, fields, { cause: error });
    }
  }

  async rebuild(name: string, from?: LogStart): Promise<ProjectionStatus> {
    const served = this.#find(name);
    await served.rebuild(from);
    return served.status();
  }

  async cancelRebuild(name: string): Promise<ProjectionStatus> {
    const served = this.#find(name);
    await served.cancel();
    return served.status();
  }

  // deno-lint-ignore require-await -- async so that what is thrown here rejects
  async check(name: string): Promise<ProjectionCheck> {
    return this.#find(name).check();
  }

  /** Names of projections that have tables and are not among the modules. */
  async left(): Promise<string[]> {
    return (await readProjections(this.database)).filter((name) => !this.#served.has(name));
  }

  /**
   * Drops the tables of a projection that is not among the modules.
   *
   * @returns Whether there were any. @throws {TypeError} When it is among them.
   */
  async drop(name: string): Promise<boolean> {
    if (this.#served.has(name)) {
      throw new TypeError(`Cannot drop projection ${name}: it is among the modules`);
    }
    if (!(await this.left()).includes(name)) return false;
    await dropProjection(this.database, name);
    return true;
  }

  /** Resolves when no build is under way any more; for tests and scripts. */
  async built(): Promise<void> {
    for (const served of this.#served.values()) await served.built();
  }

  /** A build may let its tables serve, and drop the old ones, while a query runs on those: then once more. */
  async #run(
    served: ServedProjection,
    query: string,
    sql: string,
    args: readonly SqlArgument[],
  ): Promise<Found> {
    const { name, queries } = served.projection;
    const row = queries.get(query)?.row;
    if (!row) throw new RangeError(`There is no query ${query}`);
    while (true) {
      const { generation, names, guard } = served.tables;
      try {
        const text = renameTables(sql, names, generation);
        return await this.queries.run({
          projection: name,
          query,
          generation,
          sql: text,
          args,
          row,
          guard,
        });
      } catch (error) {
        await served.settled();
        if (served.tables.generation !== generation && !(error instanceof FolioError)) continue;
        if (served.isOutdated && !(error instanceof FolioError)) {
          // The queries of today on the tables of yesterday: with the build they will fit.
          throw served.behind("is being built, and its old rows do not fit this query");
        }
        throw error;
      }
    }
  }

  #find(name: string): ServedProjection {
    const served = this.#served.get(name);
    if (served) return served;
    throw new FolioError("unknown-projection", "There is no projection of that name", {
      projection: name.slice(0, 64),
    });
  }
}
