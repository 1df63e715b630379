/** How many different values are kept of one name. */
const KEPT_MAX = 8;

type Leaf = string | number;
export type Path = readonly (string | number)[];

/**
 * Values that turns have given, by the names they had: what later inputs are made of, so that a reservation is
 * confirmed which has been made, and just as much is withdrawn as there is.
 */
export class Seen {
  /** Newest first. */
  readonly #byName = new Map<string, Leaf[]>();

  /** Takes note of all texts and numbers in a value. */
  add(value: unknown): void {
    for (const { path, leaf } of leavesOf(value)) {
      const name = nameOf(path);
      const others = (this.#byName.get(name) ?? []).filter((other) => other !== leaf);
      this.#byName.set(name, [leaf, ...others.slice(0, KEPT_MAX - 1)]);
    }
  }

  /**
   * An input of which some values are replaced by ones that were seen.
   *
   * @param picks For each value in turn which to take, from the newest on; undefined leaves it as it is.
   * @param more What there is to take beside those of the same name, for a text or a number.
   * @param isFit Whether an input may be so.
   */
  reuse(
    input: unknown,
    picks: readonly (number | undefined)[],
    more: (leaf: Leaf) => readonly Leaf[],
    isFit: (input: unknown) => boolean,
  ): unknown {
    let result = input;
    let place = 0;
    // A list is taken up whole: what it names is there only if each of it is.
    const ofLists = new Map<string, number | undefined>();
    for (const { path, leaf } of [...leavesOf(input)]) {
      let pick = picks[place++ % picks.length];
      if (typeof path.at(-1) === "number") {
        const list = JSON.stringify(path.slice(0, -1));
        const first = ofLists.has(list) ? ofLists.get(list) : pick;
        ofLists.set(list, first);
        pick = first === undefined ? undefined : pick ?? first + place;
      }
      if (pick === undefined) continue;
      const own = this.#byName.get(nameOf(path)) ?? [];
      const choice = [...own, ...more(leaf)].filter((other) => typeof other === typeof leaf);
      const chosen = choice[pick % choice.length];
      if (chosen === undefined) continue;
      const changed = replaced(result, path, chosen);
      if (isFit(changed)) result = changed;
    }
    return result;
  }
}

/** All texts and numbers in a JSON value. */
export function* leavesOf(value: unknown, path: Path = []): Iterable<{ path: Path; leaf: Leaf }> {
  if (typeof value === "string" || typeof value === "number") yield { path, leaf: value };
  else if (Array.isArray(value)) {
    for (const [index, inner] of value.entries()) yield* leavesOf(inner, [...path, index]);
  } else if (value !== null && typeof value === "object") {
    for (const [name, inner] of Object.entries(value)) yield* leavesOf(inner, [...path, name]);
  }
}

/** What a value goes by: the name of the property that it is, or is in a list of. */
function nameOf(path: Path): string {
  return String(path.findLast((part) => typeof part === "string") ?? "");
}

/** The value with another leaf at a place. */
export function replaced(value: unknown, [first, ...rest]: Path, leaf: Leaf): unknown {
  if (first === undefined) return leaf;
  if (Array.isArray(value)) {
    return value.map((inner, index) => index === first ? replaced(inner, rest, leaf) : inner);
  }
  return Object.fromEntries(
    Object.entries(Object(value)).map((
      [name, inner],
    ) => [name, name === first ? replaced(inner, rest, leaf) : inner]),
  );
}
