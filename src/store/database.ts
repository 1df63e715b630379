/**
 * The port to SQL: what Folio needs of libSQL, whether the file is opened on this thread, on a worker
 * thread, or on a server far away. Every transaction is one `batch`, known in full beforehand, so that it is
 * one round trip anywhere. Requests are carried out in the order asked.
 */

export type SqlValue = string | number | null;
export type Row = readonly SqlValue[];

export interface Statement {
  readonly sql: string;
  readonly args?: readonly SqlValue[];
}

export interface Database {
  /** Whether it is on a server: what that says of its files is not about this machine. */
  readonly isRemote?: boolean;
  /** Of a shard's database that somebody else has opened: whether an archive is attached to it. */
  readonly hasArchive?: boolean;
  /** Runs one statement by itself, outside of any transaction. */
  execute(statement: Statement): Promise<Row[]>;
  /**
   * Runs all statements in one transaction, or none of them. `write` takes the write lock at the start.
   *
   * @returns The rows of each statement, in order.
   * @throws {DatabaseError} Nothing was changed, unless the error came after the commit was sent.
   */
  batch(statements: readonly Statement[], mode: "read" | "write"): Promise<Row[][]>;
  close(): Promise<void>;
}

/** What the database said no with. `code` is SQLite's primary result code, e.g. `SQLITE_CORRUPT`. */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";

  constructor(message: string, readonly code: string, options?: ErrorOptions) {
    super(message, options);
  }
}
