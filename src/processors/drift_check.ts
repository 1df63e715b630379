import { formatToken } from "../core/token.ts";
import type { AnyProjection } from "../core/projection.ts";
import type { ProjectionCheck } from "../runtime/read_models.ts";
import { generationName } from "../store/sql_names.ts";
import type { Build } from "./build.ts";
import { compareTables } from "./comparison.ts";
import { tableNamesOf } from "./generation_tables.ts";
import type { Projector } from "./projector.ts";
import type { QueryRunner } from "./query_runner.ts";

/** A copy is compared, or a build switches, when it is so close behind that the rest takes a moment. */
export const CLOSE_EVENTS = 1_000;

/** What is compared. */
export interface Compared {
  readonly projection: AnyProjection;
  /** What serves. It is held, and left so. */
  readonly live: Projector;
  /** Empty tables beside it. */
  readonly copy: Build;
}

/** Fills a copy up to where what serves is, and compares the two. */
export async function checkDrift(
  queries: QueryRunner,
  { projection, live, copy }: Compared,
): Promise<ProjectionCheck> {
  const { projector } = copy;
  const result = (rest: Pick<ProjectionCheck, "status"> & Partial<ProjectionCheck>): ProjectionCheck => ({
    projection: projection.name,
    token: formatToken(projector.positions),
    rowsCompared: 0,
    ...rest,
  });
  const lag = () =>
    [...live.positions].reduce((sum, [shard, at]) => sum + at - (projector.positions.get(shard) ?? 0), 0);
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
  const { rowsCompared, difference } = await queries.beside((connection) =>
    compareTables(connection, tables)
  );
  return difference
    ? result({ status: "different", rowsCompared, difference })
    : result({ status: "equal", rowsCompared });
}
