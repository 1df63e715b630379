import LibsqlConnection from "libsql/promise";
import { type Database, DatabaseError, type Row, type Statement } from "./database.ts";
import { toBound } from "./file_database.ts";

/**
 * A connection that only reads, and can be told to give up in the middle of a statement. A thread that runs
 * SQL cannot be ended from outside: the machine code in it goes on, and takes a core for itself.
 */
export interface Reader {
  /** @throws {DatabaseError} `SQLITE_INTERRUPT` when it was told to give up. */
  execute(statement: Statement): Promise<Row[]>;
  /** Makes a statement that runs now fail. Takes effect until its first row has come. */
  interrupt(): void;
  close(): void;
}

/** Statements, and the rows they gave, that a connection holds before it is opened anew. */
const STATEMENTS_MAX = 1_000;

/** The part of the driver that is used; what it says of itself leaves out most of it. */
interface Connection {
  prepare(sql: string): Promise<{ raw(): { iterate(args: unknown[]): Promise<Iterable<Row>> } }>;
  exec(sql: string): Promise<void>;
  interrupt(): void;
  close(): void;
}

/** The file that a database is in; undefined for one in memory or on a server. */
export async function fileOf(database: Database): Promise<string | undefined> {
  try {
    const [main] = await database.execute({ sql: `PRAGMA database_list` });
    return String(main?.[2] ?? "") || undefined;
  } catch (error) {
    // A server that does not tell is no file.
    if (error instanceof DatabaseError) return undefined;
    throw error;
  }
}

/**
 * Opens a connection of its own to a database file. Statements run beside this thread, one at a time.
 *
 * @throws {DatabaseError} When the file cannot be opened.
 */
export async function openReader(file: string): Promise<Reader> {
  let connection = await open(file);
  // The garbage collector frees a statement on this thread, which then waits for whatever runs on the connection:
  // for ever, when only this thread could interrupt that. So statements live as long as their connection.
  let past: unknown[] = [];
  return {
    execute: ({ sql, args = [] }) =>
      wrapped(async () => {
        if (past.length >= STATEMENTS_MAX) {
          connection.close();
          [connection, past] = [await open(file), []];
        }
        const statement = (await connection.prepare(sql)).raw();
        past.push(statement);
        const rows = await statement.iterate(args.map(toBound));
        past.push(rows);
        return [...rows];
      }),
    interrupt: () => connection.interrupt(),
    close: () => connection.close(),
  };
}

function open(file: string): Promise<Connection> {
  return wrapped(async () => {
    const connection = new (LibsqlConnection as unknown as new (path: string) => Connection)(file);
    await connection.exec("PRAGMA busy_timeout = 5000");
    await connection.exec("PRAGMA query_only = 1");
    return connection;
  });
}

async function wrapped<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "UNKNOWN";
    throw new DatabaseError(error instanceof Error ? error.message : String(error), code, { cause: error });
  }
}
