import { type Database, DatabaseError, type Row, type Statement } from "./database.ts";

const holderQuery = { sql: `SELECT value FROM read_meta WHERE key = 'epoch'` };
/** How SQLite names the failed check. */
const fencedMessage = "NOT NULL constraint failed: read_meta.value";

/**
 * Takes the read database over: from now on what every earlier holder writes is refused, in the transaction that
 * writes it. Otherwise a process that another one has overtaken could drop tables that serve, or let its own serve.
 *
 * @param lost Called when it is seen that another has taken it.
 * @throws {DatabaseError} When it cannot be taken. Of what it gives, `batch` throws one with the code `FENCED` once
 * another has taken it.
 */
export async function takeReadDatabase(database: Database, lost: () => void): Promise<Database> {
  const [, rows] = await database.batch([
    { sql: `UPDATE read_meta SET value = value + 1 WHERE key = 'epoch'` },
    holderQuery,
  ], "write");
  const epoch = Number(rows?.[0]?.[0]);
  // The value comes out as NULL, which the table refuses, and with it the whole transaction.
  const check: Statement = {
    sql: `INSERT INTO read_meta SELECT 'fenced', NULL FROM read_meta WHERE key = 'epoch' AND value <> ?`,
    args: [epoch],
  };
  return {
    ...(database.isRemote === undefined ? {} : { isRemote: database.isRemote }),
    execute: (statement) => database.execute(statement),
    async batch(statements, mode): Promise<Row[][]> {
      if (mode === "read") return await database.batch(statements, mode);
      try {
        return (await database.batch([check, ...statements], mode)).slice(1);
      } catch (error) {
        if (!(error instanceof DatabaseError) || !error.message.includes(fencedMessage)) throw error;
        lost();
        throw new DatabaseError("another process has taken the read database over", "FENCED", {
          cause: error,
        });
      }
    },
    close: () => database.close(),
  };
}
