/** One Hrana stream: a connection to a database, which carries out requests in order. */
import LibsqlConnection from "libsql";
import type {
  BatchCond,
  BatchStep,
  PipelineRequest,
  ProtocolError,
  Stmt,
  StmtResult,
  StreamRequest,
  StreamResult,
  Value,
} from "./protocol.ts";

/** The part of the driver that is used. */
interface Connection {
  readonly inTransaction: boolean;
  prepare(sql: string): DriverStatement;
  exec(sql: string): void;
  close(): void;
}

interface DriverStatement {
  readonly reader: boolean;
  raw(): void;
  safeIntegers(): void;
  columns(): { name: string; type: string | null }[];
  run(args: unknown[]): { changes: number; lastInsertRowid: number | bigint };
  all(args: unknown[]): unknown[][];
}

/** A pragma is refused that would change the server's own connection; so is what leaves the database. */
const allowedPragmas = new Set([
  ...["collation_list", "compile_options", "data_version", "database_list", "foreign_key_check"],
  ...["foreign_key_list", "freelist_count", "function_list", "index_list", "index_xinfo", "integrity_check"],
  ...["page_count", "pragma_list", "quick_check", "table_info", "table_list", "table_xinfo"],
]);
const unsupported = /^\s*(ATTACH|DETACH|VACUUM|SAVEPOINT|RELEASE|REINDEX|ANALYZE|CREATE\s+TEMP)/i;

/** What a statement failed with, as the protocol says it. */
class StatementError extends Error {
  constructor(message: string, readonly code: string) {
    super(message);
  }
}

export class HranaStream {
  readonly #connection: Connection;
  readonly #texts = new Map<number, string>();
  isClosed = false;

  constructor(path: string) {
    this.#connection = new (LibsqlConnection as unknown as new (path: string) => Connection)(path);
    // What this server keeps outlives its streams, and need not outlive the machine.
    this.#connection.exec("PRAGMA journal_mode = WAL");
    this.#connection.exec("PRAGMA synchronous = OFF");
  }

  /** Whether nothing of it is left over that another stream would see. */
  get isIdle(): boolean {
    return !this.#connection.inTransaction && this.#texts.size === 0;
  }

