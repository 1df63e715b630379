import type { AnyProjection } from "../core/projection.ts";
import type { Positions } from "../core/token.ts";
import { createGeneration, type Generation } from "../store/read_store.ts";
import type { Database } from "../store/database.ts";
import { SqlGuard } from "../store/sql_guard.ts";
import { columnsOf } from "./comparison.ts";
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

/** How a new generation is made. */
export interface GenerationOptions {
  readonly generation: number;
  readonly isCopy?: boolean;
  /** Positions of events that are left out. */
  readonly startsAfter?: Positions;
  /** Whose rows it has from the start, and behind which positions events are handled again. */
  readonly kept?: { readonly of: Generation; readonly upTo: Positions };
}

/** Makes the tables of a new generation: empty, unless rows are kept. */
export async function makeGeneration(
  database: Database,
  projection: AnyProjection,
  { generation, isCopy = false, startsAfter = new Map(), kept }: GenerationOptions,
): Promise<Generation> {
  const { name, version, tables } = projection;
  const made = { projection: name, generation, version, isCopy, startsAfter };
  const names = namesOf(projection);
  const tableNames = tableNamesOf(projection);
  await createGeneration(database, made, {
    tables: tables.map((sql) => renameTables(sql, names, generation)),
    names: tableNames.map((table) => generationName(table, generation)),
    ...(kept ? { kept: { generation: kept.of.generation, tables: await copies(), upTo: kept.upTo } } : {}),
  });
  return { ...made, isServing: false };

  function copies() {
    return Promise.all(tableNames.map(async (table) => {
      const from = generationName(table, kept?.of.generation ?? 0);
      const { all } = await columnsOf(database, from);
      const columns = all.map((column) => `[${column}]`).join(", ");
      return { from, to: generationName(table, generation), columns };
    }));
  }
}
