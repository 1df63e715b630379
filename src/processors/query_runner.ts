import type { z } from "zod";
import { errorMessage, FolioError } from "../core/errors.ts";
import type { SqlArgument } from "../core/projection.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Database } from "../store/database.ts";
import { readRows } from "../store/read_store.ts";

/** A query, ready to be run. */
export interface RunnableQuery {
  readonly projection: string;
  readonly query: string;
  readonly generation: number;
  readonly sql: string;
  readonly args: readonly SqlArgument[];
  readonly row: z.ZodType;
}

/** A database that can be ended in the middle of a statement; without `terminate`, a slow query runs on. */
export type InterruptibleDatabase = Database & { terminate?: () => void };

/** Runs queries on a connection of their own, and stops the ones that take too long. */
export class QueryRunner {
  #database: Promise<InterruptibleDatabase> | undefined;

  constructor(
    private readonly runtime: Runtime,
    private readonly open: () => Promise<InterruptibleDatabase>,
  ) {}

  /** @throws {FolioError} `query-too-slow`, `query-failed`. */
  async run(query: RunnableQuery): Promise<{
    rows: Record<string, unknown>[];
    isTruncated: boolean;
    checkpoints: Map<number, number>;
  }> {
    const { clock, limits, log } = this.runtime;
    const { projection, query: name } = query;
    const database = await (this.#database ??= this.open());
    let isSlow = false;
    const cancel = clock.after(limits.queryMsMax, () => {
      isSlow = true;
      // A statement cannot be asked to end; the thread that runs it can. The next query gets a new one.
      if (database.terminate) this.#database = undefined;
      database.terminate?.();
    });
    try {
      const columns = columnsOf(query.row);
      const found = await readRows(database, { ...query, columns, rowsMax: limits.queryRowsMax });
      const rows = found.rows.slice(0, limits.queryRowsMax).map((row) => {
        const object = Object.fromEntries(columns.map((column, index) => [column, row[index]]));
        return query.row.parse(object) as Record<string, unknown>;
      });
      return { rows, isTruncated: found.rows.length > limits.queryRowsMax, checkpoints: found.checkpoints };
    } catch (error) {
      if (isSlow) {
        const timeoutMs = limits.queryMsMax;
        throw new FolioError(
          "query-too-slow",
          `Query ${projection}/${name} took longer than ${timeoutMs} ms`,
          {
            projection,
            query: name,
            timeoutMs,
          },
        );
      }
      log("error", "Query failed", { projection, query: name, error: errorMessage(error) });
      throw new FolioError(
        "query-failed",
        `Query ${projection}/${name} failed`,
        { projection, query: name },
        {
          cause: error,
        },
      );
    } finally {
      cancel();
    }
  }

  async close(): Promise<void> {
    const database = await this.#database?.catch(() => undefined);
    await database?.close().catch(() => {});
  }
}

function columnsOf(row: z.ZodType): string[] {
  return "shape" in row ? Object.keys(row.shape as object) : [];
}
