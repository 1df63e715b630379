import type { Clock } from "../core/clock.ts";
import { type Database, DatabaseError, type Row, type Statement } from "../store/database.ts";
import { openFileDatabase } from "../store/file_database.ts";

/**
 * What happens to a write: `ok`; `lost`: it fails and changes nothing; `unanswered`: it is done, but its answer is
 * an error; `crash-before` and `crash-after`: the process dies before it, or after it and before its answer.
 */
export type DiskFault = "ok" | "lost" | "unanswered" | "crash-before" | "crash-after";

/** What a process sees of disks, and what goes wrong there. */
export interface DiskWorld {
  readonly clock: Clock;
  /** Asked before each write. */
  fault(): DiskFault;
  /** How long a request takes, in milliseconds; 0 for no time at all. */
  delayMs(): number;
  /** The process dies. */
  crash(): void;
}

/** A database in memory that outlives the processes that use it. */
export class SimulatedDisk {
  readonly #database = openFileDatabase("file::memory:");

  /** The disk as one process sees it; once `isOver`, it answers nothing any more. */
  connect(world: DiskWorld, life: { readonly isOver: boolean }): Database {
    let previous: Promise<unknown> = Promise.resolve();
    const request = <T>(work: () => Promise<T>): Promise<T> => {
      const answer = previous.then(() => carryOut(work));
      previous = answer.catch(() => {});
      return answer;
    };
    const carryOut = async <T>(work: () => Promise<T>): Promise<T> => {
      const delayMs = world.delayMs();
      if (delayMs > 0) await new Promise<void>((resolve) => world.clock.after(delayMs, resolve));
      if (life.isOver) return await never();
      const result = await work();
      return life.isOver ? await never() : result;
    };
    return {
      execute: (statement) => request(() => this.#database.execute(statement)),
      batch: (statements, mode) =>
        request(() =>
          mode === "read" ? this.#database.batch(statements, mode) : this.#write(statements, world)
        ),
      close: () => Promise.resolve(),
    };
  }

  /** What the test itself wants to know: takes no time, and never fails. */
  look(statement: Statement): Promise<Row[]> {
    return this.#database.execute(statement);
  }

  async #write(statements: readonly Statement[], world: DiskWorld): Promise<Row[][]> {
    const fault = world.fault();
    if (fault === "crash-before") {
      world.crash();
      return await never();
    }
    if (fault === "lost") throw new DatabaseError("write was lost, as planned", "SQLITE_IOERR");
    const rows = await this.#database.batch(statements, "write");
    if (fault === "crash-after") {
      world.crash();
      return await never();
    }
    if (fault === "unanswered") throw new DatabaseError("answer was lost, as planned", "SQLITE_IOERR");
    return rows;
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
