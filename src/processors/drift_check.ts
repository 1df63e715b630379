import type { AnyProjection } from "../core/projection.ts";
import { formatToken } from "../core/token.ts";
import type { ProjectionCheck } from "../runtime/read_models.ts";
import type { Database } from "../store/database.ts";
import { generationName } from "../store/sql_names.ts";
import type { Build } from "./build.ts";
import { compareTables, type DifferingRow } from "./comparison.ts";
import { tableNamesOf } from "./generation_tables.ts";
import type { Projector, ProjectorHooks } from "./projector.ts";
import type { QueryRunner } from "./query_runner.ts";
import { RowTrace } from "./row_trace.ts";

/** A copy is compared, or a build switches, when it is so close behind that the rest takes a moment. */
export const CLOSE_EVENTS = 1_000;

/** What a check needs of the projection that it is about. */
export interface Checked {
  readonly projection: AnyProjection;
  readonly database: Database;
  readonly queries: QueryRunner;
  /** What serves. */
  readonly live: Projector;
  /** Does something with empty tables beside those that serve, and drops them. */
  withCopy<T>(work: (copy: Build) => Promise<T>, hooksOf?: HooksOfCopy): Promise<T>;
}

/** Who is told what happens to a copy, once its generation is known. */
export type HooksOfCopy = (generation: number) => Promise<ProjectorHooks>;

/**
 * Replays into tables beside those that serve and compares the two. Where a row differs, a second replay looks
 * at that row after each event, for the one where they part. New events wait only while rows are compared.
 */
export async function checkDrift(checked: Checked): Promise<ProjectionCheck> {
  const { check, row, upTo } = await checked.withCopy((copy) => compareWith(copy, checked));
  const { difference } = check;
  if (!difference || !row) return check;
  let trace: RowTrace | undefined;
  return await checked.withCopy(async (copy) => {
    await copy.projector.runOnce(upTo);
    return copy.isOver ? check : { ...check, difference: { ...difference, ...trace?.event } };
  }, async (generation) => ({ probe: trace = await traceOf(row, generation, checked.database) }));
}

async function compareWith(copy: Build, { projection, queries, live }: Checked) {
  const { projector } = copy;
  const result = (rest: Pick<ProjectionCheck, "status"> & Partial<ProjectionCheck>, row?: DifferingRow) => {
    const token = formatToken(projector.positions);
    const check: ProjectionCheck = { projection: projection.name, token, rowsCompared: 0, ...rest };
    return { check, row, upTo: new Map(projector.positions) };
  };
  const lag = () =>
    [...live.positions].reduce((sum, [shard, at]) => sum + at - (projector.positions.get(shard) ?? 0), 0);
  try {
    do await projector.runOnce(live.positions); while (lag() > CLOSE_EVENTS && !copy.isOver);
    if (!copy.isOver) {
      await live.hold();
      await projector.runOnce(live.positions);
    }
    if (projector.failure) {
      const { error, event } = projector.failure;
      return result({ status: "failed", failure: { error, event } });
    }
    if (copy.isOver) return result({ status: "cancelled" });
    const tables = tableNamesOf(projection).map((name) => ({
      name,
      served: generationName(name, live.generation),
      replayed: generationName(name, copy.generation.generation),
    }));
    const { row, ...found } = await queries.beside((connection) => compareTables(connection, tables));
    return result({ status: found.difference ? "different" : "equal", ...found }, row);
  } finally {
    live.release();
  }
}

async function traceOf(row: DifferingRow, generation: number, database: Database): Promise<RowTrace> {
  const table = generationName(row.table, generation);
  // Looked for after each event: without a key, an index finds it.
  const columns = row.unindexed.map((column) => `[${column}]`).join(", ");
  if (columns !== "") {
    await database.execute({ sql: `CREATE INDEX [${table}_trace] ON [${table}] (${columns})` });
  }
  return new RowTrace(row, table);
}
