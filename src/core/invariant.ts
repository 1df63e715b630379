import { errorMessage } from "./errors.ts";

/**
 * What must be true of an actor's state whenever a turn has recorded something. Pure.
 *
 * @returns `true` where it is kept. `false`, or a text that says what is wrong, where it is broken; one that throws
 * is broken, too.
 */
export type Invariant<State> = (state: State) => boolean | string;

/** Invariants by name, or in a list: one of a list goes by its function's name, or else by its source. */
export type Invariants<State> = Readonly<Record<string, Invariant<State>>> | readonly Invariant<State>[];

export interface NamedInvariant {
  readonly name: string;
  readonly isKept: Invariant<unknown>;
}

const NAME_CHARS_MAX = 120;

/** A turn would have left an actor in a state that it must never be in: the turn fails, and changes nothing. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";

  constructor(
    /** `type/key`. */
    readonly actor: string,
    /** The invariant's name. */
    readonly invariant: string,
    reason: string | undefined,
  ) {
    const broken = `${actor} would break its invariant "${invariant}"`;
    super(reason === undefined ? broken : `${broken}: ${reason}`);
  }
}

/** @throws {TypeError} When one is not a function, or has no name. */
export function namedInvariants(actor: string, invariants: Invariants<never>): readonly NamedInvariant[] {
  return Object.entries(invariants).map(([key, isKept]: [string, unknown]) => {
    const where = Array.isArray(invariants) ? `invariant ${Number(key) + 1}` : `invariant "${key}"`;
    if (typeof isKept !== "function" || key.trim() === "") {
      throw new TypeError(`Cannot define actor ${actor}: ${where} must be a function with a name`);
    }
    const name = Array.isArray(invariants) ? isKept.name || sourceOf(isKept) : key;
    return { name, isKept: isKept as Invariant<unknown> };
  });
}

/** @throws {InvariantError} For the first invariant that a state breaks. */
export function checkInvariants(actor: string, invariants: readonly NamedInvariant[], state: unknown): void {
  for (const { name, isKept } of invariants) {
    let kept: unknown;
    try {
      kept = isKept(state);
    } catch (error) {
      throw new InvariantError(actor, name, errorMessage(error));
    }
    if (kept === true) continue;
    const reason = kept === false ? undefined : typeof kept === "string" ? kept : `it gave ${String(kept)}`;
    throw new InvariantError(actor, name, reason);
  }
}

function sourceOf(invariant: unknown): string {
  const source = String(invariant).replaceAll(/\s+/g, " ");
  return source.length > NAME_CHARS_MAX ? `${source.slice(0, NAME_CHARS_MAX)}…` : source;
}
