import type { Clock } from "../core/clock.ts";
import { attachArchiveInMemory } from "../store/archive.ts";
import { type Database, DatabaseError, type Row, type Statement } from "../store/database.ts";
import { openFileDatabase } from "../store/file_database.ts";
import { migrateShard, openReadStore } from "../store/shard_store.ts";
import type { SimulatedProcess } from "./simulated_process.ts";

/**
 * What happens to a write: `ok`; `lost`: it fails and changes nothing; `unanswered`: it is done, but its answer is
 * an error; `crash-before` and `crash-after`: the process dies before it, or after it and before its answer;
 * `pause-before` and `pause-after`: likewise, it is stopped there, and another one takes over.
 */
export type DiskFault =
  | "ok"
  | "lost"
  | "unanswered"
  | "crash-before"
  | "crash-after"
  | "pause-before"
  | "pause-after";

/** What a process sees of disks, and what goes wrong there. */
export interface DiskWorld {
  readonly clock: Clock;
  /** Asked before each write. */
  fault(): DiskFault;
  /** How long a request takes, in milliseconds; 0 for no time at all. */
  delayMs(): number;
  /** Whether the disk does not take a write, because of what is in it. */
  isRefused(statements: readonly Statement[]): boolean;
  /** Whether a process dies while a write is on its way, which is done all the same. */
  isLate(): boolean;
  /** How long that takes. */
  lateMs(): number;
  /** The process dies. */
  crash(): void;
  /** The process is stopped, to go on later; another one takes over meanwhile. */
  pause(): void;
}

/** What writes into an archive, which is a file of its own. */
const archiveWrite = /^\s*(INSERT (OR \w+ )?INTO|UPDATE|DELETE FROM) archive\./;

/** What a disk is for. */
export interface DiskUse {
  /** Undefined for the read database. */
  readonly shard?: number;
  /** Of the store. */
  readonly shards: number;
}

/** A database in memory that outlives the processes that use it. */
export class SimulatedDisk {
  readonly #database = openFileDatabase("file::memory:");
  #schema: Promise<void> | undefined;
  #archive: Promise<void> | undefined;

  constructor(readonly use: DiskUse) {}

  /** Whether there is an archive beside the shard's own tables. */
  get hasArchive(): boolean {
    return this.#archive !== undefined;
  }

  /**
   * Makes what is not there yet, so that nothing can go wrong with it: with a disk that is used again nothing can
   * either, and the same seed is to give the same on both.
   *
   * @param archives Whether it gets an archive; one that has it keeps it.
   */
  async setUp(archives: boolean): Promise<void> {
    const { shard, shards } = this.use;
    this.#schema ??= shard === undefined
      ? openReadStore(this.#database, { name: "read", shards, isFile: false })
      : migrateShard(this.#database, { name: `shard-${shard}`, shard, shards });
    await this.#schema;
    // After that, since the archive's view takes the name of the log's table.
    if (archives && shard !== undefined) this.#archive ??= this.#attachArchive();
    await this.#archive;
  }

  async #attachArchive(): Promise<void> {
    for (const statement of attachArchiveInMemory()) await this.#database.execute(statement);
  }

  /** The disk as one process sees it; once that is over, it is answered nothing any more. */
  connect(world: DiskWorld, process: SimulatedProcess): Database {
    let previous: Promise<unknown> = Promise.resolve();
    const request = <T>(mode: "read" | "write", work: () => Promise<T>): Promise<T> => {
      const answer = previous.then(() => carryOut(mode, work));
      previous = answer.catch(() => {});
      return answer;
    };
    const carryOut = async <T>(mode: "read" | "write", work: () => Promise<T>): Promise<T> => {
      const isLate = mode === "write" && !process.isOver && world.isLate();
      if (isLate) world.crash();
      const delayMs = isLate ? world.lateMs() : world.delayMs();
      // On its way it is not the process's any more: that may be paused or dead when it arrives.
      if (delayMs > 0) await new Promise<void>((resolve) => world.clock.after(delayMs, resolve));
      if (process.isOver && !isLate) return await never();
      const [outcome] = await Promise.allSettled([work()]);
      if (process.isOver) return await never();
      if (process.isPaused) await process.running();
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    };
    return {
      hasArchive: this.hasArchive,
      execute: (statement) => request("read", () => this.#database.execute(statement)),
      batch: (statements, mode) =>
        request(
          mode,
          () =>
            mode === "read"
              ? this.#database.batch(statements, mode)
              : this.#write(statements, world, process),
        ),
      close: () => Promise.resolve(),
    };
  }

  /** What the test itself wants to know: takes no time, and never fails. */
  look(statement: Statement): Promise<Row[]> {
    return this.#database.execute(statement);
  }

  /** Makes it as it was when its schema had been made, whatever was done to it since. */
  async recycle(): Promise<void> {
    const tables = await this.look({
      sql: `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`,
    });
    const names = tables.map(([name]) => String(name));
    const meta = names.find((name) => name === "meta" || name === "read_meta");
    const rest = names.filter((name) => name !== meta).map((name) => ({
      // A projection's table has the number of its generation behind two lines.
      sql: name.includes("__") ? `DROP TABLE main."${name}"` : `DELETE FROM main."${name}"`,
    }));
    if (!meta) return;
    await this.#database.batch([
      ...rest,
      ...this.hasArchive ? [{ sql: `DELETE FROM archive.events` }] : [],
      { sql: `UPDATE ${meta} SET value = 0 WHERE key = 'epoch'` },
      { sql: `DELETE FROM ${meta} WHERE key = 'holder'` },
    ], "write");
  }

