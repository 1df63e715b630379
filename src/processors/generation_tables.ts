import type { AnyProjection } from "../core/projection.ts";
import { createGeneration, type Generation } from "../store/read_store.ts";
import type { Database } from "../store/database.ts";
import { SqlGuard } from "../store/sql_guard.ts";
import { createdName, generationName, renameTables } from "../store/sql_names.ts";

/** One set of tables, and the names of what is in it. */
export interface Tables {
  readonly generation: number;
  /** Names that the projection's SQL uses for its tables and indexes, in lower case. */
  readonly names: ReadonlySet<string>;
  /** Knows what SQL may do with them. */
  readonly guard: SqlGuard;
}

/**
 * Names of a projection's tables and indexes, in lower case.
 *
 * @throws {TypeError} When they are none that can be made.
 */
export function namesOf(projection: AnyProjection): ReadonlySet<string> {
  const names = new Set<string>();
  for (const sql of projection.tables) {
    const { name } = createdName(sql);
    if (names.has(name)) {
      throw new TypeError(`Cannot use projection ${projection.name}: two things are ${name}`);
    }
    names.add(name);
  }
  return names;
}

/** Names of a projection's tables alone. */
export function tableNamesOf({ tables }: AnyProjection): string[] {
  return tables.map(createdName).filter(({ kind }) => kind === "table").map(({ name }) => name);
}

/** What is known of a generation that there is. */
export async function tablesOf(projection: AnyProjection, { generation }: Generation): Promise<Tables> {
  const names = namesOf(projection);
  const guard = await SqlGuard.open(projection.tables.map((sql) => renameTables(sql, names, generation)));
  return { generation, names, guard };
}

/** Makes the empty tables of a new generation. */
export async function makeGeneration(
  database: Database,
  projection: AnyProjection,
  { generation, isCopy }: Pick<Generation, "generation" | "isCopy">,
): Promise<Generation> {
  const { name, version, tables } = projection;
  const made = { projection: name, generation, version, isCopy };
  const names = namesOf(projection);
  await createGeneration(database, made, {
    tables: tables.map((sql) => renameTables(sql, names, generation)),
    names: tableNamesOf(projection).map((table) => generationName(table, generation)),
  });
  return { ...made, isServing: false };
}
