import type { RecordedEvent } from "../../src/mod.ts";

/** Says what is not as it should be. */
export type Claim = (holds: boolean, what: string) => void;
/** All streams, by actor. */
export type Streams = ReadonlyMap<string, readonly RecordedEvent[]>;
type Payload = Record<string, never> & { readonly [field: string]: unknown };

export function eventsNamed(events: readonly RecordedEvent[], type: string): RecordedEvent[] {
  return events.filter((event) => event.type === type);
}

export function payloadOf(event: RecordedEvent): Payload {
  return event.payload as Payload;
}

const gains = new Set(["Deposited", "Received", "Given", "Returned"]);

/** What is in a purse after these events. */
export function balanceOf(stream: readonly RecordedEvent[]): number {
  return stream.reduce((balance, event) => {
    const amount = Number(payloadOf(event).amount ?? 0);
    return gains.has(event.type) ? balance + amount : balance - amount;
  }, 0);
}

/** What is due for so long, and has not come, is stuck. */
export const LATE_MS_MAX = 65_000;

/** The time of the newest event. */
export function endOf(events: readonly RecordedEvent[]): number {
  return events.reduce((end, { at }) => Math.max(end, at), 0);
}
