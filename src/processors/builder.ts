import type { AnyProjection } from "../core/projection.ts";
import type { Positions } from "../core/token.ts";
import { type LogStart, positionsBefore } from "../runtime/log_start.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/database.ts";
import { dropGeneration, type Generation, readCheckpoints } from "../store/read_store.ts";
import { Build } from "./build.ts";
import { type GenerationOptions, makeGeneration, type Tables, tablesOf } from "./generation_tables.ts";
import { Projector, type ProjectorHooks } from "./projector.ts";
import type { QueryRunner } from "./query_runner.ts";

/** What all projections of a process share. */
export interface ReadWorld {
  readonly runtime: Runtime;
  readonly database: Database;
  readonly queries: QueryRunner;
  /** A number that no generation of any projection has. */
  nextGeneration(): number;
}

/** Makes tables of one projection, and what fills them. */
export class Builder {
  /** @param changed Told when positions of what it has made have moved. */
  constructor(
    private readonly world: ReadWorld,
    private readonly projection: AnyProjection,
    private readonly changed: () => void,
  ) {}

  /** Tables of a new generation. */
  create(options: Omit<GenerationOptions, "generation"> = {}): Promise<Generation> {
    const { database } = this.world;
    return makeGeneration(database, this.projection, { generation: this.world.nextGeneration(), ...options });
  }

  /**
   * Tables of a generation that begins later than the log, as the projection says.
   *
   * @throws {FolioError} `malformed` when `from` is not in the log.
   */
  async createFrom(from: LogStart, serving: Generation): Promise<Generation> {
    const positions = await positionsBefore(this.world.runtime.shards, from);
    const { startsAfter } = serving;
    return await this.create(
      this.projection.partialRebuild === "keep-rows"
        ? { kept: { of: serving, upTo: positions }, startsAfter }
        : { startsAfter: positions },
    );
  }

  drop({ generation }: Generation): Promise<void> {
    return dropGeneration(this.world.database, this.projection.name, generation);
  }

  /** What fills a generation from where its checkpoints are. */
  async build(generation: Generation, hooks?: ProjectorHooks): Promise<Build> {
    const { database, runtime } = this.world;
    const checkpoints = await readCheckpoints(database, this.projection.name, generation.generation);
    const tables = await tablesOf(this.projection, generation);
    return new Build(runtime, generation, tables, this.projector(tables, checkpoints, hooks));
  }

  projector(tables: Tables, checkpoints: Positions, hooks?: ProjectorHooks): Projector {
    const { database, runtime } = this.world;
    const { changed } = this;
    return new Projector(runtime, database, this.projection, tables, checkpoints, { changed, ...hooks });
  }
}
