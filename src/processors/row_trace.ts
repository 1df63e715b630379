import type { EventPlace, RecordedEvent } from "../core/event.ts";
import type { RowDifference } from "../runtime/read_models.ts";
import type { Row, Statement } from "../store/database.ts";
import type { DifferingRow } from "./comparison.ts";
import type { ProjectorHooks } from "./projector.ts";

/** Watches one row of a replay, event by event, to find where it parts from the one that serves. */
export class RowTrace implements NonNullable<ProjectorHooks["probe"]> {
  readonly statement: Statement;
  #isServed: boolean;
  #isReplayed: boolean;
  #partedAt: EventPlace | undefined;
  #writtenBy: EventPlace | undefined;

  /** @param table The empty one that is to be filled. */
  constructor(row: DifferingRow, table: string) {
    const { content, args } = row.contentIn(table);
    this.statement = {
      sql: `SELECT content = ?${args.length + 1}, content = ?${args.length + 2} FROM (${content})`,
      args: [...args, row.served, row.replayed],
    };
    // No row yet.
    this.#isServed = row.served === "";
    this.#isReplayed = row.replayed === "";
  }

  take({ shard, position, type, actor, version }: RecordedEvent, [row]: readonly Row[]): void {
    const [isServed, isReplayed] = [row?.[0] === 1, row?.[1] === 1];
    const event = { shard, position, type, actor, version };
    if (this.#isServed && !isServed) this.#partedAt = event;
    if (!this.#isReplayed && isReplayed) this.#writtenBy = event;
    [this.#isServed, this.#isReplayed] = [isServed, isReplayed];
  }

  /** What has been found, once all has been replayed. */
  get event(): Pick<RowDifference, "partedAt" | "writtenBy"> {
    if (this.#partedAt) return { partedAt: this.#partedAt };
    return this.#writtenBy ? { writtenBy: this.#writtenBy } : {};
  }
}
