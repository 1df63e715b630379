import { type Database, DatabaseError } from "../../src/store/database.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";

/** A database in memory that outlives its runtimes, and whose reads can be held back or made to fail. */
export class MemoryDatabase implements Database {
  /** Reads fail so many more times. */
  readFailures = 0;
  /** Which reads those are: all, unless the test says so. */
  failingReads = /./;
  readonly #inner = openLibsqlDatabase({ url: "file::memory:" });
  /** Which reads `hangReads` holds back: all, unless the test says so. */
  hangingReads = /./;
  #gate: PromiseWithResolvers<void> | undefined;

  /** From now on, reads wait. @returns Lets them go. */
  hangReads(): () => void {
    const gate = this.#gate ??= Promise.withResolvers<void>();
    return () => {
      this.#gate = undefined;
      gate.resolve();
    };
  }

  execute: Database["execute"] = async (statement) => {
    if (/^\s*SELECT/i.test(statement.sql)) await this.#beforeRead(statement.sql);
    return await this.#inner.execute(statement);
  };

  batch: Database["batch"] = async (statements, mode) => {
    if (mode === "read") await this.#beforeRead(statements.map(({ sql }) => sql).join());
    return await this.#inner.batch(statements, mode);
  };

  /** What the test itself wants to know: never held back. */
  async look(sql: string, ...args: (string | number)[]) {
    return await this.#inner.execute({ sql, args });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #beforeRead(sql: string): Promise<void> {
    if (this.readFailures > 0 && this.failingReads.test(sql)) {
      this.readFailures--;
      throw new DatabaseError("read failed, as planned", "SQLITE_IOERR");
    }
    if (this.hangingReads.test(sql)) await this.#gate?.promise;
  }
}
