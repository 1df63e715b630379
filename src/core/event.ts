import { z } from "zod";

/** Turns the payload of one schema version into that of the next. */
export type Upcast = (old: never) => unknown;

/** An event type: its present schema, and how to read what older code has written. */
export interface EventDefinition<Schema extends z.ZodType = z.ZodType> {
  readonly schema: Schema;
  /** The version that new events are written with: one more than the newest upcast, or 1. */
  readonly schemaVersion: number;
  readonly from: Readonly<Record<number, Upcast>>;
}

/** How events are declared: a bare schema, or one with a history. */
export type EventSchema = z.ZodType | EventDefinition;
export type EventSchemas = Record<string, EventSchema>;

/** The zod schema of either form. */
export type SchemaOf<E extends EventSchema> = E extends EventDefinition<infer Schema> ? Schema
  : E extends z.ZodType ? E
  : never;
/** What `emit` takes. */
export type PayloadIn<E extends EventSchema> = z.input<SchemaOf<E>>;
/** What is recorded, and what `evolve` is given. */
export type PayloadOf<E extends EventSchema> = z.output<SchemaOf<E>>;

/**
 * An event whose schema has changed since the first one was recorded. `from[n]` turns a payload of schema
 * version n into one of version n + 1; recorded events are never rewritten, they are upcast when read.
 *
 * @param schema The present schema.
 * @param history `from`, with a function for each earlier version, without gaps from 1.
 * @throws {TypeError} When a version is missing.
 *
 * @example An amount that has become an amount with a currency
 * ```ts
 * import { event } from "folio";
 * import { z } from "zod";
 *
 * const Deposited = event(z.object({ amount: z.int(), currency: z.string() }), {
 *   from: { 1: (old: { amount: number }) => ({ ...old, currency: "EUR" }) },
 * });
 * ```
 */
export function event<Schema extends z.ZodType>(
  schema: Schema,
  history: { from: Record<number, Upcast> },
): EventDefinition<Schema> {
  const versions = Object.keys(history.from).map(Number).sort((a, b) => a - b);
  if (versions.some((version, index) => version !== index + 1)) {
    throw new TypeError(`Cannot define an event: upcasts must run from 1 without gaps, not ${versions}`);
  }
  return { schema, schemaVersion: versions.length + 1, from: history.from };
}

/** Either form of declaration as a definition. */
export function eventDefinition(schema: EventSchema): EventDefinition {
  return schema instanceof z.ZodType ? { schema, schemaVersion: 1, from: {} } : schema;
}

/**
 * A payload as recorded, brought to the present schema version. What was written by the present version is
 * trusted as it is; what an upcast made is parsed.
 *
 * @throws {Error} When the payload is newer than the code, or an upcast gives something the schema refuses.
 */
export function upcast(definition: EventDefinition, schemaVersion: number, payload: unknown): unknown {
  if (schemaVersion === definition.schemaVersion) return payload;
  if (schemaVersion > definition.schemaVersion) {
    throw new Error(
      `Cannot read an event of schema version ${schemaVersion}: this code knows up to ${definition.schemaVersion}`,
    );
  }
  let current: unknown = payload;
  for (let version = schemaVersion; version < definition.schemaVersion; version++) {
    const next = definition.from[version] as ((old: unknown) => unknown) | undefined;
    if (!next) {
      throw new Error(`Cannot read an event of schema version ${version}: there is no upcast from it`);
    }
    current = next(current);
  }
  return definition.schema.parse(current);
}

/** A fact in the log. */
export interface RecordedEvent {
  readonly shard: number;
  /** Place in the shard's log, from 1, without gaps. */
  readonly position: number;
  /** `type/key` of the actor that recorded it. */
  readonly actor: string;
  /** Place in the actor's stream, from 1, without gaps. */
  readonly version: number;
  readonly type: string;
  /** Version of the event's schema that `payload` fits. */
  readonly schemaVersion: number;
  readonly payload: unknown;
  /** Milliseconds since the Unix epoch; never decreases within a shard. */
  readonly at: number;
  /** The message whose turn emitted it. */
  readonly messageId: string;
  readonly correlationId: string;
  readonly causationId: string | undefined;
}

/** An event by its places: in its shard's log, and in its actor's stream. */
export interface EventPlace {
  readonly shard: number;
  readonly position: number;
  readonly type: string;
  readonly actor: string;
  readonly version: number;
}
