/**
 * Projections write plain SQL with plain table names. Their rows stand in tables of a generation of their own
 * (`balances__2`), so that a rebuild can fill new tables while the old ones serve. This puts the one name for
 * the other, where a table or an index is meant and nowhere else: a column may be called like its table.
 */

/** Strings, comments, quoted names, words, numbers, blanks; then any single character. */
const lexeme =
  /'(?:[^']|'')*'|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*|\d[\w.]*|\s+|[\s\S]/gu;

/** Words that may stand between the keyword that announces a table and the table's name. */
const between = new Set(["OR", "IF", "NOT", "EXISTS", "ROLLBACK", "ABORT", "REPLACE", "FAIL", "IGNORE"]);
/** Words behind which a table's or an index's name stands. */
const announcing = new Set(["JOIN", "INTO", "UPDATE", "TABLE", "INDEX", "REFERENCES"]);
/** Words that end a FROM clause or the list of a WITH. */
const ending = new Set([
  ...["SELECT", "VALUES", "INSERT", "DELETE", "SET", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "WINDOW"],
  ...["UNION", "EXCEPT", "INTERSECT", "RETURNING"],
]);

/** The name that a table or index has in a generation. */
export function generationName(name: string, generation: number): string {
  return `${name}__${generation}`;
}

/**
 * One statement with each of `names` (in lower case) as it is called in a generation.
 *
 * @throws {TypeError} When it is more than one statement, its brackets do not match, or it gives one of the
 * names to a common table expression.
 */
export function renameTables(sql: string, names: ReadonlySet<string>, generation: number): string {
  return new Renaming(sql, names, generation).run();
}

/** What a bracket holds: a list of tables (FROM), of common table expressions (WITH), or anything else. */
type List = "tables" | "expressions" | undefined;

/** One walk through a statement, which knows at each word whether a table may stand there. */
class Renaming {
  readonly #lexemes: readonly string[];
  #list: List;
  readonly #outer: List[] = [];
  /** What the next word is. `member`: of `IN`, a table unless a bracket opens. */
  #expected: "table" | "member" | "expression" | undefined;
  #previous = "";
  #isOver = false;

  constructor(sql: string, private readonly names: ReadonlySet<string>, private readonly generation: number) {
    this.#lexemes = sql.match(lexeme) ?? [];
  }

