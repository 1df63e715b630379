import { type Client, createClient, LibsqlError } from "@libsql/client";
import { type Database, DatabaseError, type Row, type SqlValue, type Statement } from "./database.ts";
import { openFileDatabase, toBound } from "./file_database.ts";

/** Where a database is: `file:…` on this machine, or `libsql:`, `http:`, `https:` on a server. */
export interface DatabaseLocation {
  readonly url: string;
  readonly authToken?: string | undefined;
}

/**
 * Opens a database on the calling thread. A `file:` database then runs synchronously on it.
 *
 * @throws {DatabaseError} When it cannot be opened.
 */
export function openLibsqlDatabase(location: DatabaseLocation): Database {
  return location.url.startsWith("file:") ? openFileDatabase(location.url) : openClientDatabase(location);
}

/** Opens a database by the client for servers, which takes the URL of a file, too. */
export function openClientDatabase(location: DatabaseLocation): Database {
  const client = wrapErrorsSync(() =>
    createClient({
      url: location.url,
      // Pragmas belong to a connection, and an in-memory database is one.
      concurrency: 1,
      ...(location.authToken === undefined ? {} : { authToken: location.authToken }),
    })
  );
  return {
    execute: (statement) => wrapErrors(async () => rowsOf(await client.execute(toLibsql(statement)))),
    batch: (statements, mode) =>
      wrapErrors(async () => (await client.batch(statements.map(toLibsql), mode)).map(rowsOf)),
    close: () => Promise.resolve(client.close()),
  };
}

function toLibsql(statement: Statement) {
  return { sql: statement.sql, args: statement.args?.map(toBound) ?? [] };
}

type ResultSet = Awaited<ReturnType<Client["execute"]>>;

function rowsOf(result: ResultSet): Row[] {
  const columns = result.columns.length;
  return result.rows.map((row) => Array.from({ length: columns }, (_, index) => row[index] as SqlValue));
}

async function wrapErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toDatabaseError(error);
  }
}

function wrapErrorsSync<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toDatabaseError(error);
  }
}

function toDatabaseError(error: unknown): DatabaseError {
  if (error instanceof LibsqlError) return new DatabaseError(error.message, error.code, { cause: error });
  return new DatabaseError(error instanceof Error ? error.message : String(error), "UNKNOWN", {
    cause: error,
  });
}
