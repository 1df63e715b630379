import type { RecordedEvent } from "../../src/core/event.ts";
import { type Column, Table } from "./table.ts";

/** An event, with its time as the log or as JSON has it. */
export type ShownEvent =
  & Pick<RecordedEvent, "shard" | "position" | "actor" | "version" | "type" | "payload">
  & { readonly at: number | string; readonly token?: string | undefined };

const columns: readonly Column<ShownEvent>[] = [
  ["TIME", 24, ({ at }) => new Date(at).toISOString()],
  ["POSITION", 8, ({ shard, position }) => `${shard}.${position}`],
  ["ACTOR", 16, ({ actor }) => actor],
  ["VERSION", 7, ({ version }) => version],
  ["TYPE", 12, ({ type }) => type],
  ["PAYLOAD", 7, ({ payload }) => JSON.stringify(payload)],
];

/** Events as lines of a table. */
export class EventTable extends Table<ShownEvent> {
  /** @param charsMax Of a line, what is over being cut from the payload; Infinity for all of it. */
  constructor(charsMax: number) {
    super(columns, charsMax);
  }
}
