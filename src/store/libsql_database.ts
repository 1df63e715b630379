import { type Client, createClient, LibsqlError } from "@libsql/client";
import { type Database, DatabaseError, type Row, type SqlValue, type Statement } from "./database.ts";
import { openFileDatabase, toBound } from "./file_database.ts";
import { remoteFetch } from "./remote_fetch.ts";

/** Where a database is: `file:…` on this machine, or `libsql:`, `http:`, `https:` on a server. */
export interface DatabaseLocation {
  readonly url: string;
  /** `file:…` of the archive that belongs to a shard's `file:`, which is there. */
  readonly archiveUrl?: string | undefined;
  readonly authToken?: string | undefined;
  /** How long to wait for an answer of a server. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Opens a database on the calling thread. A `file:` database then runs synchronously on it.
 *
 * @throws {DatabaseError} When it cannot be opened.
 */
export function openLibsqlDatabase(location: DatabaseLocation): Database {
  return location.url.startsWith("file:")
    ? openFileDatabase(location.url, location.archiveUrl)
    : openClientDatabase(location);
}

/** Opens a database by the client for servers, which takes the URL of a file, too. */
export function openClientDatabase(location: DatabaseLocation): Database {
  const isRemote = !location.url.startsWith("file:");
  const client = wrapErrorsSync(() =>
    createClient({
      url: isRemote ? withSlash(location.url) : location.url,
      fetch: remoteFetch(location.timeoutMs),
      // Pragmas belong to a connection, and an in-memory database is one.
      concurrency: 1,
      ...(location.authToken === undefined ? {} : { authToken: location.authToken }),
    })
  );
  const use = async <T>(work: () => Promise<T>) => {
    if (client.closed) throw new DatabaseError("Database is closed", "CLOSED");
    return await wrapErrors(work);
  };
  return {
    isRemote,
    execute: (statement) => use(async () => rowsOf(await client.execute(toLibsql(statement)))),
    batch: (statements, mode) =>
      use(async () => (await client.batch(statements.map(toLibsql), mode)).map(rowsOf)),
    close: () => Promise.resolve(client.close()),
  };
}

/** What the client asks for is relative to the path, whose last part would be left out without a slash. */
function withSlash(url: string): string {
  return url.replace(/^([^?#]*[^/?#])(?=[?#]|$)/, "$1/");
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
  if (error instanceof DatabaseError) return error;
  if (error instanceof LibsqlError && error.cause instanceof DatabaseError) return error.cause;
  if (error instanceof LibsqlError) return new DatabaseError(error.message, error.code, { cause: error });
  return new DatabaseError(error instanceof Error ? error.message : String(error), "UNKNOWN", {
    cause: error,
  });
}