  /** Carries out all requests, whether or not those before them have failed. */
  run({ requests }: PipelineRequest): StreamResult[] {
    return requests.map((request) => {
      try {
        if (this.isClosed) throw new StatementError("Stream is closed", "STREAM_CLOSED");
        return { type: "ok", response: this.#answer(request) };
      } catch (error) {
        return { type: "error", error: toProtocol(error) };
      }
    });
  }

  /** Ends the stream, and its transaction; the connection may serve another one. */
  reset(): void {
    this.#texts.clear();
    this.isClosed = false;
    if (this.#connection.inTransaction) this.#connection.exec("ROLLBACK");
  }

  dispose(): void {
    this.#connection.close();
  }

  #answer(request: StreamRequest): { type: string; [field: string]: unknown } {
    const { type } = request;
    switch (type) {
      case "close":
        this.reset();
        this.isClosed = true;
        return { type };
      case "execute":
        return { type, result: this.#execute(request.stmt) };
      case "batch":
        return { type, result: this.#batch(request.batch.steps) };
      case "sequence":
        this.#connection.exec(this.#textOf(request));
        return { type };
      case "store_sql":
        if (this.#texts.has(request.sql_id)) {
          throw new StatementError(`SQL text ${request.sql_id} is in use`, "SQL_STORE_ID_USED");
        }
        this.#texts.set(request.sql_id, request.sql);
        return { type };
      case "close_sql":
        this.#texts.delete(request.sql_id);
        return { type };
      case "get_autocommit":
        return { type, is_autocommit: !this.#connection.inTransaction };
      default:
        throw new StatementError(`Request ${type} is not supported`, "NOT_SUPPORTED");
    }
  }

  #batch(steps: readonly BatchStep[]) {
    const results: (StmtResult | null)[] = [];
    const errors: (ProtocolError | null)[] = [];
    const holds = (cond: BatchCond): boolean => {
      if (cond.type === "ok") return Boolean(results[cond.step]);
      if (cond.type === "error") return Boolean(errors[cond.step]);
      if (cond.type === "not") return !holds(cond.cond);
      if (cond.type === "and") return cond.conds.every(holds);
      if (cond.type === "or") return cond.conds.some(holds);
      return !this.#connection.inTransaction;
    };
    for (const { condition, stmt } of steps) {
      let result: StmtResult | null = null;
      let failure: ProtocolError | null = null;
      try {
        if (!condition || holds(condition)) result = this.#execute(stmt);
      } catch (error) {
        failure = toProtocol(error);
      }
      results.push(result);
      errors.push(failure);
    }
    return { step_results: results, step_errors: errors };
  }

  #execute(stmt: Stmt): StmtResult {
    const sql = this.#textOf(stmt);
    const pragma = /^\s*PRAGMA\s+(?:\w+\.)?(\w+)/i.exec(sql)?.[1]?.toLowerCase();
    if (unsupported.test(sql) || (pragma !== undefined && !allowedPragmas.has(pragma))) {
      throw new StatementError("SQL string could not be parsed: unsupported statement", "SQL_PARSE_ERROR");
    }
    if (stmt.named_args?.length) {
      throw new StatementError("Named arguments are not supported", "ARGS_INVALID");
    }
    const args = (stmt.args ?? []).map(fromProtocolValue);
    checkCount(sql, args.length);
    const statement = this.#connection.prepare(sql);
    if (!statement.reader) {
      const { changes, lastInsertRowid } = statement.run(args);
      return { cols: [], rows: [], affected_row_count: changes, last_insert_rowid: String(lastInsertRowid) };
    }
    statement.raw();
    statement.safeIntegers();
    const rows = statement.all(args);
    return {
      cols: statement.columns().map(({ name, type }) => ({ name, decltype: type })),
      rows: stmt.want_rows === false ? [] : rows.map((row) => row.map(toProtocolValue)),
      affected_row_count: 0,
      last_insert_rowid: null,
    };
  }

  #textOf({ sql, sql_id }: { readonly sql?: string | null; readonly sql_id?: number | null }): string {
    const text = sql ?? (typeof sql_id === "number" ? this.#texts.get(sql_id) : undefined);
    if (text === undefined) throw new StatementError(`There is no SQL text ${sql_id}`, "SQL_NOT_FOUND");
    return text;
  }
}

/** The specification calls too few arguments an error, as it does too many. */
function checkCount(sql: string, given: number): void {
  const bare = sql.replaceAll(/--[^\n]*|'[^']*'|"[^"]*"|\[[^\]]*\]/g, "");
  let wanted = 0;
  for (const [, number] of bare.matchAll(/\?(\d*)/g)) {
    wanted = number ? Math.max(wanted, Number(number)) : wanted + 1;
  }
  if (given < wanted) {
    throw new StatementError(`Statement takes ${wanted} arguments, and was given ${given}`, "ARGS_INVALID");
  }
}

function fromProtocolValue(value: Value): unknown {
  if (value.type === "null") return null;
  if (value.type === "integer") return BigInt(value.value);
  if (value.type === "blob") return Uint8Array.fromBase64(value.base64);
  return value.value;
}

function toProtocolValue(value: unknown): Value {
  if (value === null) return { type: "null" };
  if (typeof value === "bigint") return { type: "integer", value: String(value) };
  if (typeof value === "number") return { type: "float", value };
  if (typeof value === "string") return { type: "text", value };
  return { type: "blob", base64: Uint8Array.from(value as Uint8Array).toBase64() };
}

function toProtocol(error: unknown): ProtocolError {
  if (error instanceof StatementError) return { message: error.message, code: error.code };
  const code = error instanceof Error && "code" in error ? String(error.code) : null;
  return { message: `SQLite error: ${error instanceof Error ? error.message : error}`, code };
}
