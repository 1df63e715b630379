/**
 * Holds a projection's SQL to the projection's own tables. Not by reading it: it is tried on an empty database
 * that has those tables and no others, which SQLite plans (`EXPLAIN`) and never runs. What it cannot find there
 * it may not touch, and what it would call is in the plan.
 */
import { BoundedMap } from "../core/bounded_map.ts";
import type { Database, Row } from "./database.ts";
import { openLibsqlDatabase } from "./libsql_database.ts";
import { keywordOf, namesIn } from "./sql_names.ts";

/** SQL texts that are remembered: more than a projection has, unless it puts values into them. */
const SQL_TEXTS_MAX = 1_000;

/** What a statement may begin with. */
const keywords = {
  read: new Set(["SELECT", "VALUES", "WITH"]),
  write: new Set(["INSERT", "REPLACE", "UPDATE", "DELETE", "WITH"]),
};

/** Functions that reach out of the database, or run SQL of their own. */
const reaching =
  /^(load_extension|readfile|writefile|lsmode|edit|eval|fts3_tokenizer|sha3_query|geopoly_debug|sqlite3?mc_\w+|sqlite_(crypt|log))$/;
/** Functions whose answer is another one when the log is replayed. */
const fickle =
  /^(random|randomblob|uuid(_str|_blob)?|changes|total_changes|last_(insert_rowid|rows_affected)|current_\w+)$/;
/** Table-valued functions and virtual tables that hold nothing but what they are given. */
const harmless = new Set(["json_each", "json_tree", "generate_series"]);

/** A statement that does what it must not. */
export class ForbiddenSqlError extends Error {
  override readonly name = "ForbiddenSqlError";
}

/** Arguments that a statement takes, by its text: of statements that have been tried. */
type Tried = Readonly<Record<"read" | "write", Map<string, number>>>;

/** Sets of tables that are remembered. */
const TABLES_MAX = 100;
/** What has been tried on each set of tables: the same for every runtime of this process, and every rebuild. */
const triedOn = new BoundedMap<string, Tried>(TABLES_MAX);

/** Checks the SQL of one set of tables. */
export class SqlGuard {
  #database: Promise<Database> | undefined;

  private constructor(private readonly tables: readonly string[], private readonly tried: Tried) {}

  /**
   * @param tables Statements that make the tables, as they are called where SQL that is checked here will run.
   * @throws {DatabaseError} When they cannot be made.
   */
  static async open(tables: readonly string[]): Promise<SqlGuard> {
    const key = JSON.stringify(tables);
    const known = triedOn.get(key);
    if (known) return new SqlGuard(tables, known);
    const guard = new SqlGuard(tables, { read: new Map(), write: new Map() });
    await guard.#open();
    triedOn.set(key, guard.tried);
    return guard;
  }

  /**
   * Checks a statement before it is run.
   *
   * @returns Nothing where the statement is known; otherwise when it has been tried.
   * @throws {ForbiddenSqlError} When it would do what it must not, or has too few arguments.
   * @throws {DatabaseError} When it names a table or column that is not there, or is no SQL.
   */
  check(kind: "read" | "write", sql: string, args: readonly unknown[]): Promise<void> | undefined {
    const parameters = this.tried[kind].get(sql);
    if (parameters === undefined) return this.#checkNew(kind, sql, args);
    checkCount(parameters, args);
    return undefined;
  }

  async close(): Promise<void> {
    const database = await this.#database;
    await database?.close();
  }

  /** Only where something is to be tried: to make the tables takes longer than to try a statement on them. */
  #open(): Promise<Database> {
    return this.#database ??= (async () => {
      const database = openLibsqlDatabase({ url: "file::memory:" });
      try {
        await database.batch(this.tables.map((sql) => ({ sql })), "write");
      } catch (error) {
        await database.close();
        throw error;
      }
      return database;
    })();
  }

  async #checkNew(kind: "read" | "write", sql: string, args: readonly unknown[]): Promise<void> {
    const known = this.tried[kind];
    const parameters = await this.#plan(kind, sql);
    if (known.size >= SQL_TEXTS_MAX) known.clear();
    known.set(sql, parameters);
    checkCount(parameters, args);
  }

  async #plan(kind: "read" | "write", sql: string): Promise<number> {
    const keyword = keywordOf(sql);
    if (!keywords[kind].has(keyword)) {
      const allowed = [...keywords[kind]].join(", ");
      throw new ForbiddenSqlError(`Cannot run ${keyword.slice(0, 64)} here: only ${allowed}`);
    }
    const inner = namesIn(sql).find((name) => /^(sqlite|pragma)_/.test(name));
    if (inner) throw new ForbiddenSqlError(`Cannot use ${inner}: it belongs to the database`);
    const database = await this.#open();
    const plan = (await database.execute({ sql: `EXPLAIN ${sql}` })).map(toStep);
    for (const step of plan) checkStep(step, kind, sql);
    return Math.max(0, ...plan.map((step) => (step.opcode === "Variable" ? step.p1 : 0)));
  }
}

/** The database would take NULL for arguments that are missing. */
function checkCount(parameters: number, args: readonly unknown[]): void {
  if (args.length >= parameters) return;
  throw new ForbiddenSqlError(`Cannot run SQL that takes ${parameters} arguments with ${args.length}`);
}

/** One instruction of SQLite's virtual machine. */
interface Step {
  readonly opcode: string;
  readonly p1: number;
  readonly p4: string;
}

function toStep([, opcode, p1, , , p4]: Row): Step {
  return { opcode: String(opcode), p1: Number(p1), p4: String(p4) };
}

function checkStep(step: Step, kind: "read" | "write", sql: string): void {
  if (/Function|^PureFunc|^AggStep/.test(step.opcode)) {
    const name = step.p4.replace(/\(.*$/, "").toLowerCase();
    if (reaching.test(name)) {
      throw new ForbiddenSqlError(`Cannot call ${name}: it reaches out of the database`);
    }
    if (kind === "write" && fickle.test(name)) {
      throw new ForbiddenSqlError(`Cannot call ${name}: a replay would not give the same rows`);
    }
  }
  if (step.opcode !== "VOpen") return;
  const called = namesIn(sql).find((name) => harmless.has(name));
  const other = namesIn(sql).find((name) => virtual.test(name));
  if (!called || other) {
    throw new ForbiddenSqlError(
      `Cannot use ${other ?? "a virtual table"}: only ${[...harmless].join(", ")} are allowed`,
    );
  }
}

/** Modules that libSQL and SQLite come with, `harmless` ones apart. */
const virtual =
  /^(carray|dbstat|fsdir|fts\w+|geopoly|rtree\w*|vector_top_k|bytecode|tables_used|completion|csv|zipfile)$/;
