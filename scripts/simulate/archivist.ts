import { Archiver } from "../../src/processors/archiver.ts";
import type { OpenRuntime } from "../../src/create_runtime.ts";
import { FolioError } from "../../src/mod.ts";
import { DatabaseError } from "../../src/store/database.ts";
import { SimulatedCrash, type Simulation } from "../../src/testing/mod.ts";

const PAUSE_MS_MAX = 2_500;
/** A process that has been overtaken goes on archiving, if there is one, so often. */
const ASKS_OLDER = 0.4;

/**
 * Lets processes archive more often than every ten minutes, which a seed does not last. Each has one archiver,
 * which remembers how far it has looked.
 */
export class Archivist {
  /** Events that were moved, as far as a process has lived to say so. */
  moved = 0;
  readonly #archivers = new WeakMap<OpenRuntime, Archiver>();

  constructor(private readonly sim: Simulation) {}

  /** @param isOver Asked before each time. */
  async run(isOver: () => boolean): Promise<void> {
    const { sim } = this;
    while (!isOver()) {
      const pauseMs = Math.floor(sim.random() * PAUSE_MS_MAX);
      await new Promise<void>((resolve) => sim.clock.after(pauseMs, resolve));
      try {
        await this.archive(sim.random() < ASKS_OLDER ? "older" : "newest");
      } catch (error) {
        const isPlanned = [SimulatedCrash, FolioError, DatabaseError].some((kind) => error instanceof kind);
        if (!isPlanned) throw error;
      }
    }
  }

  /** Archives what is due, once. */
  async archive(on: "newest" | "older" = "newest"): Promise<void> {
    await this.sim.begin(async (runtime) => {
      const archiver = this.#archivers.get(runtime) ?? new Archiver(runtime);
      this.#archivers.set(runtime, archiver);
      this.moved += await archiver.runOnce();
    }, on);
  }
}
