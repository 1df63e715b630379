import type { Ids } from "../core/ids.ts";

const digits = "0123456789abcdefghijklmnopqrstuvwxyz";

/**
 * Ids and chance that are the same in every run with the same seed. Keep one instance for the life of a store,
 * restarts included: a new one gives the same ids again.
 *
 * @param seed A whole number; its lowest 32 bits count.
 * @throws {RangeError} When it is none.
 *
 * @example
 * ```ts
 * import { seededIds } from "folio/testing";
 *
 * console.assert(seededIds(7).next() === seededIds(7).next());
 * console.assert(seededIds(7).next() !== seededIds(8).next());
 * ```
 */
export function seededIds(seed: number): Ids {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`A seed cannot be ${seed}: only a whole number`);
  const random = mulberry32(seed);
  let made = 0;
  return {
    random,
    next() {
      // The count keeps ids apart from each other, the rest keeps seeds apart.
      let id = (++made).toString(36).padStart(9, "0");
      while (id.length < 20) id += digits[Math.floor(random() * digits.length)];
      return id;
    },
  };
}

/** Mulberry32 by Tommy Ettinger, 2017, public domain: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
