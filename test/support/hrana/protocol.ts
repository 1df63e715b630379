/**
 * Structures of Hrana 3 over HTTP (JSON), as its public specification names them; version 2 is the same without
 * `is_autocommit` and `get_autocommit`.
 */

export type Value =
  | { readonly type: "null" }
  | { readonly type: "integer"; readonly value: string }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "text"; readonly value: string }
  | { readonly type: "blob"; readonly base64: string };

export interface Stmt {
  readonly sql?: string | null;
  readonly sql_id?: number | null;
  readonly args?: readonly Value[];
  readonly named_args?: readonly { readonly name: string; readonly value: Value }[];
  readonly want_rows?: boolean;
}

export type BatchCond =
  | { readonly type: "ok" | "error"; readonly step: number }
  | { readonly type: "not"; readonly cond: BatchCond }
  | { readonly type: "and" | "or"; readonly conds: readonly BatchCond[] }
  | { readonly type: "is_autocommit" };

export interface BatchStep {
  readonly condition?: BatchCond | null;
  readonly stmt: Stmt;
}

export type StreamRequest =
  | { readonly type: "close" | "get_autocommit" }
  | { readonly type: "execute"; readonly stmt: Stmt }
  | { readonly type: "batch"; readonly batch: { readonly steps: readonly BatchStep[] } }
  | { readonly type: "sequence" | "describe"; readonly sql?: string | null; readonly sql_id?: number | null }
  | { readonly type: "store_sql"; readonly sql_id: number; readonly sql: string }
  | { readonly type: "close_sql"; readonly sql_id: number };

export interface PipelineRequest {
  readonly baton?: string | null;
  readonly requests: readonly StreamRequest[];
}

export interface StmtResult {
  readonly cols: readonly { readonly name: string | null; readonly decltype: string | null }[];
  readonly rows: readonly (readonly Value[])[];
  readonly affected_row_count: number;
  readonly last_insert_rowid: string | null;
}

export interface ProtocolError {
  readonly message: string;
  readonly code: string | null;
}

export type StreamResult =
  | { readonly type: "ok"; readonly response: { readonly type: string; readonly [field: string]: unknown } }
  | { readonly type: "error"; readonly error: ProtocolError };

/** All SQL texts of a request, in order, for a test that looks at what is asked. */
export function sqlOf(request: PipelineRequest): string[] {
  const stored = new Map<number, string>();
  const textOf = ({ sql, sql_id }: { sql?: string | null; sql_id?: number | null }) =>
    sql ?? (typeof sql_id === "number" ? stored.get(sql_id) : undefined) ?? "";
  return request.requests.flatMap((asked) => {
    if (asked.type === "store_sql") stored.set(asked.sql_id, asked.sql);
    if (asked.type === "execute") return [textOf(asked.stmt)];
    if (asked.type === "batch") return asked.batch.steps.map(({ stmt }) => textOf(stmt));
    return [];
  });
}