  run(): string {
    const isCreate = firstWord(this.#lexemes) === "CREATE";
    let renamed = "";
    for (let at = 0; at < this.#lexemes.length; at++) {
      const text = this.#lexemes[at] ?? "";
      if (isBlank(text)) {
        renamed += text;
        continue;
      }
      if (this.#isOver) throw new TypeError("Cannot use SQL of more than one statement");
      const name = nameOf(text);
      const isTable = this.#previous !== "." && name !== undefined && this.names.has(name) &&
        (this.#expected === "table" || this.#expected === "member" || this.#after(at) === ".");
      if (this.#expected === "expression" && name !== undefined && this.names.has(name)) {
        throw new TypeError(`Cannot use SQL that gives the name of a table, ${name}, to something else`);
      }
      if (text === ";") this.#isOver = true;
      else renamed += isTable ? generationName(name, this.generation) : text;
      this.#follow(text, isCreate);
      this.#previous = text.toUpperCase();
    }
    if (this.#outer.length > 0) throw new TypeError("Cannot use SQL with a bracket that is not closed");
    return renamed;
  }

  /** What follows from a lexeme for the next one. */
  #follow(text: string, isCreate: boolean): void {
    const word = text.toUpperCase();
    if (text === "(") {
      this.#outer.push(this.#list);
      this.#list = this.#expected === "table" ? "tables" : undefined;
      if (this.#expected !== "table") this.#expected = undefined;
    } else if (text === ")") {
      if (this.#outer.length === 0) throw new TypeError("Cannot use SQL with a bracket that was not opened");
      this.#list = this.#outer.pop();
      this.#expected = undefined;
    } else if (text === ",") {
      this.#expected = this.#list === "tables"
        ? "table"
        : this.#list === "expressions"
        ? "expression"
        : undefined;
    } else if (word === "FROM") {
      // In `a IS DISTINCT FROM b` it is an operator.
      if (this.#previous !== "DISTINCT") [this.#list, this.#expected] = ["tables", "table"];
      else this.#expected = undefined;
    } else if (word === "WITH") [this.#list, this.#expected] = ["expressions", "expression"];
    else if (word === "IN") this.#expected = "member";
    else if (announcing.has(word) || (word === "BY" && this.#previous === "INDEXED")) {
      this.#expected = "table";
    } else if (word === "ON" && isCreate && this.#outer.length === 0) this.#expected = "table";
    else if (ending.has(word)) [this.#list, this.#expected] = [undefined, undefined];
    else if (word !== "RECURSIVE" && !(this.#expected === "table" && between.has(word))) {
      this.#expected = undefined;
    }
  }

  /** The next lexeme that is no blank. */
  #after(at: number): string | undefined {
    for (let next = at + 1; next < this.#lexemes.length; next++) {
      const text = this.#lexemes[next] ?? "";
      if (!isBlank(text)) return text;
    }
    return undefined;
  }
}

/** What a `CREATE` statement of a projection makes. */
export interface Created {
  readonly kind: "table" | "index";
  /** In lower case. */
  readonly name: string;
}

/**
 * What a `CREATE TABLE` or `CREATE INDEX` statement makes.
 *
 * @throws {TypeError} When it is neither, or makes something that has no generations: a temporary table, one
 * of another database, one with the contents of a query.
 */
export function createdName(sql: string): Created {
  const words = (sql.match(lexeme) ?? []).filter((text) => !isBlank(text));
  const at = (index: number) => words[index]?.toUpperCase();
  let next = 0;
  const skip = (...expected: string[]) => {
    if (!expected.every((word, offset) => at(next + offset) === word)) return false;
    next += expected.length;
    return true;
  };
  const isCreate = skip("CREATE");
  const isUnique = skip("UNIQUE");
  const kind = skip("INDEX") ? "index" : !isUnique && skip("TABLE") ? "table" : undefined;
  if (!isCreate || !kind) {
    throw new TypeError(`Cannot use as a table: not CREATE TABLE or CREATE INDEX, ${sql.slice(0, 200)}`);
  }
  skip("IF", "NOT", "EXISTS");
  const name = nameOf(words[next] ?? "") ?? "";
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(name) || name.startsWith("sqlite_")) {
    throw new TypeError(`Cannot use as a table: name must be of letters, digits and _, not "${name}"`);
  }
  const follows = at(next + 1);
  if (follows !== (kind === "table" ? "(" : "ON")) {
    throw new TypeError(`Cannot use as a table: ${name} is followed by ${follows}, ${sql.slice(0, 200)}`);
  }
  return { kind, name };
}

/** Every name in a statement, quoted or not, in lower case. */
export function namesIn(sql: string): string[] {
  return (sql.match(lexeme) ?? []).flatMap((text) => (isBlank(text) ? [] : nameOf(text) ?? []));
}

/** The keyword that a statement begins with, in upper case. */
export function keywordOf(sql: string): string {
  return firstWord(sql.match(lexeme) ?? []);
}

function firstWord(lexemes: readonly string[]): string {
  return lexemes.find((text) => !isBlank(text))?.toUpperCase() ?? "";
}

function isBlank(text: string): boolean {
  return /^(\s|--|\/\*)/.test(text);
}

/** The name that a lexeme is, as SQLite compares names: without regard to the case of ASCII letters. */
function nameOf(text: string): string | undefined {
  const bare = /^["`[]./.test(text)
    ? text.slice(1, -1)
    : /^[A-Za-z_\u0080-\u{10ffff}]/u.test(text)
    ? text
    : undefined;
  return bare?.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
