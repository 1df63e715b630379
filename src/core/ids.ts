import { customAlphabet } from "nanoid";
import type { Clock } from "./clock.ts";

/** The only source of chance and names: random in production, seeded in simulations. */
export interface Ids {
  /** A new id, unique across processes: 20 characters of `0-9a-z`. */
  next(): string;
  /** A number in [0, 1). */
  random(): number;
}

const randomPart = customAlphabet("0123456789abcdefghijklmnopqrstuvwxyz", 11);

/**
 * Ids that begin with their time in milliseconds (9 base-36 digits, good until the year 5188), so that ids
 * made one after the other stand side by side in a database index: random ids cost half the throughput.
 */
export function createIds(clock: Clock): Ids {
  let madeAt = NaN;
  let timePart = "";
  return {
    next() {
      const now = clock.now();
      if (now !== madeAt) {
        madeAt = now;
        timePart = now.toString(36).padStart(9, "0");
      }
      return timePart + randomPart();
    },
    random: () => Math.random(),
  };
}