  async #write(
    statements: readonly Statement[],
    world: DiskWorld,
    process: SimulatedProcess,
  ): Promise<Row[][]> {
    const fault = process.isOver ? "ok" : world.fault();
    if (fault === "crash-before" || fault === "pause-before") {
      if (fault === "crash-before") {
        await this.#tear(statements);
        world.crash();
      } else world.pause();
      await process.running();
    }
    if (fault === "lost") throw new DatabaseError("write was lost, as planned", "SQLITE_IOERR");
    const isRefused = world.isRefused(statements);
    const rows = isRefused ? [] : await this.#database.batch(statements, "write");
    if (fault === "crash-after") world.crash();
    if (fault === "pause-after") world.pause();
    if (fault === "unanswered") throw new DatabaseError("answer was lost, as planned", "SQLITE_IOERR");
    if (isRefused) throw new DatabaseError("value is refused, as planned", "SQLITE_CONSTRAINT");
    return rows;
  }

  /** What a crash leaves of a write into both files: SQLite writes them one after the other, the shard's first. */
  async #tear(statements: readonly Statement[]): Promise<void> {
    const own = statements.filter(({ sql }) => !archiveWrite.test(sql));
    if (own.length > 0 && own.length < statements.length) await this.#database.batch(own, "write");
  }
}

/**
 * Disks for one simulation after the other: to make one, with its schema and its statements, takes longer than
 * much of what is tried on it.
 */
export class DiskPool {
  readonly #free = new Map<string, SimulatedDisk[]>();

  /** @param archives Whether shards are to have archives. */
  take(use: DiskUse, archives: boolean): SimulatedDisk {
    return this.#free.get(kindOf(use, archives))?.pop() ?? new SimulatedDisk(use);
  }

  async giveBack(disk: SimulatedDisk): Promise<void> {
    await disk.recycle();
    const kind = kindOf(disk.use, disk.hasArchive);
    this.#free.set(kind, [...this.#free.get(kind) ?? [], disk]);
  }
}

/** Only what was the same comes back: a disk that has an archive is slower. */
function kindOf({ shard, shards }: DiskUse, hasArchive: boolean): string {
  return shard === undefined ? `read/${shards}` : `shard-${shard}/${shards}/${hasArchive}`;
}

function never(): Promise<never> {
  return new Promise(() => {});
}
