import type { EventPlace } from "../../src/core/event.ts";
import { printable } from "../support/printable.ts";

/** Between two looks at how far something has come, in milliseconds. */
export const POLL_DELAY_MS = 200;

/** An event by its places, for people. */
export function placeOf({ type, actor, version, shard, position }: EventPlace): string {
  return printable(`${type} of ${actor}, version ${version}, at ${shard}.${position}`);
}
