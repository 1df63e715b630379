import { leavesOf, type Path, replaced } from "./seen.ts";

/** How many ways to make something simpler are tried. */
const TRIES_MAX = 5_000;

/**
 * Makes a list of JSON values simpler in all ways that keep it as it is wanted: values left out, texts shorter,
 * numbers closer to zero, also two at a time, whose difference or sum may be what matters.
 *
 * @param isWanted Asked of each simpler list; it is true of `list`.
 */
export function simplify<T>(list: readonly T[], isWanted: (simpler: readonly T[]) => boolean): readonly T[] {
  let best = list;
  let tries = 0;
  for (let isDone = false; !isDone;) {
    isDone = true;
    for (const simpler of simplerOnes(best)) {
      if (++tries > TRIES_MAX) return best;
      // They have the same shape, leaf for leaf.
      if (!isWanted(simpler as readonly T[])) continue;
      best = simpler as readonly T[];
      isDone = false;
      break;
    }
  }
  return best;
}

/** The simplest first. */
function* simplerOnes(list: readonly unknown[]): Iterable<unknown> {
  for (const index of list.keys()) yield list.toSpliced(index, 1);
  for (const [index, left] of list.entries()) yield* withoutSum(list.toSpliced(index, 1), left);
  const leaves = [...leavesOf(list)];
  for (const { path, leaf } of leaves) {
    for (const simpler of typeof leaf === "string" ? shorter(leaf) : smaller(leaf)) {
      yield replaced(list, path, simpler);
    }
  }
  const numbers = numbersOf(list);
  for (const [index, one] of numbers.entries()) {
    for (const other of numbers.slice(index + 1)) {
      for (const less of smaller(Math.min(one.leaf, other.leaf))) {
        const by = Math.min(one.leaf, other.leaf) - less;
        yield replaced(replaced(list, one.path, one.leaf - by), other.path, other.leaf - by);
      }
    }
  }
}

/** What was left out may be made up for by another number. */
function* withoutSum(rest: readonly unknown[], left: unknown): Iterable<unknown> {
  for (const { leaf: amount } of numbersOf(left)) {
    for (const { path, leaf } of numbersOf(rest)) {
      yield replaced(rest, path, leaf - amount);
      yield replaced(rest, path, leaf + amount);
    }
  }
}

function numbersOf(value: unknown): { path: Path; leaf: number }[] {
  return [...leavesOf(value)].flatMap(({ path, leaf }) => typeof leaf === "number" ? [{ path, leaf }] : []);
}

function* shorter(text: string): Iterable<string> {
  for (let length = 0; length < text.length; length = Math.ceil((length + text.length + 1) / 2)) {
    yield text.slice(0, length);
  }
}

/** Zero, then ever closer to the number. */
function* smaller(n: number): Iterable<number> {
  for (let off = n; Math.abs(off) >= 1; off = Math.trunc(off / 2)) yield n - off;
  if (!Number.isInteger(n)) yield Math.trunc(n);
}
