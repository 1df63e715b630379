import { attempt, titleOf } from "./attempt.ts";
import { copyRepository } from "./copy.ts";
import { type Catch, MisfitError, type Mutant, mutated } from "./mutant.ts";

const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** What came of one mutant. */
export interface Trial {
  readonly mutant: Mutant;
  readonly seconds: number;
  /** Undefined when it survives. */
  readonly caughtBy: string | undefined;
}

/** What is told while mutants are tried. */
export interface TrialListener {
  /** A run without a mutant, which has passed. */
  healthy(title: string, seconds: number): void;
  tried(trial: Trial): void;
  /** What has gone wrong without showing anything. */
  trouble(text: string): void;
}

/** Why a mutant does not fit the code any more, if it does not. */
export function misfitOf({ name, edits }: Mutant): string[] {
  try {
    mutated(edits, (file) => Deno.readTextFileSync(`${root}/${file}`));
    return [];
  } catch (error) {
    if (!(error instanceof MisfitError)) throw error;
    return [`Mutant ${name} no longer fits: ${error.message}`];
  }
}

/**
 * Plants mutants one after the other in a copy of the repository.
 *
 * @returns Undefined when what is to catch them fails without them, and so shows nothing.
 */
export async function tryMutants(
  chosen: readonly Mutant[],
  timeoutMs: number,
  listener: TrialListener,
): Promise<Trial[] | undefined> {
  const copy = await copyRepository(root);
  try {
    if (!await untouched(copy, chosen, timeoutMs, listener)) return undefined;
    const trials: Trial[] = [];
    for (const mutant of chosen) {
      const startedAt = performance.now();
      const by = await caughtBy(copy, mutant, timeoutMs, listener);
      const trial = { mutant, seconds: (performance.now() - startedAt) / 1_000, caughtBy: by };
      trials.push(trial);
      listener.tried(trial);
    }
    return trials;
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

/** What is to catch them must pass without them, or it shows nothing. @returns Whether it does. */
async function untouched(
  copy: string,
  chosen: readonly Mutant[],
  timeoutMs: number,
  { healthy, trouble }: TrialListener,
): Promise<boolean> {
  const catches = chosen.flatMap((mutant) => mutant.catches);
  const tests = [...new Set(catches.flatMap((what) => "tests" in what ? what.tests : []))];
  const seeds = Math.max(0, ...catches.map((what) => "seeds" in what ? what.seeds : 0));
  const all: Catch[] = [...(tests.length > 0 ? [{ tests }] : []), ...(seeds > 0 ? [{ seeds }] : [])];
  for (const what of all) {
    const startedAt = performance.now();
    // All of them at once: as long as a few of them each.
    const { outcome, by } = await attempt(copy, what, timeoutMs * 3);
    const title = "tests" in what ? `${tests.length} test files` : titleOf(what);
    if (outcome !== "passed") {
      trouble(`Without a mutant, ${title} should pass, and does not (${outcome}): ${by}`);
      return false;
    }
    healthy(title, (performance.now() - startedAt) / 1_000);
  }
  return true;
}

/** @returns Undefined when the mutant survives. */
async function caughtBy(
  copy: string,
  mutant: Mutant,
  timeoutMs: number,
  { trouble }: TrialListener,
): Promise<string | undefined> {
  const healthy = new Map(mutant.edits.map(({ file }) => [file, Deno.readTextFileSync(`${copy}/${file}`)]));
  const files = mutated(mutant.edits, (file) => healthy.get(file) ?? "");
  for (const [file, text] of files) Deno.writeTextFileSync(`${copy}/${file}`, text);
  try {
    for (const what of mutant.catches) {
      const { outcome, by } = await attempt(copy, what, timeoutMs);
      if (outcome === "caught") return `${titleOf(what)}: ${by}`;
      if (outcome === "timeout" && mutant.hangs) return `${titleOf(what)}: does not end, ${by}`;
      // Something has gone wrong, but not so that it shows what.
      if (outcome !== "passed") trouble(`${mutant.name}: ${titleOf(what)}: ${outcome}: ${by}`);
    }
    return undefined;
  } finally {
    for (const [file, text] of healthy) Deno.writeTextFileSync(`${copy}/${file}`, text);
  }
}
