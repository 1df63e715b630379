import { errorMessage } from "../core/errors.ts";
import type { StepRecord } from "../core/journal.ts";
import type { StepKind } from "../core/saga_events.ts";
import type { RunEnd } from "./saga_call.ts";

/** The code of a saga does not do what an instance of it has recorded. */
export class PartedError extends Error {
  override readonly name = "PartedError";
}

/**
 * The steps that a run asked for between two ends that it was told, held against what its code asks for now.
 *
 * Invariant: the same steps are asked for, by name and kind, in any order; otherwise the code has parted from what it
 * has recorded. Only `version` may be asked for where it was not, or not be asked for where it was.
 */
export class RecordedSteps {
  /** What has not been asked for yet, by `keyOf`. */
  readonly #left: Map<string, StepRecord>;
  #parted: PartedError | undefined;

  /** @param isStrict False where it does not matter what the code would do. */
  constructor(
    private readonly actor: string,
    steps: readonly StepRecord[],
    private readonly isStrict: boolean,
  ) {
    this.#left = new Map(steps.map((step) => [keyOf(step), step]));
  }

  /** Where the code does something else: then it gets nothing more. */
  get parted(): PartedError | undefined {
    return this.#parted;
  }

  /** The recorded step that is asked for. */
  take(kind: StepKind, name: string): StepRecord | undefined {
    const key = keyOf({ kind, name });
    const step = this.#left.get(key);
    if (step?.kind === kind) {
      this.#left.delete(key);
      return step;
    }
    if (this.isStrict) this.#part(step ?? this.#firstMissing(), `asks for ${kind} "${name}"`);
    return undefined;
  }

  /** The version that the code had here; undefined where it did not ask. */
  version(name: string): number | undefined {
    const step = this.#left.get(keyOf({ kind: "version", name }));
    return step && Number(step.output);
  }

  /** All has come to rest. @param end Of `run`, if it has one. @throws {PartedError} When it does something else. */
  check(end: RunEnd | undefined): void {
    if (!this.isStrict) return;
    const missing = this.#firstMissing();
    if (end?.kind === "failed") this.#part(missing, `throws ${errorMessage(end.error)}`);
    else if (end) this.#part(missing, "has come to its end");
    else if (missing) this.#part(missing, "does not ask for it");
    if (this.#parted) throw this.#parted;
  }

  #firstMissing(): StepRecord | undefined {
    return this.#left.values().find(({ kind }) => kind !== "version");
  }

  #part(recorded: StepRecord | undefined, does: string): void {
    const was = recorded
      ? `has recorded ${recorded.kind} "${recorded.name}" (step ${recorded.number})`
      : "has recorded no further step here";
    this.#parted ??= new PartedError(`${this.actor} cannot go on: it ${was}, and its code ${does}`);
  }
}

/** Two steps are the same when they have this in common, and their kind. */
function keyOf({ kind, name }: { kind: StepKind; name: string }): string {
  return `${kind === "version" ? kind : "step"} ${name}`;
}
