import { z } from "zod";
import { type AnyActor, checkName } from "./actor.ts";
import { type EventHandlers, eventHandlers, type SourceEvent } from "./subscription.ts";

/** A value that SQL takes. */
export type SqlArgument = string | number | null;

/**
 * Changes rows: one `INSERT`, `REPLACE`, `UPDATE` or `DELETE` on the projection's own tables. It runs after the
 * handler has returned; SQL that touches anything else, or calls `random()` and the like, stops the projection.
 */
export type Write = (sql: string, args?: readonly SqlArgument[]) => void;

/** A question that a projection answers: what it takes, the SQL that answers it, and what each row is. */
export interface QueryDefinition<Input extends z.ZodType = z.ZodType, Row extends z.ZodType = z.ZodType> {
  readonly input: Input;
  readonly row: Row;
  readonly sql: (input: z.output<Input>) => readonly [sql: string, args?: readonly SqlArgument[]];
}

/**
 * Defines a query of a projection.
 *
 * @param input Schema of the input. Over HTTP it comes from the query string, as text: use `z.coerce`.
 * @param row Schema of one row of the answer.
 * @param sql The statement and its arguments. It reads the projection's own tables
 * only, and is stopped when it takes too long.
 */
export function query<Input extends z.ZodObject, Row extends z.ZodObject>(
  input: Input,
  row: Row,
  sql: QueryDefinition<Input, Row>["sql"],
): QueryDefinition<Input, Row> {
  const columns = Object.keys(row.shape);
  const unusable = columns.find((column) => !/^[^\[\]\0]+$/.test(column));
  if (columns.length === 0 || unusable !== undefined) {
    throw new TypeError(`Cannot define a query: no column can be called "${unusable ?? ""}"`);
  }
  return { input, row, sql };
}

/**
 * What becomes of the rows of earlier events when a projection is rebuilt from a later place in the log.
 * `keep-rows`: they are copied, and events from there on are handled once more; for handlers that give the same
 * rows however often events are handled again. `leave-out`: there will be none; for tables of what is recent.
 */
export type PartialRebuild = "keep-rows" | "leave-out";

/** A read model, as `projection(...)` makes it. */
export interface Projection<
  Name extends string = string,
  Queries extends Record<string, QueryDefinition> = Record<string, QueryDefinition>,
> {
  readonly kind: "projection";
  readonly name: Name;
  readonly version: number;
  readonly tables: readonly string[];
  /** By `actor-type/Event`. */
  readonly on: ReadonlyMap<string, (write: Write, event: SourceEvent) => void>;
  readonly queries: ReadonlyMap<string, QueryDefinition>;
  /** Undefined where it can be rebuilt from the beginning only. */
  readonly partialRebuild: PartialRebuild | undefined;
  /** Only in types. */
  readonly __types?: { queries: Queries };
}

// deno-lint-ignore no-explicit-any -- stands for every projection whatever its queries
export type AnyProjection = Projection<string, any>;

/** Lower case words, so that each of the client's camelCase names means one of them. */
const kebabCase = /^(?=.{1,64}$)[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$/;

/** @throws {TypeError} When a name is malformed, or its camelCase is a method that every object has. */
function checkKebabCase(what: string, name: string): void {
  checkName(what, name, kebabCase);
  const camelCase = name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  if (camelCase in {} || ["then", "toJSON"].includes(camelCase)) {
    throw new TypeError(`Cannot define ${what}: "${name}" would be ${camelCase}, which every object has`);
  }
}

/**
 * Defines a read model: tables of its own, filled from events, and the queries that read them. Handlers are
 * synchronous and deterministic: the same log gives the same rows, however often it is replayed.
 *
 * @param parts `version`: raise it when tables or handlers change, and the rows are built again beside the
 * old ones. `from`: the actor types whose events it takes. `tables`: `CREATE TABLE` and `CREATE INDEX`
 * statements. `partialRebuild`: that it may also be rebuilt from a later place in the log, and how.
 * @throws {TypeError} When a name is malformed, or a handler is for an event that no actor of `from` has.
 *
 * @example
 * ```ts
 * import { projection, query } from "folio";
 * import { z } from "zod";
 * import { counter } from "../../actors/counter.ts";
 *
 * export const totals = projection("totals", {
 *   version: 1,
 *   from: [counter],
 *   tables: [`CREATE TABLE totals (counter TEXT PRIMARY KEY, total INTEGER NOT NULL)`],
 *   on: {
 *     "counter/Incremented": (write, event) =>
 *       write(
 *         `INSERT INTO totals VALUES (?1, ?2) ON CONFLICT (counter) DO UPDATE SET total = total + ?2`,
 *         [event.key, event.payload.by],
 *       ),
 *   },
 *   queries: {
 *     all: query(z.object({}), z.object({ counter: z.string(), total: z.int() }), () => [
 *       `SELECT counter, total FROM totals ORDER BY counter`,
 *     ]),
 *   },
 * });
 * ```
 */
export function projection<
  Name extends string,
  const Source extends AnyActor,
  Queries extends Record<string, QueryDefinition>,
>(
  name: Name,
  parts: {
    readonly version: number;
    readonly from: readonly Source[];
    readonly tables: readonly string[];
    readonly on: EventHandlers<Source, Write>;
    readonly queries: Queries;
    readonly partialRebuild?: PartialRebuild;
  },
): Projection<Name, Queries> {
  checkKebabCase("projection", name);
  if (!Number.isSafeInteger(parts.version) || parts.version < 1) {
    throw new TypeError(`Cannot define projection ${name}: version must be a whole number from 1`);
  }
  const on = eventHandlers<Write>(`projection ${name}`, parts.from, parts.on);
  for (const queryName of Object.keys(parts.queries)) {
    checkKebabCase(`query of ${name}`, queryName);
    if (queryName === "rebuild") {
      throw new TypeError(`Cannot define query of ${name}: rebuild is a route of its own`);
    }
  }
  return {
    kind: "projection",
    name,
    version: parts.version,
    tables: parts.tables,
    on,
    queries: new Map(Object.entries(parts.queries)),
    partialRebuild: parts.partialRebuild,
  };
}
