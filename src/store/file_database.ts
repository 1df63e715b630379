import LibsqlConnection from "libsql";
import { attachArchive } from "./archive.ts";
import { type Database, DatabaseError, type Row, type SqlValue, type Statement } from "./database.ts";

/** Texts of statements that a connection keeps prepared. */
const PREPARED_MAX = 200;

/** The part of the driver that is used; what it says of itself leaves out most of it. */
interface Connection {
  readonly inTransaction: boolean;
  prepare(sql: string): DriverStatement;
  close(): void;
}

interface DriverStatement {
  /** Whether it gives rows. */
  readonly reader: boolean;
  raw(): void;
  safeIntegers(): void;
  run(args: unknown[]): void;
  all(args: unknown[]): DriverValue[][];
}

type DriverValue = SqlValue | bigint;

interface Prepared {
  readonly statement: DriverStatement;
  readonly isReader: boolean;
  /** Arguments it was given at the most. */
  argsMax: number;
}

/** Whoever has just closed the file, in whatever process, may still be moving into it what was written. */
const wait = { sql: "PRAGMA busy_timeout = 5000" };
const begin = { read: { sql: "BEGIN TRANSACTION READONLY" }, write: { sql: "BEGIN IMMEDIATE" } };
const commit = { sql: "COMMIT" };
const rollback = { sql: "ROLLBACK" };

/**
 * A database in a file, or in memory, that runs on the calling thread. Statements are prepared once: that
 * takes longer than to run most of them. SQLite prepares them again by itself when the schema has changed.
 */
class FileDatabase implements Database {
  #connection: Connection | undefined;
  readonly #prepared = new Map<string, Prepared>();
  /** What this connection was set to, by name: one that takes its place is set to it, too. */
  readonly #settings = new Map<string, Statement>();
  #isClosed = false;

  /** @throws {DatabaseError} When it cannot be opened. */
  constructor(private readonly path: string, private readonly archivePath?: string) {
    try {
      this.#run({ sql: "SELECT 1" });
    } catch (error) {
      throw toDatabaseError(error);
    }
  }

  execute(statement: Statement): Promise<Row[]> {
    return this.#use(() => {
      const rows = this.#run(statement);
      const setting = /^PRAGMA (\w+) = /.exec(statement.sql)?.[1];
      if (setting !== undefined) this.#settings.set(setting, statement);
      return rows;
    });
  }

  batch(statements: readonly Statement[], mode: "read" | "write"): Promise<Row[][]> {
    return this.#use((connection) => {
      this.#run(begin[mode]);
      const rows = statements.map((statement) => {
        if (!connection.inTransaction) throw new DatabaseError("Transaction is over", "TRANSACTION_CLOSED");
        return this.#run(statement);
      });
      this.#run(commit);
      return rows;
    });
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#drop();
    return Promise.resolve();
  }

  // deno-lint-ignore require-await -- async so that what is thrown here rejects
  async #use<T>(work: (connection: Connection) => T): Promise<T> {
    if (this.#isClosed) throw new DatabaseError("Database is closed", "CLOSED");
    try {
      return work(this.#open());
    } catch (error) {
      throw toDatabaseError(error);
    } finally {
      this.#leaveTransaction();
    }
  }

  #run({ sql, args = [] }: Statement): Row[] {
    const prepared = this.#prepare(sql);
    const bound = args.map(toBound);
    // The driver leaves bound what the last run has bound.
    while (bound.length < prepared.argsMax) bound.push(null);
    prepared.argsMax = bound.length;
    if (prepared.isReader) return prepared.statement.all(bound).map((row) => row.map(toSqlValue));
    prepared.statement.run(bound);
    return [];
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known) return known;
    const statement = this.#open().prepare(sql);
    const isReader = statement.reader;
    if (isReader) statement.raw();
    statement.safeIntegers();
    const prepared = { statement, isReader, argsMax: 0 };
    for (const oldest of this.#prepared.keys()) {
      if (this.#prepared.size < PREPARED_MAX) break;
      this.#prepared.delete(oldest);
    }
    this.#prepared.set(sql, prepared);
    return prepared;
  }

  #open(): Connection {
    if (this.#connection) return this.#connection;
    const connection = new (LibsqlConnection as unknown as new (path: string) => Connection)(this.path);
    this.#connection = connection;
    const attach = this.archivePath === undefined ? [] : attachArchive(this.archivePath);
    try {
      for (const statement of [wait, ...attach, ...this.#settings.values()]) this.#run(statement);
    } catch (error) {
      this.#drop();
      throw error;
    }
    return connection;
  }

  /** A connection whose transaction cannot be ended is of no use: the next request gets a new one. */
  #leaveTransaction(): void {
    if (!this.#connection?.inTransaction) return;
    try {
      this.#run(rollback);
    } catch {
      this.#drop();
    }
  }

  #drop(): void {
    this.#prepared.clear();
    this.#connection?.close();
    this.#connection = undefined;
  }
}

/**
 * Opens the database at a `file:` URL, `file::memory:` for one in memory.
 *
 * @param archiveUrl Of the archive that belongs to it, which is there.
 * @throws {DatabaseError} When it cannot be opened.
 */
export function openFileDatabase(url: string, archiveUrl?: string): Database {
  return new FileDatabase(pathOf(url), archiveUrl === undefined ? undefined : pathOf(archiveUrl));
}

function pathOf(url: string): string {
  return decodeURIComponent(url.replace(/^file:(\/\/(?=\/))?/, ""));
}

/**
 * The driver binds every number as a fraction, which shows as soon as it becomes text: `2.0`; and some of what code
 * without types may give it, such as a boolean, ends the whole process there.
 *
 * @throws {TypeError | RangeError} When it is no value of SQL.
 */
export function toBound(value: SqlValue): DriverValue {
  if (typeof value === "string" || value === null) return value;
  if (typeof value !== "number") {
    throw new TypeError(`Cannot bind ${String(value)}: only text, numbers and null`);
  }
  if (!Number.isFinite(value)) throw new RangeError(`Cannot bind ${value}: only finite numbers`);
  return Number.isSafeInteger(value) ? BigInt(value) : value;
}

function toSqlValue(value: DriverValue): SqlValue {
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new RangeError(`Cannot read ${value}: no number holds it`);
}

/** SQLite's primary result codes, by their numbers. */
const codes = [
  ...["OK", "ERROR", "INTERNAL", "PERM", "ABORT", "BUSY", "LOCKED", "NOMEM", "READONLY", "INTERRUPT"],
  ...["IOERR", "CORRUPT", "NOTFOUND", "FULL", "CANTOPEN", "PROTOCOL", "EMPTY", "SCHEMA", "TOOBIG"],
  ...["CONSTRAINT", "MISMATCH", "MISUSE", "NOLFS", "AUTH", "FORMAT", "RANGE", "NOTADB", "NOTICE", "WARNING"],
];

function toDatabaseError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const raw = error instanceof Error && "rawCode" in error ? Number(error.rawCode) & 0xff : NaN;
  return new DatabaseError(message, Number.isNaN(raw) ? "UNKNOWN" : `SQLITE_${codes[raw] ?? raw}`, {
    cause: error,
  });
}
