import type { z } from "zod";
import { fit, FolioError } from "../core/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database, SqlValue } from "../store/database.ts";
import { readRows, type RowsQuery, selectRows } from "../store/read_store.ts";
import { fileOf, openReader, type Reader } from "../store/reader.ts";
import type { SqlGuard } from "../store/sql_guard.ts";
import { draining } from "../runtime/serving.ts";

/** Queries that run at the same time; others wait for them. */
const CONNECTIONS_MAX = 4;
/** Queries that wait; beyond it they are refused. */
const WAITING_MAX = 1_000;
const INTERRUPT_AGAIN_MS = 20;

/** A query, ready to be run. */
export interface RunnableQuery extends Omit<RowsQuery, "columns" | "rowsMax"> {
  readonly query: string;
  readonly row: z.ZodType;
  /** Knows what SQL may do with the tables that it is for. */
  readonly guard: SqlGuard;
}

/** What a query has found. */
export interface Found {
  readonly rows: Record<string, unknown>[];
  readonly isTruncated: boolean;
  readonly checkpoints: Map<number, number>;
}

/** What runs statements; without `interrupt`, a slow one runs on. */
type Connection = Pick<Database, "execute"> & Partial<Pick<Reader, "interrupt">>;

/** A query that has its turn when a connection is free, or gives up before. */
interface Waiting {
  resolve(connection: Connection): void;
  reject(error: unknown): void;
}

/**
 * Runs queries beside everything else, and stops the ones that take too long. A database file is read over
 * connections of their own, one query at a time on each; one in memory or on a server, over the only one.
 */
export class QueryRunner {
  #mode: Promise<{ shared: Database } | { file: string }> | undefined;
  readonly #open = new Set<Reader>();
  readonly #idle: Reader[] = [];
  #opening = 0;
  #waiting: Waiting[] = [];
  #isClosed = false;

  /** @param database The read database; one in memory or on a server is shared with those who write. */
  constructor(private readonly runtime: Runtime, private readonly database: Database) {}

  /**
   * @throws {FolioError} `query-too-slow`, also when its turn does not come in time.
   * @throws {Error} Whatever is wrong with the query or what it finds.
   */
  async run(query: RunnableQuery): Promise<Found> {
    const { clock, limits } = this.runtime;
    const late = Promise.withResolvers<never>();
    let giveUp = () => {};
    let cancelTimer = clock.after(limits.queryMsMax, () => {
      late.reject(tooSlow(query, limits.queryMsMax));
      endSoon();
    });
    // An interruption between two statements stops neither: again, until it has ended.
    const endSoon = () => {
      giveUp();
      cancelTimer = clock.after(INTERRUPT_AGAIN_MS, endSoon);
    };
    const found = this.#onConnection((connection, onLate) => {
      giveUp = onLate;
      return this.#find(connection, query);
    }, (onLate) => giveUp = onLate);
    // Once it is late, nobody waits for what it is ended with.
    found.catch(() => {}).finally(() => cancelTimer());
    return await Promise.race([found, late.promise]);
  }

  /** A connection for work of any length, ended with it. */
  async beside<T>(work: (connection: Pick<Database, "execute">) => Promise<T>): Promise<T> {
    const mode = await this.#findMode();
    if ("shared" in mode) return await work(mode.shared);
    const reader = await openReader(mode.file);
    this.#open.add(reader);
    try {
      return await work(reader);
    } finally {
      this.#close(reader);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new FolioError("draining", "Stopping", {}));
    // Those that are at work are closed when they have done it, which is at once.
    for (const reader of this.#open) reader.interrupt();
    for (const reader of this.#idle.splice(0)) this.#close(reader);
  }

  async #find(connection: Connection, query: RunnableQuery): Promise<Found> {
    const { queryRowsMax } = this.runtime.limits;
    const columns = columnsOf(query.row);
    const rowsQuery = { ...query, columns, rowsMax: queryRowsMax };
    // Both: as it is, it must be a SELECT; as it will be run, it must still be that one.
    await query.guard.check("read", query.sql, query.args);
    await query.guard.check("read", selectRows(rowsQuery), query.args);
    const found = await readRows(connection, rowsQuery);
    const rows = found.rows.slice(0, queryRowsMax).map((row) =>
      fit(query.row, toObject(columns, row), "Row")
    );
    return {
      rows: rows as Record<string, unknown>[],
      isTruncated: found.rows.length > queryRowsMax,
      checkpoints: found.checkpoints,
    };
  }

  /**
   * Does work on a connection that nobody else uses.
   *
   * @param whileWaiting Told how to give up before there is a connection.
   */
  async #onConnection<T>(
    work: (connection: Connection, interrupt: () => void) => Promise<T>,
    whileWaiting: (giveUp: () => void) => void,
  ): Promise<T> {
    const mode = await this.#findMode();
    if ("shared" in mode) return await work(mode.shared, () => {});
    const reader = await this.#acquire(mode.file, whileWaiting);
    try {
      return await work(reader, () => reader.interrupt());
    } finally {
      this.#release(reader);
    }
  }

  async #acquire(file: string, whileWaiting: (giveUp: () => void) => void): Promise<Reader> {
    if (this.#isClosed) throw draining();
    const idle = this.#idle.pop();
    if (idle) return idle;
    if (this.#open.size + this.#opening < CONNECTIONS_MAX) {
      this.#opening++;
      try {
        const reader = await openReader(file);
        this.#open.add(reader);
        return reader;
      } finally {
        this.#opening--;
      }
    }
    if (this.#waiting.length >= WAITING_MAX) {
      throw new FolioError("store-unavailable", "Too many queries wait: try again later", {});
    }
    return await new Promise<Connection>((resolve, reject) => {
      const waiting = { resolve, reject };
      this.#waiting.push(waiting);
      whileWaiting(() => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(new Error("Its turn did not come in time"));
      });
    }) as Reader;
  }

  #release(reader: Reader): void {
    const next = this.#waiting.shift();
    if (this.#isClosed) this.#close(reader);
    else if (next) next.resolve(reader);
    else this.#idle.push(reader);
  }

  #close(reader: Reader): void {
    this.#open.delete(reader);
    reader.close();
  }

  #findMode(): Promise<{ shared: Database } | { file: string }> {
    const finding = this.#mode ??= this.#lookForMode();
    // The next query tries again.
    finding.catch(() => this.#mode = undefined);
    return finding;
  }

  async #lookForMode(): Promise<{ shared: Database } | { file: string }> {
    const file = await fileOf(this.database);
    return file === undefined ? { shared: this.database } : { file };
  }
}

function tooSlow({ projection, query }: RunnableQuery, timeoutMs: number): FolioError {
  const message = `Query ${projection}/${query} took longer than ${timeoutMs} ms`;
  return new FolioError("query-too-slow", message, { projection, query, timeoutMs });
}

function columnsOf(row: z.ZodType): string[] {
  return "shape" in row ? Object.keys(row.shape as object) : [];
}

function toObject(
  columns: readonly string[],
  row: readonly SqlValue[],
): Record<string, SqlValue | undefined> {
  return Object.fromEntries(columns.map((column, index) => [column, row[index]]));
}
