import type { Database } from "../../src/store/database.ts";
import { DatabaseError } from "../../src/store/database.ts";
import { openLibsqlDatabase } from "../../src/store/libsql_database.ts";

/**
 * What happens to one write: `ok`; `before`: fails and writes nothing; `after`: is written, but the answer is an
 * error; `lost`: nothing is written and no answer ever comes; `unanswered`: written, but no answer ever comes.
 */
export type Fault = "ok" | "before" | "after" | "lost" | "unanswered";

/** A read database in memory that outlives its processes. Each process has a connection of its own. */
export class SharedDatabase {
  readonly #inner = openLibsqlDatabase({ url: "file::memory:" });

  connect(): FaultyDatabase {
    return new FaultyDatabase(this.#inner);
  }

  /** What the test itself wants to know. */
  async look(sql: string, ...args: (string | number)[]) {
    return await this.#inner.execute({ sql, args });
  }
}

/** A connection that fails when it is told to. */
export class FaultyDatabase implements Database {
  /** Transactions that were asked for. */
  writes = 0;
  /** Told before each one. */
  onWrite: (sql: string) => void = () => {};
  readonly #faults: Fault[] = [];
  #isDead = false;

  constructor(private readonly inner: Database) {}

  /** What happens to the next writes, in order; after those all is well. */
  plan(...faults: Fault[]): void {
    this.#faults.push(...faults);
  }

  /** As if the process had gone: whatever is asked is never answered, and does nothing. */
  kill(): void {
    this.#isDead = true;
  }

  async execute(statement: Parameters<Database["execute"]>[0]) {
    if (this.#isDead) return await never();
    return await this.inner.execute(statement);
  }

  async batch(...[statements, mode]: Parameters<Database["batch"]>) {
    if (this.#isDead) return await never();
    if (mode === "read") return await this.inner.batch(statements, mode);
    this.writes++;
    this.onWrite(statements.map(({ sql }) => sql).join(";\n"));
    const fault = this.#faults.shift() ?? "ok";
    if (fault === "lost") return await never();
    if (fault === "before") throw new DatabaseError("write failed, as planned", "SQLITE_IOERR");
    const rows = await this.inner.batch(statements, mode);
    if (fault === "unanswered") return await never();
    if (fault === "after") throw new DatabaseError("answer lost, as planned", "SQLITE_IOERR");
    return rows;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
