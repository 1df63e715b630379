import type { z } from "zod";
import type { Projection, QueryDefinition } from "../core/projection.ts";
import type { Transport } from "./transport.ts";

/** `by-owner` as `byOwner`. */
export type CamelCase<Name extends string> = Name extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<CamelCase<Rest>>}`
  : Name;

/** What an input that is read from text may be given as: by its schema, or else as what it becomes. */
type InputOf<Input extends z.ZodType> = {
  readonly [Name in keyof z.input<Input>]: unknown extends z.input<Input>[Name]
    ? (Name extends keyof z.output<Input> ? z.output<Input>[Name] : never)
    : z.input<Input>[Name];
};
type OptionalIfEmpty<Input> = Record<never, never> extends Input ? [input?: Input] : [input: Input];

/** The answer to a query. */
export interface QueryAnswer<Row> {
  readonly rows: readonly Row[];
  /** Whether there were more rows than may be given. */
  readonly isTruncated: boolean;
  /** Consistency token of what the rows reflect. */
  readonly token: string;
  /** Events that the rows do not reflect yet. */
  readonly lagEvents: number;
  /** Whether the rows will not move on: the projection has failed, or is being built anew. */
  readonly isStale: boolean;
}

/** How a query is asked. */
export interface QueryOptions {
  readonly signal?: AbortSignal | undefined;
}

type Query<Definition> = Definition extends QueryDefinition<infer Input, infer Row> ? (
    ...args: [...OptionalIfEmpty<InputOf<Input>>, options?: QueryOptions]
  ) => Promise<QueryAnswer<z.output<Row>>>
  : never;

/** A projection seen through HTTP: a method a query, each called by its name in camelCase. */
export type ProjectionClient<P> = P extends Projection<string, infer Queries>
  ? { readonly [Name in keyof Queries & string as CamelCase<Name>]: Query<Queries[Name]> }
  : never;

/** `byOwner` as `by-owner`. Names of queries have no hyphen that is not followed by a letter. */
export function kebabCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * Asks a query.
 *
 * @param after Consistency token: the answer reflects it. While the projection has not seen it the server
 * waits, and then answers 503, after which it is asked again.
 */
export async function askQuery(
  transport: Transport,
  of: { projection: string; query: string; after: string },
  input: Readonly<Record<string, unknown>>,
  options: QueryOptions,
): Promise<QueryAnswer<unknown>> {
  const answer = await transport.call({
    method: "GET",
    path: `/projections/${encodeURIComponent(of.projection)}/${encodeURIComponent(of.query)}`,
    query: input as Readonly<Record<string, string | number | undefined>>,
    headers: { "folio-at-least": of.after === "" ? undefined : of.after },
    signal: options.signal,
  });
  return answer.body as QueryAnswer<unknown>;
}

/** A token of what both stand for: of each shard the later position. */
export function laterOf(one: string, other: string): string {
  const positions = new Map<string, number>();
  for (const part of `${one}_${other}`.split("_")) {
    const [shard, position] = part.split(".");
    if (!shard || position === undefined) continue;
    positions.set(shard, Math.max(Number(position), positions.get(shard) ?? 0));
  }
  return [...positions].map((pair) => pair.join(".")).join("_");
}
