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

/**
 * As `simplify`, where it takes long to ask: nothing is left out, and each value, and each two numbers, are gone
 * through once.
 *
 * @param isLeaf Which texts and numbers may change.
 */
export async function simplifyLeaves<T>(
  list: readonly T[],
  isLeaf: (path: Path) => boolean,
  isWanted: (simpler: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let best = list;
  /** Takes the simplest of those that are wanted, and then of what there is beyond that. */
  const simplest = async (simplerLists: () => Iterable<unknown>): Promise<void> => {
    for (const simpler of simplerLists()) {
      // They have the same shape, leaf for leaf.
      if (!await isWanted(simpler as readonly T[])) continue;
      best = simpler as readonly T[];
      return await simplest(simplerLists);
    }
  };
  const leaves = () => [...leavesOf(best)].filter(({ path }) => isLeaf(path));
  const numbers = () => numbersOf(best).filter(({ path }) => isLeaf(path));
  for (const place of leaves().keys()) {
    await simplest(() => {
      const leaf = leaves()[place];
      return leaf ? simplerAt(best, leaf) : [];
    });
  }
  for (const [first, second] of pairsOf([...numbers().keys()])) {
    await simplest(() => {
      const [one, other] = [numbers()[first], numbers()[second]];
      return one && other ? bothSmaller(best, one, other) : [];
    });
  }
  return best;
}

/** The simplest first. */
function* simplerOnes(list: readonly unknown[]): Iterable<unknown> {
  for (const index of list.keys()) yield list.toSpliced(index, 1);
  for (const [index, left] of list.entries()) yield* withoutSum(list.toSpliced(index, 1), left);
  for (const leaf of [...leavesOf(list)]) yield* simplerAt(list, leaf);
  for (const [one, other] of pairsOf(numbersOf(list))) yield* bothSmaller(list, one, other);
}

function* simplerAt(list: unknown, { path, leaf }: { path: Path; leaf: string | number }): Iterable<unknown> {
  const simplerLeaves = typeof leaf === "string" ? shorter(leaf) : smaller(leaf);
  for (const simpler of simplerLeaves) yield replaced(list, path, simpler);
}

interface NumberAt {
  readonly path: Path;
  readonly leaf: number;
}

function* pairsOf<T>(all: readonly T[]): Iterable<readonly [T, T]> {
  for (const [index, one] of all.entries()) {
    for (const other of all.slice(index + 1)) yield [one, other];
  }
}

function* bothSmaller(list: unknown, one: NumberAt, other: NumberAt): Iterable<unknown> {
  for (const less of smaller(Math.min(one.leaf, other.leaf))) {
    const by = Math.min(one.leaf, other.leaf) - less;
    yield replaced(replaced(list, one.path, one.leaf - by), other.path, other.leaf - by);
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

function numbersOf(value: unknown): NumberAt[] {
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
