import type { Activation } from "./activation.ts";
import type { Entry } from "./mailbox.ts";

/** What waits for all actors of a type, or for an activity (`activity:name`). */
export interface QueueReading {
  /** Messages in mailboxes, or activities that wait or run. */
  depth: number;
  /** When the oldest of them was to be handled, in milliseconds since the Unix epoch. */
  oldestAt: number;
}

/** Reads what waits now. Takes a look at every live actor: for whoever asks a few times a minute. */
export function readQueues(
  activations: Iterable<Activation>,
  work: Iterable<Entry>,
): Map<string, QueueReading> {
  const readings = new Map<string, QueueReading>();
  const add = ({ message }: Entry, depth: number) => {
    const type = message.actor.slice(0, message.actor.indexOf("/"));
    const reading = readings.get(type) ?? { depth: 0, oldestAt: Infinity };
    readings.set(type, reading);
    reading.depth += depth;
    reading.oldestAt = Math.min(reading.oldestAt, message.deliverAt);
  };
  for (const { mailbox } of activations) {
    const first = mailbox.peek();
    if (first) add(first, mailbox.length);
  }
  for (const entry of work) add(entry, 1);
  return readings;
}
