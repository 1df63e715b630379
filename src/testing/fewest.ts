/**
 * A list without all that it is wanted without: long stretches of it are left out first, then shorter ones, and at
 * last single items, until none of them can be (delta debugging, as Zeller and Hildebrandt have described it).
 *
 * @param isWanted Asked of each shorter list; it is true of `list`.
 */
export async function fewest<T>(
  list: readonly T[],
  isWanted: (fewer: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let best = list;
  for (let size = Math.ceil(list.length / 2); size > 0;) {
    const before = best.length;
    for (let from = 0; from < best.length;) {
      const fewer = best.toSpliced(from, size);
      if (await isWanted(fewer)) best = fewer;
      else from += size;
    }
    // Single items are asked again: one may have been there for another that has gone since.
    if (size > 1) size = Math.floor(size / 2);
    else if (best.length === before) return best;
  }
  return best;
}
