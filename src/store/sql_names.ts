/**
 * Projections write plain SQL with plain table names. Their rows stand in tables of a generation of their own
 * (`balances__2`), so that a rebuild can fill new tables while the old ones serve. This puts the one name for
 * the other, in words of the SQL only: not in strings, comments or after a dot.
 */

const token =
  /'(?:[^']|'')*'|--[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\p{L}_][\p{L}\p{N}_$]*|\d[\w.]*|\s+|[\s\S]/gu;

/** The name that a table or index has in a generation. */
export function generationName(name: string, generation: number): string {
  return `${name}__${generation}`;
}

/** `sql` with each of `names` (in lower case) as it is called in a generation. */
export function renameTables(sql: string, names: ReadonlySet<string>, generation: number): string {
  let previous = "";
  let renamed = "";
  for (const [part] of sql.matchAll(token)) {
    const bare = unquote(part).toLowerCase();
    const isName = previous !== "." && names.has(bare);
    renamed += isName ? `"${generationName(bare, generation)}"` : part;
    if (!/^\s/.test(part)) previous = part;
  }
  return renamed;
}

const create =
  /^\s*CREATE\s+(?:TEMP\s+|TEMPORARY\s+)?(?:UNIQUE\s+)?(TABLE|INDEX)\s+(?:IF\s+NOT\s+EXISTS\s+)?("(?:[^"]|"")+"|`[^`]+`|\[[^\]]+\]|[\p{L}_][\p{L}\p{N}_$]*)/iu;

/**
 * What a `CREATE TABLE` or `CREATE INDEX` statement makes.
 *
 * @throws {TypeError} When it is neither.
 */
export function createdName(sql: string): { kind: "table" | "index"; name: string } {
  const [, kind, name] = create.exec(sql) ?? [];
  if (!kind || !name) throw new TypeError(`Cannot use as a table: not CREATE TABLE or CREATE INDEX, ${sql}`);
  return { kind: kind.toUpperCase() === "TABLE" ? "table" : "index", name: unquote(name).toLowerCase() };
}

function unquote(part: string): string {
  return /^["`[]/.test(part) ? part.slice(1, -1) : part;
}
