import { type RecordedEvent, upcast } from "../core/event.ts";
import { parseActorName } from "../core/message.ts";
import type { AnyProjection, SqlArgument } from "../core/projection.ts";
import type { SourceEvent } from "../core/subscription.ts";
import type { Registry } from "../runtime/registry.ts";
import { DatabaseError } from "../store/database.ts";
import { ForbiddenSqlError } from "../store/sql_guard.ts";
import { renameTables } from "../store/sql_names.ts";
import type { Tables } from "./generation_tables.ts";
import { HandlerError } from "./handler_error.ts";

/** SQL texts remembered: more than a projection has, unless it puts values into them. */
const SQL_TEXTS_MAX = 1_000;

/** What the handler of one event wants written. */
export interface Handled {
  readonly event: RecordedEvent;
  readonly writes: { readonly sql: string; readonly args: readonly SqlArgument[] }[];
}

/** Asks a projection's handlers what is to be written into one generation of its tables, and writes nothing. */
export class EventHandling {
  readonly #sql = new Map<string, string>();

  constructor(
    private readonly registry: Registry,
    private readonly projection: AnyProjection,
    private readonly tables: Tables,
  ) {}

  /**
   * @returns What is wanted for events, and `fault` where one of them cannot be handled, or its SQL will not do:
   * what is wanted for those before it can still be written.
   */
  async handle(
    events: readonly RecordedEvent[],
  ): Promise<{ handled: readonly Handled[]; fault: HandlerError | undefined }> {
    const { handled, failed } = this.#callHandlers(events);
    const forbidden = await this.#checkSql(handled);
    const fault = forbidden ?? failed;
    if (!fault) return { handled, fault };
    return { handled: handled.filter(({ event }) => event.position < fault.event.position), fault };
  }

  /** What the handlers want written, up to the first that fails. */
  #callHandlers(
    events: readonly RecordedEvent[],
  ): { handled: Handled[]; failed: HandlerError | undefined } {
    const handled: Handled[] = [];
    for (const event of events) {
      const { type, key } = parseActorName(event.actor);
      const handler = this.projection.on.get(`${type}/${event.type}`);
      if (!handler) continue;
      const writes: Handled["writes"] = [];
      let isOver = false;
      try {
        const returned: unknown = handler((sql, args = []) => {
          if (isOver) throw new TypeError("Cannot write: the handler has returned");
          checkArguments(args);
          writes.push({ sql: this.#rename(sql), args });
        }, this.#projected(event, type, key));
        if (isThenable(returned)) {
          // What becomes of it is nobody's business any more, and must not end the process.
          returned.then(undefined, () => {});
          throw new TypeError("Handler must be synchronous, but it returned a promise");
        }
      } catch (error) {
        return { handled, failed: new HandlerError(event, error) };
      } finally {
        isOver = true;
      }
      handled.push({ event, writes });
    }
    return { handled, failed: undefined };
  }

  #projected(event: RecordedEvent, actorType: string, key: string): SourceEvent {
    const { actor, version, type, shard, position, at, messageId, correlationId } = event;
    const definition = this.registry.actors.get(actorType)?.events.get(type);
    // Other readers are shown what cannot be read as it is; here it would become wrong rows.
    const payload = definition ? upcast(definition, event.schemaVersion, event.payload) : event.payload;
    return { payload, actor, key, version, type, shard, position, at, messageId, correlationId };
  }

  #rename(sql: string): string {
    const known = this.#sql.get(sql);
    if (known !== undefined) return known;
    const renamed = renameTables(sql, this.tables.names, this.tables.generation);
    if (this.#sql.size >= SQL_TEXTS_MAX) this.#sql.clear();
    this.#sql.set(sql, renamed);
    return renamed;
  }

  /** @returns The first event whose SQL will not do. */
  async #checkSql(handled: readonly Handled[]): Promise<HandlerError | undefined> {
    for (const { event, writes } of handled) {
      for (const { sql, args } of writes) {
        try {
          const checking = this.tables.guard.check("write", sql, args);
          if (checking) await checking;
        } catch (error) {
          if (!(error instanceof ForbiddenSqlError) && !isSqlFault(error)) throw error;
          return new HandlerError(event, error);
        }
      }
    }
    return undefined;
  }
}

/** What SQL can hold. Types say so too, but a payload may be anything that JSON is. */
function checkArguments(args: readonly unknown[]): void {
  for (const value of args) {
    if (value === null || typeof value === "string" || Number.isFinite(value)) continue;
    throw new TypeError(`Cannot write ${String(value)}: only texts, finite numbers and null can be stored`);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === "object" && "then" in value && typeof value.then === "function";
}

/** Whether it is the statement that is at fault, and not the store. */
export function isSqlFault(error: unknown): boolean {
  return error instanceof DatabaseError &&
    /^(SQLITE_(ERROR|CONSTRAINT|MISMATCH|RANGE|TOOBIG)|SQL_)/.test(error.code) &&
    // Somebody else has moved the checkpoint: it has to be read again.
    !error.message.includes("checkpoints.position");
}
