/** A known bug, and what has to notice it. */
export interface Mutant {
  readonly name: string;
  /** The promise of docs/promises.md that it breaks. */
  readonly promise: number;
  readonly edits: readonly Edit[];
  /** Tried in this order; the first that fails has caught it. */
  readonly catches: readonly Catch[];
  /** Its way of failing is that something never ends: only then is a time-out a catch. */
  readonly hangs?: true;
}

/** A text of a file, which is in it once, and what stands there instead. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** Test files, or seeds of the simulation from 1 on. */
export type Catch = { readonly tests: readonly string[] } | { readonly seeds: number };

/** A mutant's text is not where it was: the code has moved on, and the mutant must follow. */
export class MisfitError extends Error {
  override readonly name = "MisfitError";
}

/**
 * The text with its one occurrence of `from` replaced.
 *
 * @throws {MisfitError} When there is none, or more than one.
 */
export function replaceOnce(text: string, { file, from, to }: Edit): string {
  const at = from === "" ? -1 : text.indexOf(from);
  if (at < 0) throw new MisfitError(`${file} has no text ${JSON.stringify(from)}`);
  if (text.indexOf(from, at + 1) >= 0) {
    throw new MisfitError(`${file} has the text ${JSON.stringify(from)} more than once`);
  }
  return text.slice(0, at) + to + text.slice(at + from.length);
}

/**
 * The files of a mutant as it makes them, by path.
 *
 * @throws {MisfitError} When it does not fit, or changes nothing.
 */
export function mutated(edits: readonly Edit[], read: (file: string) => string): Map<string, string> {
  const files = new Map<string, string>();
  for (const edit of edits) {
    if (edit.from === edit.to) throw new MisfitError(`${edit.file} would stay as it is`);
    files.set(edit.file, replaceOnce(files.get(edit.file) ?? read(edit.file), edit));
  }
  return files;
}
